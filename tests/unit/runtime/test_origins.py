"""The Origin of a websocket, for projects that do not look at it themselves."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from channels_stack.middleware import origins


def answer(kind: str, *headers: tuple[bytes, bytes]) -> list[dict[str, Any]]:
    """What a handshake or request with HEADERS is answered by an application that accepts everything."""
    sent: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "reached"})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read")

    scope = {"type": kind, "headers": list(headers), "extensions": {"websocket.http.response": {}}}
    asyncio.run(origins.check(app, ["https://a.example", "https://b.example:8443"])(scope, receive, send))
    return sent


@pytest.mark.parametrize("origin", [b"https://a.example", b"https://A.example", b"https://b.example:8443"])
def test_a_page_of_ours_may_open_a_websocket(origin):
    assert answer("websocket", (b"origin", origin)) == [{"type": "reached"}]


@pytest.mark.parametrize(
    "origin",
    [
        b"https://evil.example",
        b"http://a.example",
        b"https://a.example:8443",
        b"https://a.example.evil.example",
        b"null",
        b"",
        b"\xff",
    ],
)
def test_a_page_of_anybody_else_may_not(origin):
    refusal = answer("websocket", (b"origin", origin))[0]
    assert (refusal["type"], refusal["status"]) == ("websocket.http.response.start", 403)


def test_a_client_that_is_no_browser_sends_none():
    assert answer("websocket") == [{"type": "reached"}]


def test_pages_are_django_s_business():
    assert answer("http", (b"origin", b"https://evil.example")) == [{"type": "reached"}]
