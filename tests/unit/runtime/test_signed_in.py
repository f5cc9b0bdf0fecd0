"""Who is behind a socket, and whether still: any project with Django's sessions, without a line of ours in it."""

from __future__ import annotations

import contextlib
import uuid
from http.cookies import SimpleCookie

import pytest
from processes import until
from serving import SERVERS, Serving, close_code, serve

CHECK_SECONDS = 0.2
SIGNED_OUT = 4401
OLD, NEW = "k7f3-the-old-key-" * 4, "m9d4-the-new-key-" * 4
STOCK = {
    "uvicorn": ("-m", "uvicorn", "--port", "{port}", "people.asgi:application"),
    "daphne": ("-m", "daphne", "-p", "{port}", "people.asgi:application"),
}


@pytest.fixture(scope="module")
def start(redis, tmp_path_factory):
    """Starts the project on a server of ours, or on a stock one; all share one database."""
    folder = tmp_path_factory.mktemp("people")
    project = {
        "DJANGO_SETTINGS_MODULE": "people.settings",
        "APP_SETTINGS": "people.settings",
        "APP_ASGI": "people.asgi:application",
        "TEST_DATABASE": str(folder / "people.sqlite3"),
        "WS_SESSION_CHECK_SECONDS": str(CHECK_SECONDS),
    }
    migration = Serving(folder, redis, "-m", "django", "migrate", "--verbosity", "0", **project)
    assert migration.process.wait() == 0, migration.log()
    started = []

    def start(server: str, stock: bool = False, **environment: str) -> Serving:
        environment = {**project, **environment}
        if stock:
            serving = Serving(folder, redis, *STOCK[server], **environment).wait_until_it_serves()
        else:
            serving = serve(folder, redis, server, **environment)
            serving.pages = serve(folder, redis, server, "http", HTTP_PROCESSES="1", **environment)
            started.append(serving.pages)
        started.append(serving)
        return serving

    yield start
    for serving in started:
        serving.kill()


@pytest.fixture(scope="module", params=SERVERS)
def running(request, start):
    return start(request.param)


class Browser:
    """A user's cookies, and what the user does with them."""

    def __init__(self, serving: Serving, name: str = "") -> None:
        self.serving = serving
        self.cookies: SimpleCookie = SimpleCookie()
        # The tests share a database.
        self.name = f"{name}-{uuid.uuid4().hex[:8]}" if name else ""
        if name:
            self.get(f"/sign-in/{self.name}/")

    def headers(self) -> dict[str, str]:
        return {"Cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in self.cookies.items())}

    def get(self, path: str) -> str:
        answer = self.serving.get(path, self.headers())
        assert answer.status == 200, answer.body
        for line in answer.headers.get_all("Set-Cookie", []):
            self.cookies.load(line)
        return answer.body.decode()

    def socket(self):
        return self.serving.socket("/who/", additional_headers=self.headers())


def is_open(client, name: str) -> bool:
    client.send("who?")
    return client.recv() == name


class TestSigningOut:
    def test_the_sockets_of_that_session_are_closed_and_no_others(self, running):
        ann, bob, nobody = Browser(running, "ann"), Browser(running, "bob"), Browser(running)
        with (
            ann.socket() as first,
            ann.socket() as second,
            bob.socket() as other,
            nobody.socket() as stranger,
        ):
            assert [each.recv() for each in (first, other, stranger)] == [ann.name, bob.name, "nobody"]
            second.recv()
            ann.get("/sign-out/")
            assert [close_code(client) for client in (first, second)] == [SIGNED_OUT] * 2
            assert first.close_reason == "signed out"
            assert is_open(other, bob.name)
            assert is_open(stranger, "nobody")

    def test_a_user_who_is_disabled(self, running):
        ann = Browser(running, "ann")
        with ann.socket() as client:
            running.get(f"/disable/{ann.name}/")
            assert close_code(client) == SIGNED_OUT

    def test_a_new_password_ends_the_sessions_of_the_old_one(self, running):
        ann = Browser(running, "ann")
        with ann.socket() as client:
            running.get(f"/new-password/{ann.name}/")
            assert close_code(client) == SIGNED_OUT


@pytest.mark.parametrize("engine", ["cached_db", "cache", "signed_cookies"])
def test_other_places_of_sessions(start, engine):
    serving = start("uvicorn", TEST_SESSION_ENGINE=f"django.contrib.sessions.backends.{engine}")
    ann, bob = Browser(serving, "ann"), Browser(serving, "bob")
    with ann.socket() as client, bob.socket() as disabled:
        ann.get("/sign-out/")
        serving.get(f"/disable/{bob.name}/")
        assert close_code(disabled) == SIGNED_OUT
        if engine == "signed_cookies":  # it cannot be taken back, for pages no more than for sockets
            client.recv()
            assert is_open(client, ann.name)
        else:
            assert close_code(client) == SIGNED_OUT


def test_a_look_that_fails_closes_nothing_and_is_reported_once(start):
    serving = start("uvicorn")
    ann = Browser(serving, "ann")
    with ann.socket() as client:
        client.recv()
        serving.get("/rename/auth_user/elsewhere/")
        try:
            serving.says("cannot be looked up")
            with pytest.raises(TimeoutError):
                client.recv(3 * CHECK_SECONDS)
            assert is_open(client, ann.name)
        finally:
            serving.get("/rename/elsewhere/auth_user/")
        assert serving.whole_log().count("cannot be looked up") == 1
        ann.get("/sign-out/")
        assert close_code(client) == SIGNED_OUT


def test_a_cache_that_is_away_and_says_nothing_closes_nothing(start, tmp_path):
    away = tmp_path / "away"
    engine = "django.contrib.sessions.backends.cache"
    serving = start("uvicorn", TEST_SESSION_ENGINE=engine, TEST_CACHE_AWAY=str(away))
    ann = Browser(serving, "ann")
    with ann.socket() as client:
        client.recv()
        away.touch()
        serving.says("cannot be looked up")
        assert is_open(client, ann.name)
        away.unlink()
        ann.get("/sign-out/")
        assert close_code(client) == SIGNED_OUT


def outlives_its_session(serving):
    """A socket goes on after its user has signed out."""
    ann = Browser(serving, "ann")
    with ann.socket() as client:
        client.recv()
        ann.get("/sign-out/")
        with pytest.raises(TimeoutError):
            client.recv(1)
        assert is_open(client, ann.name)


def test_it_can_be_switched_off(start):
    serving = start("uvicorn", WS_SESSION_CHECK_SECONDS="0")
    outlives_its_session(serving)


@pytest.mark.parametrize("server", ["uvicorn", "daphne"])
def test_stock_sockets_outlive_their_session(start, server):
    serving = start(server, stock=True)
    outlives_its_session(serving)


class TestRotatedKey:
    def test_a_user_stays_signed_in_on_sockets_and_on_pages(self, start):
        before = start("uvicorn", SECRET_KEY=OLD)
        ann = Browser(before, "ann")
        ann.serving = start("uvicorn", SECRET_KEY=NEW, SECRET_KEY_FALLBACKS=OLD)
        with ann.socket() as client:
            assert client.recv() == ann.name
            with pytest.raises(TimeoutError):  # nor do the looks that follow
                client.recv(3 * CHECK_SECONDS)
            assert is_open(client, ann.name)
        assert ann.get("/who/") == ann.name

    @pytest.mark.parametrize("page", ["/who/", "/async-who/"])
    def test_the_session_keeps_its_name(self, start, page):
        """Of two requests that are on their way at once, the second comes with the cookies from before the first."""
        before = start("uvicorn", SECRET_KEY=OLD)
        ann = Browser(before, "ann")
        ann.serving = start("uvicorn", SECRET_KEY=NEW, SECRET_KEY_FALLBACKS=OLD)
        cookies = ann.headers()
        with ann.socket() as client:
            assert client.recv() == ann.name
            assert ann.get(page) == ann.name
            assert ann.serving.get(page, cookies).body.decode() == ann.name
            with pytest.raises(TimeoutError):
                client.recv(3 * CHECK_SECONDS)
            assert is_open(client, ann.name)
        # It is signed anew all the same: the old key may go.
        ann.serving = start("uvicorn", SECRET_KEY=NEW)
        assert ann.get(page) == ann.name

    def test_two_looks_of_one_request_at_the_user(self, start):
        before = start("uvicorn", SECRET_KEY=OLD)
        assert before.get("/replaced/").body == b""
        ann = Browser(before, "ann")
        ann.serving = start("uvicorn", SECRET_KEY=NEW, SECRET_KEY_FALLBACKS=OLD)
        assert set(ann.get("/replaced/").split()) >= {"get_user", "channels"}
        cookies = ann.headers()
        assert ann.get("/async-two-looks/") == f"{ann.name} {ann.name}"
        assert ann.headers() == cookies
        assert ann.get("/async-two-looks/") == f"{ann.name} {ann.name}"

    def test_stock_answers_the_second_as_a_stranger(self, start):
        before = start("uvicorn", SECRET_KEY=OLD)
        ann = Browser(before, "ann")
        ann.serving = start("uvicorn", stock=True, SECRET_KEY=NEW, SECRET_KEY_FALLBACKS=OLD)
        cookies = ann.headers()
        assert ann.get("/who/") == ann.name
        assert ann.serving.get("/who/", cookies).body.decode() == ""

    def test_without_the_old_key_no_user_is(self, start):
        before = start("uvicorn", SECRET_KEY=OLD)
        ann = Browser(before, "ann")
        ann.serving = start("uvicorn", SECRET_KEY=NEW)
        with ann.socket() as client:
            assert client.recv() == "nobody"

    def test_stock_signs_the_user_out_of_both(self, start):
        before = start("uvicorn", SECRET_KEY=OLD)
        ann = Browser(before, "ann")
        ann.serving = start("uvicorn", stock=True, SECRET_KEY=NEW, SECRET_KEY_FALLBACKS=OLD)
        with ann.socket() as client:
            assert client.recv() == "nobody"
        assert ann.get("/who/") == ""


@pytest.mark.parametrize("server", ["uvicorn", "daphne"])
def test_too_many_sockets_of_one_user(start, server):
    serving = start(server, WS_MAX_SOCKETS_PER_USER="2")
    ann, bob, nobody = Browser(serving, "ann"), Browser(serving, "bob"), Browser(serving)
    elsewhere = Browser(serving)
    elsewhere.get(f"/sign-in/{ann.name}/")  # another session of the same user
    with contextlib.ExitStack() as stack:
        for browser in (ann, elsewhere, bob, bob, nobody, nobody, nobody):
            stack.enter_context(browser.socket())
        refused = serving.refusal("/who/", additional_headers=ann.headers())
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "5")
        serving.counts(
            'channels_stack_sockets_refused_total{reason="user"} 1.0',
            "channels_stack_sockets_accepted_total 7.0",
        )
    until(lambda: _accepts(ann), what="there is room again")


def _accepts(browser: Browser) -> bool:
    try:
        with browser.socket():
            return True
    except Exception:
        return False
