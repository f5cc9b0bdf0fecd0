"""The pages, as a browser without JavaScript sees them."""

import re
import uuid
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client
from rooms import store
from rooms.models import Room
from surroundings import PROJECT

PASSWORD = "only for these tests"


def test_anonymous_is_sent_to_the_login_page(sign_in, room):
    for path in ("/", f"/rooms/{room.slug}/", "/console/"):
        reply = sign_in().get(path)
        assert (reply.status_code, reply["Location"]) == (302, f"/login/?next={path}")


def test_sign_in_and_out(sign_in, make_user):
    ann = make_user("ann", password=PASSWORD)
    client = sign_in()
    page = client.get("/login/?next=/rooms/lobby/").content.decode()
    assert 'name="next" value="/rooms/lobby/"' in page
    wrong = client.post("/login/", {"username": ann.username, "password": "wrong"})
    assert (wrong.status_code, 'role="alert"' in wrong.content.decode()) == (200, True)
    reply = client.post("/login/", {"username": ann.username, "password": PASSWORD})
    assert (reply.status_code, reply["Location"]) == (302, "/")
    cookie = reply.cookies["sessionid"]
    assert cookie["secure"]
    assert cookie["httponly"]
    assert client.get("/").status_code == 200
    assert client.post("/logout/")["Location"] == "/login/"
    assert client.get("/").status_code == 302


def test_login_does_not_lead_to_another_site(sign_in, make_user):
    ann = make_user("ann", password=PASSWORD)
    data = {"username": ann.username, "password": PASSWORD, "next": "https://evil.test/"}
    assert sign_in().post("/login/", data)["Location"] == "/"


def test_list_shows_rooms_with_their_last_message(sign_in, ann, room, say):
    say(room, ann, "first", "the <last> one")
    page = sign_in(ann).get("/").content.decode()
    assert f'href="/rooms/{room.slug}/"' in page
    assert "the &lt;last&gt; one" in page


def test_room_is_made(sign_in, ann):
    name = f"Café {uuid.uuid4().hex[:8]}"
    reply = sign_in(ann).post("/", {"name": f"  {name} "})
    assert reply["Location"] == f"/rooms/{name.lower().replace('é', 'e').replace(' ', '-')}/"
    assert Room.objects.get(name=name)


@pytest.mark.parametrize("name", ["", " ", "x", "漢字", "x" * 81, "\x00\x00", "!!!"])
def test_impossible_room_is_refused_with_a_reason(sign_in, ann, name):
    before = Room.objects.count()
    reply = sign_in(ann).post("/", {"name": name})
    assert reply.status_code == 422
    assert 'id="name-wrong" role="alert"' in reply.content.decode()
    assert Room.objects.count() == before


def test_room_that_exists_is_not_made_again(sign_in, ann, room):
    assert sign_in(ann).post("/", {"name": f"{room.slug.upper()}!"}).status_code == 422


def test_room_page_is_readable_without_javascript(sign_in, ann, room, say):
    say(room, ann, *(f"text {number}" for number in range(1, 61)), "<script>alert(1)</script>")
    client = sign_in(ann)
    page = client.get(f"/rooms/{room.slug}/").content.decode()
    assert re.findall(r'data-sequence="(\d+)"', page) == [str(number) for number in range(12, 62)]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert 'href="?before=12"' in page
    assert '"last": 61' in page
    older = client.get(f"/rooms/{room.slug}/?before=12").content.decode()
    assert re.findall(r'data-sequence="(\d+)"', older) == [str(number) for number in range(1, 12)]


@pytest.mark.parametrize("before", ["x", "-1", "9" * 40, "%00", "٣"])
def test_odd_page_numbers_do_no_harm(sign_in, ann, room, before):
    assert sign_in(ann).get(f"/rooms/{room.slug}/?before={before}").status_code == 200


def test_pages_need_nothing_that_the_content_security_policy_forbids(sign_in, make_user, room, say):
    staff = make_user("staff", is_staff=True, is_superuser=True)
    say(room, staff, "hello")
    for path in ("/", f"/rooms/{room.slug}/", "/console/", "/console/sockets/", "/console/groups/"):
        page = sign_in(staff).get(path).content.decode()
        scripts = re.findall(r"<script\b[^>]*>", page)
        assert all("src=" in tag or 'type="application/json"' in tag for tag in scripts)
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=", page)
        assert not re.search(r'(?:src|href)="(?:https?:)?//', page)


def test_static_files_are_hashed(sign_in):
    page = sign_in().get("/login/").content.decode()
    assert re.search(r'href="/static/rooms/rooms\.[0-9a-f]{12}\.css"', page)


def test_page_of_a_room_has_the_client_of_the_library(sign_in, ann, room):
    page = sign_in(ann).get(f"/rooms/{room.slug}/").content.decode()
    (path,) = re.findall(r'"client": "/static/(channels_stack/recoverable\.[0-9a-f]{12}\.js)"', page)
    collected = Path(settings.STATIC_ROOT, path).read_bytes()
    assert collected == (PROJECT / "src/client/recoverable.js").read_bytes()


def test_unknown_page_is_a_plain_404(sign_in, ann):
    reply = sign_in(ann).get("/nothing/")
    assert (reply.status_code, "Nothing here" in reply.content.decode()) == (404, True)
    assert sign_in(ann).get("/rooms/there-is-no-such-room/").status_code == 404


def test_failure_is_a_plain_500(sign_in, ann, monkeypatch):
    monkeypatch.setattr(store, "listed_rooms", lambda: 1 / 0)
    client = sign_in(ann)
    client.raise_request_exception = False
    reply = client.get("/")
    assert (reply.status_code, "Our mistake" in reply.content.decode()) == (500, True)
    assert "ZeroDivisionError" not in reply.content.decode()


def test_form_of_another_site_is_refused(ann):
    client = Client(enforce_csrf_checks=True, headers={"host": "rooms.test", "origin": "https://evil.test"})
    client.force_login(ann)
    reply = client.post("/", {"name": "forged"})
    assert (reply.status_code, "This form is too old" in reply.content.decode()) == (403, True)


def test_unknown_host_is_refused(ann):
    assert Client(headers={"host": "evil.test"}).get("/login/").status_code == 400


def test_console_is_for_staff_with_its_permission(sign_in, ann, make_user, environment):
    root = make_user("root", is_staff=True, is_superuser=True)
    for user, status in ((ann, 403), (make_user("staff", is_staff=True), 403), (root, 200)):
        assert sign_in(user).get("/console/").status_code == status
        assert ("/console/" in sign_in(user).get("/").content.decode()) == (status == 200)


def test_admin_shows_what_there_is_and_changes_no_message(sign_in, make_user, ann, room, say):
    admin = sign_in(make_user("root", is_staff=True, is_superuser=True))
    (message,) = say(room, ann, "as it was")
    assert "as it was" in admin.get("/admin/rooms/message/").content.decode()
    assert admin.get(f"/admin/rooms/room/{room.pk}/change/").status_code == 200
    assert admin.post(f"/admin/rooms/message/{message.pk}/change/", {"text": "forged"}).status_code == 403


def test_demo_makes_what_is_missing_once_and_keeps_the_password_to_itself(tmp_path, capsys, sign_in):
    name = f"first-{uuid.uuid4().hex[:8]}"
    file = tmp_path / "password"
    file.write_text("kept to itself\n")
    call_command("demo", f"--username={name}", f"--password-file={file}")
    file.write_text("another password\n")
    call_command("demo", f"--username={name}", f"--password-file={file}")
    said = capsys.readouterr().out.splitlines()
    assert f"user {name}: made" in said
    assert said[-2:] == [
        "room lobby: was there already, not changed",
        f"user {name}: was there already, not changed",
    ]
    assert "kept" not in "".join(said)
    assert sign_in().post("/login/", {"username": name, "password": "kept to itself"}).status_code == 302


def test_demo_refuses_a_missing_password_file(tmp_path):
    name = f"never-{uuid.uuid4().hex[:8]}"
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("demo", f"--username={name}", f"--password-file={tmp_path}/nothing")


def test_deployment_checks_pass(environment):
    call_command("check", deploy=True, fail_level="WARNING")


def test_models_and_migrations_agree():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_template_of_every_page_extends_the_base():
    pages = [
        page for page in (PROJECT / "app/rooms/templates").rglob("*.html") if not page.name.startswith("_")
    ]
    assert pages
    for page in pages:
        assert page.name == "base.html" or page.read_text().startswith("{% extends"), page


PAGES = [
    "/",
    "/rooms/{room}/",
    "/console/",
    "/admin/",
    "/admin/auth/user/add/",
    "/login/",
    "/there/is/nothing/",
]


@pytest.mark.parametrize("path", PAGES)
def test_every_page_has_a_strict_policy_and_can_live_with_it(sign_in, make_user, room, path):
    """By the rules of the HTTP Observatory: default-src 'none', and nothing that is called unsafe."""
    reply = sign_in(make_user("boss", is_staff=True, is_superuser=True)).get(path.format(room=room.slug))
    policy = dict(part.strip().split(" ", 1) for part in reply["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert {name: policy[name] for name in ("base-uri", "frame-ancestors")} == {
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    assert set(policy.values()) == {"'none'", "'self'"}
    assert reply["Cross-Origin-Resource-Policy"] == "same-origin"
    page = reply.content.decode()
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=|javascript:", page) == []
    inline = [tag for tag in re.findall(r"<script[^>]*>", page) if "src=" not in tag]
    assert [tag for tag in inline if 'type="application/json"' not in tag] == []
