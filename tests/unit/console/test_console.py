"""The console on real servers: what it shows, to whom, and what it does."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket as socket_module
from html import escape, unescape
from urllib.parse import quote, urlencode

import pytest
from processes import until
from serving import close_code
from visitors import CONSOLE, Visitor, sees

PAGES = ("", "sockets/", "groups/", "processes.json")
MARKUP = "<img src=x onerror=alert(1)>"


class TestWhoMaySee:
    def test_who_is_not_signed_in_is_sent_to_the_login_page(self, running):
        for page in PAGES:
            answer = Visitor(running).get(CONSOLE + page)
            assert (answer.status, answer.headers["Location"]) == (302, f"/login/?next={CONSOLE}{page}")
        assert Visitor(running).refusal() == 403

    @pytest.mark.parametrize(("staff", "may"), [(True, ()), (False, ("view",)), (True, ("act",))])
    def test_it_takes_staff_with_the_permission(self, running, staff, may):
        visitor = Visitor(running, "eve", *may, staff=staff)
        assert {visitor.get(CONSOLE + page).status for page in PAGES} == {403}
        assert visitor.refusal() == visitor.refusal(f"{CONSOLE}sockets/") == 403

    def test_a_page_of_another_site_gets_no_socket(self, running):
        ann = Visitor(running, "ann", "view")
        for origin in ("https://evil.test", None, "null", f"http://127.0.0.1:{running.port}.evil.test"):
            assert ann.refusal(origin=origin) == 403
        with ann.socket() as socket:
            sees(socket, "Processes")

    def test_no_socket_for_a_page_that_is_not_there(self, running):
        assert Visitor(running, "ann", "view").refusal(f"{CONSOLE}nothing/") == 403

    def test_who_loses_the_permission_loses_the_open_page(self, running):
        ann = Visitor(running, "ann", "view")
        with ann.socket() as socket:
            sees(socket, "Processes")
            running.get(f"/demote/{ann.name}/")
            assert close_code(socket) == 4403

    def test_who_signs_out_loses_the_open_page(self, start):
        """On plain uvicorn: in the stack each socket of who signs out is closed, by the sign-in check."""
        ann = Visitor(start(stock=True), "ann", "view")
        with ann.socket() as socket:
            sees(socket, "answers in")
            ann.get("/sign-out/")
            assert close_code(socket) == 4403

    def test_a_page_is_in_no_cache_and_in_no_frame(self, running):
        answer = Visitor(running, "ann", "view").get(CONSOLE)
        assert "no-store" in answer.headers["Cache-Control"]
        assert answer.headers["X-Frame-Options"] == "DENY"


class TestWhatItShows:
    def test_processes(self, running):
        ann = Visitor(running, "ann", "view")
        with ann.socket() as socket:
            shown = sees(socket, "ws", "http", "uvicorn", "running")
        assert "answers in" in shown
        page = ann.text(CONSOLE)
        assert all(word in page for word in ("Open sockets", "Jobs waiting", "MiB", "default"))
        data = ann.get(f"{CONSOLE}processes.json").json()
        assert {each["service"] for each in data["processes"]} == {"ws", "http"}

    def test_sockets_as_they_come_and_go(self, running):
        ann, bob = Visitor(running, "ann", "view"), Visitor(running, "bob", staff=False)
        with ann.socket(f"{CONSOLE}sockets/?q=/talk/kitchen") as socket:
            sees(socket, "0 fit")
            with bob.socket("/talk/kitchen/"):
                sees(socket, "1 fit", bob.name, "/talk/kitchen/", "127.0.0.1", "ws:")
            sees(socket, "0 fit")

    def test_groups_and_their_members(self, running):
        ann, bob = Visitor(running, "ann", "view"), Visitor(running, "bob", staff=False)
        with bob.socket("/talk/cellar/") as first, bob.socket("/talk/cellar/") as second:
            assert first.recv() == second.recv() == "in"
            with ann.socket(f"{CONSOLE}groups/?q=cell") as socket:
                sees(socket, "cellar default 2 1")
                second.close()
                sees(socket, "cellar default 1 1")

    def test_members_of_a_group(self, running):
        ann, bob = Visitor(running, "ann", "view"), Visitor(running, "bob", staff=False)
        with bob.socket("/talk/loft/") as first, Visitor(running).socket("/talk/barn/") as other:
            assert first.recv() == other.recv() == "in"
            href = unescape(
                re.search(r'href="\.\./(sockets[^"]+)">loft<', ann.get(f"{CONSOLE}groups/").body.decode())[1]
            )
            page = ann.text(CONSOLE + href)
            assert "1 of them in the group loft" in page
            assert bob.name in page
            assert "/talk/barn/" not in page

    def test_markup_in_what_strangers_choose_is_text(self, running):
        ann, eve = Visitor(running, "ann", "view"), Visitor(running, "<b onclick=alert(1)>", staff=False)
        with eve.socket(f"/talk/{quote(MARKUP, safe='')}/") as link:
            assert link.recv() == "in"
            for page in ("sockets", "groups"):
                search = quote(f'">{MARKUP}')
                pages = [ann.get(f"{CONSOLE}{page}/?q={each}").body.decode() for each in (search, "img")]
                with ann.socket(f"{CONSOLE}{page}/?q=img") as socket:
                    pages.append(until(lambda: _shows(socket, "&lt;img"), what="the live page shows it"))
                assert escape(MARKUP) in pages[0]
                assert escape(MARKUP) in pages[1]
                assert all("<img" not in each and "<b " not in each for each in pages)


class TestClosing:
    def test_one_socket_asked_first_and_written_down(self, running):
        ann, bob = Visitor(running, "ann", "view", "act"), Visitor(running, "bob", staff=False)
        with bob.socket("/talk/hall/") as first, bob.socket("/talk/hall/") as second:
            rows = until(lambda: _rows(ann, "/talk/hall/", 2), what="both are listed")
            href = rows[-1]  # the newest first
            assert "Close socket" in ann.text(href)
            answer = ann.post(href)
            assert (answer.status, b"Done: 1" in answer.body) == (200, True)
            assert close_code(first) == 1008
            assert first.close_reason == "closed by an operator"
            second.ping().wait(10)
        running.pages.says(f"{ann.name}: Close socket")

    def test_all_of_a_user_and_of_no_one_else(self, running):
        ann, bob, eve = (
            Visitor(running, "ann", "view", "act"),
            *(Visitor(running, name, staff=False) for name in ("bob", "eve")),
        )
        with (
            bob.socket("/talk/hall/") as first,
            bob.socket("/talk/attic/") as second,
            eve.socket("/talk/hall/") as other,
        ):
            key = until(lambda: _key(ann, bob.name), what="bob is listed")
            answer = ann.post(f"{CONSOLE}sockets/close/?user={key}")
            assert b"Done: 2" in answer.body
            assert [close_code(each) for each in (first, second)] == [1008, 1008]
            other.ping().wait(10)

    def test_it_takes_the_permission_and_a_form_of_this_site(self, running):
        ann, eve = Visitor(running, "ann", "view", "act"), Visitor(running, "eve", "view")
        address = f"{CONSOLE}sockets/close/?user=1"
        assert eve.get(address).status == 403
        assert eve.post(address, token=False, user="1").status == 403
        assert ann.post(address, token=False, user="1").status == 403
        assert ann.get(f"{CONSOLE}sockets/close/?number=x&process=y").status == 404


def test_a_page_that_was_not_encrypted_gets_no_encrypted_socket(start):
    """Who sits on the line can write such a page of the same host; Django's forms take nothing of it either."""
    serving = start(stock=True)
    ann, encrypted = Visitor(serving, "ann", "view"), {"X-Forwarded-Proto": "https"}
    host = f"127.0.0.1:{serving.port}"
    for scheme in ("http", "ftp"):
        assert ann.refusal(origin=f"{scheme}://{host}", headers=encrypted) == 403
    for origin, headers in (("https", encrypted), ("https", {}), ("http", {})):
        with ann.socket(origin=f"{origin}://{host}", headers=headers) as socket:
            socket.recv()


@pytest.mark.parametrize("cursor", ['[1,"a",Infinity]', "[" * 900, '{"a":1}', "[NaN]", "1e999", '["",""]'])
def test_an_address_that_makes_no_sense_is_the_first_page(start, cursor):
    serving = start(stock=True)
    ann = Visitor(serving, "ann", "view")
    for page in ("sockets", "groups", "jobs"):
        assert ann.get(f"{CONSOLE}{page}/?{urlencode({'from': cursor})}").status == 200


def test_plain_uvicorn_shows_what_there_is(start):
    serving = start(stock=True, REDIS_URL="")
    ann = Visitor(serving, "ann", "view")
    page = ann.text(CONSOLE)
    assert "REDIS_URL is not set" in page
    assert "default channel layer answers in" in page
    assert "sqlite3 answers in" in page
    assert "REDIS_URL is not set" in ann.text(f"{CONSOLE}sockets/")
    assert ann.get(f"{CONSOLE}processes.json").status == 503
    with ann.socket() as socket:
        sees(socket, "answers in")


class TestOutages:
    def test_a_process_that_hangs_is_named(self, running):
        ann = Visitor(running, "ann", "view")
        hanging = running.process.popen
        os.kill(hanging.pid, signal.SIGSTOP)
        try:
            page = ann.text(f"{CONSOLE}sockets/")
        finally:
            os.kill(hanging.pid, signal.SIGCONT)
        assert f"No answer in time from ws:{socket_module.gethostname()}:{hanging.pid}" in page
        assert "No answer" not in until(lambda: _quiet(ann), what="it answers again")

    def test_redis_goes_and_comes_back(self, start, redis):
        serving = start(stock=True)  # its sockets stay open
        ann = Visitor(serving, "ann", "view")
        with ann.socket() as socket:
            sees(socket, "Processes")
            redis.stop()
            try:
                sees(socket, "Redis does not answer")
                assert "Redis does not answer" in ann.text(f"{CONSOLE}sockets/")
                assert "Redis does not answer" in ann.text(f"{CONSOLE}jobs/")
                assert ann.get(f"{CONSOLE}processes.json").status == 503
            finally:
                redis.start()
            sees(socket, "Processes")


def _quiet(visitor: Visitor) -> str:
    page = visitor.text(f"{CONSOLE}sockets/")
    return page if "No answer" not in page else ""


def _rows(visitor: Visitor, search: str, count: int) -> list[str]:
    """The addresses under which the sockets on the page are closed, once there are ``count``."""
    body = visitor.get(f"{CONSOLE}sockets/?q={search}").body.decode()
    found = [
        f"{CONSOLE}sockets/{unescape(each)}" for each in re.findall(r'href="(close/\?process[^"]+)"', body)
    ]
    return found if len(found) == count else []


def _key(visitor: Visitor, name: str) -> str:
    found = re.search(
        rf'href="\?user=(\w+)">{name}<', visitor.get(f"{CONSOLE}sockets/?q={name}").body.decode()
    )
    return found[1] if found else ""


def _shows(socket, part: str) -> str:
    with contextlib.suppress(TimeoutError):
        text = socket.recv(timeout=1)
        return text if part in text else ""
    return ""


def test_the_groups_layer_numbers_its_events(start):
    serving = start(TEST_LAYER="channels_stack.groups.RedisGroupsChannelLayer")
    serving.wait_until_ready()
    ann, bob = Visitor(serving, "ann", "view"), Visitor(serving, "bob", staff=False)
    with bob.socket("/talk/tower/") as link, ann.socket(f"{CONSOLE}groups/?q=tower") as socket:
        assert link.recv() == "in"
        sees(socket, "tower default 1 1 0")
        serving.get("/say/tower/hello/")
        assert link.recv() == "hello"
        sees(socket, "tower default 1 1 1")
        assert bob.name in ann.text(f"{CONSOLE}sockets/?group=tower&layer=default")
