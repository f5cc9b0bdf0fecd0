"""A new release beside the old one: pages that both are asked for, and what both count."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from channels_stack.commands import compare

OLD = {
    "/": (200, '<a href="/rooms/">rooms</a><a href="/logout/">out</a>'),
    "/rooms/": (200, "rooms"),
    "/gone/": (404, ""),
}


@contextmanager
def site(address: str, port: int, answers: dict) -> Iterator[int]:
    """A server of ANSWERS (path -> status and text, or a function of it) at ADDRESS; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = answers.get(self.path, (404, ""))
            status, text = found() if callable(found) else found
            self.send_response(status)
            self.send_header("Content-Type", "text/html")
            if status == 302:
                self.send_header("Location", "/login/")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((address, port), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def both():
    """Servers of the new and the old release under two addresses and one port."""
    with ExitStack() as stack:

        def start(new: dict, old: dict) -> int:
            port = stack.enter_context(site("127.0.0.2", 0, old))
            return stack.enter_context(site("127.0.0.3", port, new))

        yield start


@pytest.mark.parametrize(
    ("new", "problems"),
    [
        (OLD, []),
        ({"/": (500, ""), "/rooms/": (500, "")}, ["/: 500", "/rooms/: 500"]),
        (OLD | {"/rooms/": (503, "")}, ["/rooms/: 503"]),
        (OLD | {"/rooms/": (404, "")}, []),
        (OLD | {"/": (302, "")}, []),
        ({}, ["none of the 2 pages"]),
    ],
    ids=[
        "the same",
        "every page fails",
        "one page fails",
        "a page is gone",
        "a login is wanted",
        "nothing is left",
    ],
)
def test_pages(both, new, problems):
    port = both(new, OLD)
    found = compare.pages("127.0.0.3", "127.0.0.2", port, "rooms.example.org", "/")
    assert len(found) == len(problems), found
    assert all(line.startswith(begin) for line, begin in zip(found, problems, strict=True)), found


def test_pages_that_fail_in_the_old_release_too(both):
    broken = {"/": (500, "")}
    assert compare.pages("127.0.0.3", "127.0.0.2", both(broken, broken), "rooms.example.org", "/") == []


def test_a_new_release_that_does_not_answer():
    with site("127.0.0.2", 0, OLD) as port:
        found = compare.pages("127.0.0.3", "127.0.0.2", port, "rooms.example.org", "/")
    assert "/: no answer, 127.0.0.2 answers 200" in found
