"""Which peer is believed about the client, the scheme and the port."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any

import pytest

from channels_stack.middleware.forwarded_headers import ForwardedHeaders

PROXY, STRANGER = ["10.1.2.3", 4711], ["198.51.100.1", 4711]


def seen(client: list | None, headers: dict[bytes, bytes], **scope: Any) -> dict[str, Any]:
    """The scope that the application gets."""
    scopes = []

    async def application(scope, receive, send):
        scopes.append(scope)

    given = {"type": "http", "client": client, "headers": list(headers.items()), **scope}
    asyncio.run(ForwardedHeaders(application, [ipaddress.ip_network("10.0.0.0/8")])(given, None, None))
    return scopes[0]


@pytest.mark.parametrize(
    ("kind", "said", "scheme"),
    [
        ("http", b"https", "https"),
        ("http", b"http", "http"),
        ("http", b"gopher", "http"),
        ("websocket", b"https", "wss"),
        ("websocket", b"HTTPS", "wss"),
        ("websocket", b"http", "ws"),
        ("websocket", b"", "ws"),
    ],
)
def test_the_scheme(kind, said, scheme):
    assert seen(PROXY, {b"x-forwarded-proto": said}, type=kind)["scheme"] == scheme


@pytest.mark.parametrize(
    ("said", "client"),
    [
        (b"203.0.113.7", "203.0.113.7"),
        (b"2001:db8::7", "2001:db8::7"),
        (b"203.0.113.7, 10.1.2.3", "10.1.2.3"),
        (b"203.0.113.7:80", "10.1.2.3"),
        (b"unknown", "10.1.2.3"),
        (b"", "10.1.2.3"),
    ],
)
def test_only_a_single_address_is_a_client(said, client):
    assert seen(PROXY, {b"x-forwarded-for": said})["client"][0] == client


@pytest.mark.parametrize(
    ("said", "port"),
    [(b"443", 443), (b"18643", 18643), (b"", 8000), (b"0", 8000), (b"-1", 8000), (b"80, 443", 8000)],
)
def test_the_port_that_the_browser_named(said, port):
    headers = {b"x-forwarded-port": said}
    assert seen(PROXY, headers, server=["172.18.0.2", 8000])["server"][1] == port
    assert seen(STRANGER, headers, server=["172.18.0.2", 8000])["server"][1] == 8000


def test_a_server_without_an_address_has_the_port_all_the_same():
    assert seen(PROXY, {b"x-forwarded-port": b"443"}, server=None)["server"] == ("", 443)


def test_a_stranger_is_not_believed_and_the_application_does_not_see_what_it_said():
    headers = {
        b"x-forwarded-for": b"203.0.113.7",
        b"x-forwarded-proto": b"https",
        b"forwarded": b"for=1",
        b"a": b"b",
    }
    scope = seen(STRANGER, headers)
    assert (scope["client"], scope["scheme"]) == (tuple(STRANGER), "http")
    assert scope["headers"] == [(b"a", b"b")]


def test_a_peer_without_an_address_is_a_stranger():
    assert seen(None, {b"x-forwarded-for": b"203.0.113.7"})["client"] is None
