"""A websocket between server and application, which is closed from outside at any moment."""

from __future__ import annotations

import asyncio
import sys

import pytest

from channels_stack.asgi.types import SOCKET
from channels_stack.lifecycle.sockets import Socket

SAID = {"type": "websocket.receive", "text": "said"}
GONE = {"type": "websocket.disconnect", "code": 1012, "reason": "restart"}


class Server:
    """What a server gives an application, and how an application is run on it."""

    def __init__(self):
        self.said, self.sent = asyncio.Queue(), []
        self.socket = Socket({"type": "websocket", "headers": []}, self.said.get, self.send)

    async def send(self, message):
        self.sent.append(message)

    async def run(self, app):
        async def accepting(scope, receive, send):
            assert scope[SOCKET] is self.socket
            await send({"type": "websocket.accept"})
            return await app(receive, send)

        await self.socket.run(accepting)

    async def close(self):
        await self.socket.close(GONE["code"], GONE["reason"])


def running(scenario):
    async def with_server():
        await scenario(Server())

    asyncio.run(asyncio.wait_for(with_server(), 60))


async def turns(count=5):
    """Let everything that can run do so."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_a_message_makes_no_task():
    async def scenario(server):
        made = []
        asyncio.get_running_loop().set_task_factory(
            lambda loop, coroutine, **options: (
                made.append(coroutine) or asyncio.Task(coroutine, loop=loop, **options)
            )
        )

        async def app(receive, send):
            for _ in range(100):
                await send({"type": "websocket.send", "text": (await receive())["text"]})

        for _ in range(100):
            server.said.put_nowait(SAID)
        await server.run(app)
        assert len(server.sent) == 101 and made == []

    running(scenario)


def test_who_waits_is_disconnected_and_goes_on():
    async def scenario(server):
        lived = []

        async def app(receive, send):
            lived.append(await receive())
            await asyncio.sleep(0)  # would end in a cancellation that was not dealt with
            lived.append(await receive())

        running_ = asyncio.ensure_future(server.run(app))
        await turns()
        await server.close()
        await running_
        assert lived == [GONE, GONE]
        assert server.sent[-1] == {"type": "websocket.close", "code": 1012, "reason": "restart"}

    running(scenario)


def test_who_is_busy_is_disconnected_when_it_asks_and_what_came_meanwhile_is_dropped():
    async def scenario(server):
        lived, free = [], asyncio.Event()

        async def app(receive, send):
            await free.wait()
            await send({"type": "websocket.send", "text": "too late"})
            lived.append(await receive())

        running_ = asyncio.ensure_future(server.run(app))
        await turns()
        server.said.put_nowait(SAID)
        await server.close()
        free.set()
        await running_
        assert lived == [GONE]
        assert [message["type"] for message in server.sent] == ["websocket.accept", "websocket.close"]

    running(scenario)


def test_a_message_and_the_end_in_one_turn():
    async def scenario(server):
        lived = []

        async def app(receive, send):
            lived.append(await receive())

        running_ = asyncio.ensure_future(server.run(app))
        await turns()
        server.said.put_nowait(SAID)  # wakes the application, which has not run yet
        await server.close()
        await running_
        assert lived == [GONE]

    running(scenario)


def test_a_listener_of_its_own_is_disconnected():
    """As Channels' consumers: a task waits for the message, the handler's task for that one."""

    async def scenario(server):
        lived = []

        async def app(receive, send):
            lived.append(await asyncio.ensure_future(receive()))

        running_ = asyncio.ensure_future(server.run(app))
        await turns()
        await server.close()
        await running_
        assert lived == [GONE]

    running(scenario)


def test_who_is_cancelled_by_others_ends():
    async def scenario(server):
        async def app(receive, send):
            await receive()

        running_ = asyncio.ensure_future(server.run(app))
        await turns()
        running_.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running_

    running(scenario)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="who cancelled cannot be told before Python 3.11")
def test_who_is_cancelled_by_others_as_it_is_closed_ends():
    async def scenario(server):
        async def app(receive, send):
            await receive()
            await asyncio.sleep(3600)

        running_ = asyncio.ensure_future(server.run(app))
        await turns()
        closing = asyncio.ensure_future(server.close())
        running_.cancel()
        await closing
        with pytest.raises(asyncio.CancelledError):
            await running_

    running(scenario)


def test_a_receive_that_is_given_up_loses_nothing():
    async def scenario(server):
        lived = []

        async def app(receive, send):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(receive(), 0.01)
            server.said.put_nowait(SAID)
            lived.append(await receive())

        await server.run(app)
        assert lived == [SAID]

    running(scenario)
