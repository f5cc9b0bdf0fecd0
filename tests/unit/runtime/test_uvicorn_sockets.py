"""Frames that go to uvicorn's transport at once are what websockets itself would have sent."""

from __future__ import annotations

import pytest
from serving import serve
from websockets.frames import Frame, Opcode

from channels_stack.servers.uvicorn_sockets import BINARY, TEXT, _head

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
