"""What a visitor does with a sample project, and the checks that only some of them need."""

from __future__ import annotations

import json
import re
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

import httpx
import pytest
from people import launch, through
from playwright.sync_api import sync_playwright
from stacks import Stack, StackError, docker, eventually, on_threads
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

ANSWER_SECONDS = 15
PAGES = 8
"""Requests at once."""


class Visit:
    """A visitor of STACK, from outside; at the end of the block everything it has opened is closed."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.opened = ExitStack()
        self.pages = self.browser()

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *failure: object) -> None:
        self.opened.close()

    def browser(self) -> httpx.Client:
        """A client for pages with no cookies yet."""
        trust = ssl.create_default_context(cafile=str(self.stack.ca))
        client = httpx.Client(base_url=self.stack.url, verify=trust, timeout=ANSWER_SECONDS)
        return self.opened.enter_context(client)

    def socket(self, path: str, *, origin: str = "", subprotocol: str | None = None) -> ClientConnection:
        """An open websocket, from a page of the stack unless ORIGIN is another."""
        trust = on_threads(ssl.create_default_context(cafile=str(self.stack.ca)))
        opening = connect(
            self.stack.url.replace("https://", "wss://") + path,
            ssl=trust,
            origin=origin or self.stack.url,
            subprotocols=[subprotocol] if subprotocol else None,
            compression=None,
            ping_interval=None,
            open_timeout=ANSWER_SECONDS,
            proxy=None,
        )
        return self.opened.enter_context(opening)

    def logs(self, service: str) -> list[str]:
        """The log of each container of SERVICE."""
        return [docker("logs", name) for name in self.stack.containers(service)]

    def replicas_that_saw(self, service: str, path: str) -> list[bool]:
        """For each container of SERVICE whether it has told of a request for PATH."""
        return [f'"path": "{path}"' in log for log in self.logs(service)]


def page(visit: Visit, path: str, shows: str) -> str:
    """The page at PATH, read until both replicas have shown it: the edge chooses the one with less to do."""

    def read(_: int = 0) -> str:
        answer = visit.pages.get(path)
        assert answer.status_code == 200 and shows in answer.text, (
            f"{answer.status_code}\n{answer.text[:2000]}"
        )
        return answer.text

    def read_by_all() -> bool:
        with ThreadPoolExecutor(PAGES) as readers:
            list(readers.map(read, range(PAGES)))
        return visit.replicas_that_saw("http", path) == [True, True]

    eventually(read_by_all, what=f"{path} in the access log of both containers of http")
    return read()


def static_file(visit: Visit, text: str) -> None:
    """The static file that the page names is there, under a name made of its content."""
    name = re.search(r'(?:href|src)="([^"]+\.[0-9a-f]{12}\.(?:css|js))"', text)
    assert name, text[:2000]
    answer = visit.pages.get(name[1])
    assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"], answer.headers


def foreign_page_may_not(visit: Visit, path: str, subprotocol: str | None) -> None:
    """A page of another site cannot open the websocket with this visitor's cookies."""
    with pytest.raises(InvalidStatus) as refused:
        visit.socket(path, origin="https://evil.example", subprotocol=subprotocol)
    assert refused.value.response.status_code == 403


def hear(socket: ClientConnection, wanted: dict) -> None:
    """Wait for a message with the fields that are WANTED."""
    deadline = time.monotonic() + ANSWER_SECONDS
    heard = []
    while time.monotonic() < deadline:
        message = json.loads(socket.recv(timeout=max(0.01, deadline - time.monotonic())))
        if wanted.items() <= message.items():
            return
        heard.append(message)
    raise AssertionError(f"no message with {wanted}; heard: {heard}")


def page_with_ws_works_behind_https(visit: Visit) -> None:
    """The page has `ws://` written into it: a browser talks through it, at localhost and at a name of the net's.

    At the usual ports, as `make up` prints them: Chromium is led from there to those of this stack. It reads `ws://` as
    `wss://`, because the edge tells it to, but not at localhost. The room is one of its own: in the lobby it has to be quiet.
    """
    answer = visit.pages.get("/chat/parlour/")
    assert "'ws://'" in answer.text
    assert "upgrade-insecure-requests" in answer.headers["content-security-policy"]
    stack = visit.stack
    ports = {443: stack.port, 80: stack.plain_port}
    with sync_playwright() as playwright:
        for name in ("localhost", "rooms.example.org"):
            rules = ", ".join(f"MAP {name}:{usual} 127.0.0.1:{port}" for usual, port in ports.items())
            browser = launch(playwright, f"--host-resolver-rules={rules}")
            page = browser.new_context(ignore_https_errors=True).new_page()
            through(partial(page.goto, f"https://{name}/chat/parlour/"))
            page.wait_for_function("chatSocket.readyState === WebSocket.OPEN")
            page.fill("#chat-message-input", f"said at {name}")
            page.click("#chat-message-submit")
            shown = f"document.querySelector('#chat-log').value.includes('said at {name}')"
            page.wait_for_function(shown)
            browser.close()


def any_management_command(visit: Visit) -> None:
    """`docker compose exec http python manage.py …` sees the same settings as the pages."""
    shown = visit.stack.compose(
        "exec", "-T", "http", "python", "manage.py", "diffsettings", "--output", "unified"
    )
    assert "+ ALLOWED_HOSTS = ['localhost', 'rooms.example.org']" in shown and "+ DEBUG" not in shown, shown


def manage_py_has_the_class_of_production(visit: Visit) -> None:
    """A manage.py that says Development, by a default, gets the class that stack.env names, with the overlay over it."""
    shown = visit.stack.compose("exec", "-T", "http", "python", "manage.py", "diffsettings")
    assert "TITLE = 'Tonight, premiere'" in shown and "DEBUG = True" not in shown, shown
    assert "'HOST': 'db'" in shown, shown


def events_arrive_at_once_and_outlive_a_minute(visit: Visit) -> None:
    """Server-sent events, one a second and then twice after 31 s of silence."""
    started, seen = time.monotonic(), []
    with visit.pages.stream("GET", "/events/", params={"pauses": "1 1 31 31"}, timeout=40) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        for line in answer.iter_lines():
            if line:
                seen.append(round(time.monotonic() - started))
    assert len(seen) == 5 and seen[-1] >= 64, seen
    assert seen[1] - seen[0] <= 2 and 30 <= seen[3] - seen[2] <= 33, seen


def uploads_reach_every_replica(visit: Visit) -> None:
    """What one replica has stored, all can read, more than the memory that Django keeps an upload in."""
    content = b"0123456789abcdef" * 200_000
    browser = visit.browser()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get("/").text)
    assert token
    answer = browser.post(
        "/upload/",
        data={"csrfmiddlewaretoken": token[1]},
        files={"file": ("song.bin", content)},
        headers={"Referer": visit.stack.url},
    )
    assert answer.status_code == 200, answer.text[:2000]
    with ThreadPoolExecutor(4) as readers:
        found = list(readers.map(lambda _: visit.browser().get(f"/file/{answer.text}").content, range(4)))
    assert found == [content] * 4
    served = visit.browser().get(f"/media/{answer.text}")
    assert (served.status_code, served.content) == (200, content)
    assert served.headers["content-disposition"] == "attachment", served.headers


def handshake_without_an_answer_is_cut(visit: Visit) -> None:
    """A consumer that neither accepts nor closes costs EDGE_HANDSHAKE_TIMEOUT, here 5 s; open sockets stay silent longer."""
    started = time.monotonic()
    with pytest.raises(InvalidStatus) as refused:
        visit.socket("/undecided")
    assert refused.value.response.status_code == 504
    assert 4 <= time.monotonic() - started <= 9


def pins_of_the_project_are_what_runs(visit: Visit) -> None:
    """Of what both the project and the stack ask for, the project's version is there."""
    code = "from importlib.metadata import version as v; print(v('uvicorn'), v('redis'), v('websockets'), v('daphne'))"
    assert visit.stack.compose("exec", "-T", "ws", "python", "-c", code).split() == [
        "0.30.6",
        "5.0.8",
        "13.1",
        "4.1.2",
    ]


def commands_run_beside(visit: Visit) -> None:
    """Celery's beat has sent a task through Redis; its worker has written what the page shows, also in a shared folder."""
    eventually(lambda: "from beat" in visit.pages.get("/").text, what="the letter of the beat")
    assert "<p>from the fixture</p>" in visit.pages.get("/").text
    assert "<pre>before the silence</pre>" in visit.pages.get("/").text
    for service in ("celery", "beat"):
        assert len(visit.stack.containers(service)) == 1


def celery_is_there(visit: Visit) -> None:
    """The worker that the beat's schedule and a page's task would find answers, from where `make adopt` put it."""
    ask = ["exec", "-T", "celery", "celery", "-A", "config.celery_app", "inspect", "ping", "--timeout", "5"]
    eventually(lambda: "pong" in answer_of(visit, *ask), 60, "the answer of Celery's worker")
    shown = visit.stack.compose(
        "exec", "-T", "http", "python", "manage.py", "diffsettings", "--output", "unified"
    )
    assert "+ ADMIN_URL = 'staff-entrance/'" in shown, shown


def a_missing_field_is_named_without_the_others(visit: Visit) -> None:
    """Pydantic's own text holds what the other fields got, shortened: parts of the password of Redis among it."""
    program = "from channels_stack.config import importing as i; i.settings_module('APP_SETTINGS', '', 'config.settings')"
    command = f'env -u SITE_KEY -u HOSTS python -c "{program}" 2>&1 | tail -n 1'
    shown = visit.stack.compose("exec", "-T", "http", "sh", "-c", command)
    assert "ValidationError: site_key: Field required, hosts: Field required; variables that" in shown, shown
    assert "redis://" not in shown and "config/env.py:" in shown, shown


def answer_of(visit: Visit, *command: str) -> str:
    """What a command of Compose prints; "" while it fails."""
    try:
        return visit.stack.compose(*command)
    except StackError:
        return ""


def sessions_and_clients_have_a_redis(visit: Visit) -> None:
    """One browser, two replicas: its session is the same, and so is what the project's own clients keep."""
    browser = visit.browser()
    shown = [int(re.search(r"visit (\d+)", browser.get("/").text)[1]) for _ in range(PAGES)]
    assert shown == list(range(1, PAGES + 1))
    prizes = [f"prize-{number}" for number in range(5)]
    assert browser.get("/draw/", params={"prize": prizes}).json() == {"drawn": prizes, "left": 0}
    assert browser.get("/people/").json()["people"] >= 1
    eventually(
        lambda: browser.get("/counted/word/").json() == {"letters": 4}, 30, "the job of the queue is done"
    )
    assert browser.get("/forget/").json() == {"forgotten": 1}
    keys = "import redis, os; print(len(redis.from_url(open(os.environ['REDIS_URL_FILE']).read()).smembers('people')))"
    assert visit.stack.compose("exec", "-T", "http", "python", "-c", keys).strip() == "0", (
        "the layers' has none of it"
    )


def events_arrive_one_by_one(visit: Visit) -> None:
    """Of an async generator that needs 2 s between its first event and its last."""
    seen = []
    with visit.pages.stream("GET", "/events/", timeout=40) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        seen = [time.monotonic() for line in answer.iter_lines() if line.startswith("data:")]
    assert len(seen) == 3 and seen[-1] - seen[0] >= 1, seen


def no_process_waits_for_websockets(visit: Visit) -> None:
    """WS_REPLICAS=0: a handshake is refused at once, and the pages go on."""
    assert visit.stack.containers("ws") == []
    with pytest.raises(InvalidStatus) as refused:
        visit.socket("/anywhere")
    assert refused.value.response.status_code == 503


def sessions_are_seen_by_every_replica(visit: Visit) -> None:
    """Each visit counts, whichever replica is asked: Django's default cache is in the memory of each process."""
    browser = visit.browser()
    shown = [browser.get("/").text for _ in range(PAGES)]
    assert [f"Visit {number + 1}<" in text for number, text in enumerate(shown)] == [True] * PAGES, shown


def an_old_uvicorn_serves_without_what_it_lacks(visit: Visit) -> None:
    """One line in each process says so."""
    line = "uvicorn 0.17.6 does not know h11_max_incomplete_event_size: it serves without"
    for service in ("http", "ws"):
        assert [log.count(line) for log in visit.logs(service)] == [1, 1]


def downloads_of_synchronous_views_arrive_as_they_are_made(visit: Visit) -> None:
    """Lines one by one, and twice 600 MB at once, more than a container's memory."""

    def download(_: int) -> int:
        with visit.browser().stream("GET", "/large/", params={"megabytes": 600}, timeout=240) as answer:
            assert answer.status_code == 200
            return sum(map(len, answer.iter_bytes()))

    with ThreadPoolExecutor(2) as readers:
        assert list(readers.map(download, range(2))) == [600 << 20] * 2
    with visit.pages.stream("GET", "/slow/", timeout=40) as answer:
        seen = [time.monotonic() for _ in answer.iter_lines()]
    assert len(seen) == 4 and seen[-1] - seen[0] >= 2, seen
