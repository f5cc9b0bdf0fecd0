"""The visitors of `make capacity` against servers of others: websockets, and bytes as they come."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import ssl
import time

import pytest
import pytest_asyncio
from selfsigned import self_signed
from websockets.asyncio.server import serve
from websockets.datastructures import Headers
from websockets.http11 import Response

from channels_stack_deploy.capacity import generator
from channels_stack_deploy.capacity.client import Broken, Browser, Door

pytestmark = pytest.mark.asyncio

LOOPBACK = "127.0.0.1"


@pytest.fixture
def tls(tmp_path):
    """(of a server, of its visitors)"""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    self_signed("localhost", LOOPBACK, certificate, key)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate, key)
    return server, ssl.create_default_context(cafile=certificate)


def door(port: int, context: ssl.SSLContext) -> Door:
    return Door(LOOPBACK, port, "localhost", f"localhost:{port}", "https://localhost", context)


def port_of(server) -> int:
    return server.sockets[0].getsockname()[1]


async def echo(connection):
    async for message in connection:
        await connection.send(message)
        if message == "leave":
            await connection.close(4001)


async def test_a_socket_talks_hears_and_is_closed(tls):
    heard: list[bytes] = []
    async with serve(echo, LOOPBACK, 0, ssl=tls[0], subprotocols=["chat.v1"], ping_interval=0.05) as server:
        browser = Browser(door(port_of(server), tls[1]), "127.0.0.7")
        line = await browser.socket("/ws/", "chat.v1", heard.append)
        assert (line.status, line.closed) == (101, 0)
        for text in ("hello", "x" * 200, "ü" * 40_000, "leave"):
            line.send(text)
        async with asyncio.timeout(10):
            while not line.closed:
                await asyncio.sleep(0.01)
        assert [each.decode() for each in heard] == ["hello", "x" * 200, "ü" * 40_000, "leave"]
        assert line.closed == 4001


async def test_a_handshake_that_is_refused(tls):
    def refuse(connection, request):
        assert request.headers["Origin"] == "https://localhost"
        assert request.headers["Cookie"] == "sessionid=abc"
        return connection.respond(503, "full")

    async with serve(echo, LOOPBACK, 0, ssl=tls[0], process_request=refuse) as server:
        browser = Browser(door(port_of(server), tls[1]), "127.0.0.7", {"sessionid": "abc"})
        assert (await browser.socket("/ws/", "", lambda message: None)).status == 503


ANSWERS = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: b=2\r\n\r\nhello",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\nabc\r\n0\r\n\r\n",
    "empty": b"HTTP/1.1 304 Not Modified\r\n\r\n",
}


@pytest_asyncio.fixture
async def bytes_of(tls):
    """Starts a server that answers each request with the next of some bytes, and ends the connection for none."""
    servers, asked, connections = [], [], itertools.count()

    async def start(*answers: bytes) -> Door:
        left = list(answers)

        async def answer(reader, writer):
            number = next(connections)
            while left:
                asked.append((number, (await reader.readuntil(b"\r\n\r\n")).decode()))
                text = left.pop(0)
                if not text:
                    break
                writer.write(text)
            writer.close()

        servers.append(await asyncio.start_server(answer, LOOPBACK, 0, ssl=tls[0]))
        return door(port_of(servers[-1]), tls[1])

    start.asked = asked
    yield start
    for server in servers:
        server.close()


@pytest.mark.parametrize("kind", ANSWERS)
async def test_pages_on_a_connection_that_is_kept(bytes_of, kind):
    browser = Browser(await bytes_of(ANSWERS[kind], ANSWERS["length"], ANSWERS["length"]), "127.0.0.9")
    statuses = [await browser.get("/first"), await browser.get("/second"), await browser.get("/third")]
    assert statuses == [304 if kind == "empty" else 200, 200, 200]
    assert len({connection for connection, _ in bytes_of.asked}) == 1
    assert "Cookie: a=1; b=2" in bytes_of.asked[-1][1]
    browser.close()


async def test_a_kept_connection_that_ended_is_made_again(bytes_of):
    browser = Browser(await bytes_of(ANSWERS["length"], b"", ANSWERS["chunked"]), "127.0.0.9")
    assert [await browser.get("/"), await browser.get("/")] == [200, 200]
    browser.close()


async def test_what_is_no_http_is_said(bytes_of):
    browser = Browser(await bytes_of(b"SSH-2.0-x\r\n\r\n"), "127.0.0.9")
    with pytest.raises(Broken, match="no HTTP"):
        await browser.get("/")


def crowd_at(server, **changes) -> generator.Crowd:
    """Nobody yet, whose visits read / ten times a second, with CHANGES."""
    usual = {"pages": ["/"], "sockets": [], "subprotocol": "", "send": [], "messages": 0}
    visit = {**usual, "think": 0.1, "seconds": 60, "share": 1, "cookies": [{}], **changes}
    names = {"domain": "localhost", "authority": "localhost", "origin": "https://localhost"}
    addresses = ["127.0.0.2", "127.0.0.3"]
    place = {"edge": LOOPBACK, "port": port_of(server), "addresses": addresses}
    return generator.Crowd({**place, **names, "visits": [visit]})


async def test_a_crowd_asks_together(tls):
    """Each visitor once in two seconds, and all within the first of them."""
    tick, number = 2.0, 6
    moments = []

    async def page(reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                moments.append(time.monotonic())
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with await asyncio.start_server(page, LOOPBACK, 0, ssl=tls[0]) as server:
        crowd = crowd_at(server)
        crowd.become(number, 0, tick)
        async with asyncio.timeout(60):
            while len(moments) < 4 * number:
                await asyncio.sleep(0.05)
        crowd.become(0, 0)
    asked = moments[number:]  # the first of each is its coming
    assert all(moment % tick < tick / 2 for moment in asked), asked


async def test_a_crowd_grows_talks_and_leaves(tls):
    """Everybody hears everybody: what was said is heard within the second, by all, with its time."""
    members = set()

    async def room(connection):
        members.add(connection)
        try:
            async for message in connection:
                for each in list(members):
                    await each.send(message)
        finally:
            members.discard(connection)

    def pages(connection, request):
        if request.path == "/":
            return Response(200, "OK", Headers({"Content-Length": "0"}), b"")
        return None

    async with serve(room, LOOPBACK, 0, ssl=tls[0], process_request=pages) as server:
        crowd = crowd_at(server, sockets=["/ws/"], send=['{"text": "$unique"}'], messages=600)
        crowd.become(6, 0.2)
        async with asyncio.timeout(30):
            while crowd.second.messages.count < 200:
                await asyncio.sleep(0.05)
        assert len(crowd.open) == len(members) == 6
        assert {each.remote_address[0] for each in members} == {"127.0.0.2", "127.0.0.3"}
        told = json.loads(json.dumps(crowd.second.json()))
        assert set(told["answers"]) == {"200"} and told["sockets"] == {"101": 6}
        assert crowd.second.messages.quantile(0.5) < 5 and crowd.second.heard >= crowd.second.sent
        crowd.become(2, 0)
        async with asyncio.timeout(30):
            while len(members) > 2:
                await asyncio.sleep(0.02)
        crowd.become(0, 0)
        async with asyncio.timeout(30):
            while members:
                await asyncio.sleep(0.02)
