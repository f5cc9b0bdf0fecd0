"""Frames that go to uvicorn's transport at once are what websockets itself would have sent."""

from __future__ import annotations

import asyncio
import inspect
import re

import pytest
from serving import serve
from uvicorn.protocols.websockets import websockets_sansio_impl
from websockets.frames import Frame, Opcode

from channels_stack.servers.uvicorn_sockets import BINARY, TEXT, Received, Writable, _head

LENGTHS = (0, 1, 125, 126, 127, 65535, 65536, 1 << 17)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize(("first", "opcode"), [(TEXT, Opcode.TEXT), (BINARY, Opcode.BINARY)])
def test_a_frame_is_as_websockets_writes_it(length, first, opcode):
    data = b"x" * length
    assert _head(first, length) + data == Frame(opcode, data).serialize(mask=False)


def test_text_and_bytes_of_every_length_come_back(redis, tmp_path):
    serving = serve(tmp_path, redis, "uvicorn")
    try:
        with serving.socket() as client:
            client.recv()  # who it is
            for length in LENGTHS[1:]:
                for message in ("x" * length, "ä" * length, b"\x00" * length):
                    client.send(message)
                    assert client.recv() == message
    finally:
        serving.kill()


@pytest.mark.parametrize(("name", "ours"), [("queue", Received), ("writable", Writable)])
def test_what_uvicorn_asks_of_its_queue_and_its_event_ours_have(name, ours):
    asked = set(re.findall(rf"self\.{name}\.(\w+)", inspect.getsource(websockets_sansio_impl)))
    assert asked and asked <= set(vars(ours))


def test_messages_come_in_their_order_and_a_reader_that_gives_up_takes_none_along():
    async def act():
        received = Received()
        first, second = (asyncio.ensure_future(received.get()) for _ in range(2))
        await asyncio.sleep(0)
        received.put_nowait(1)
        first.cancel()  # it was woken, and has not taken it yet
        assert await second == 1
        for number in range(2, 5):
            received.put_nowait(number)
        assert await received.get() == 2
        received.put_nowait(5)
        assert [await received.get() for _ in range(3)] == [3, 4, 5]
        assert received.empty()

    asyncio.run(act())


def test_whoever_waits_to_write_goes_on_when_it_is_writable():
    async def act():
        writable = Writable()
        await writable.wait()
        writable.clear()
        waiting = [asyncio.ensure_future(writable.wait()) for _ in range(2)]
        await asyncio.sleep(0)
        assert not writable.is_set() and not any(each.done() for each in waiting)
        writable.set()
        await asyncio.gather(*waiting)

    asyncio.run(act())
