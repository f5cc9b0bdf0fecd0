"""What a client of ours writes is what another library reads."""

import pytest
from websockets.frames import Frame
from websockets.streams import StreamReader

from channels_stack_deploy.frames import CLOSE, NO_MASK, PING, TEXT, close_code, frame


@pytest.mark.parametrize("mask", [NO_MASK, b"\x01\x80\xff\x7e"], ids=["no mask", "mask"])
@pytest.mark.parametrize(
    ("kind", "length"), [(PING, 0), (CLOSE, 125), *((TEXT, length) for length in (0, 125, 126, 65535, 65536))]
)
def test_a_frame(kind, length, mask):
    body = bytes(range(256)) * 256
    reader = StreamReader()
    reader.feed_data(frame(kind, body[:length], mask))
    reader.feed_eof()
    parser = Frame.parse(reader.read_exact, mask=True, max_size=None)
    with pytest.raises(StopIteration) as stopped:
        next(parser)
    read = stopped.value.value
    assert (read.opcode, read.fin, read.data) == (kind, True, body[:length])
    assert not any(reader.buffer)


def test_the_code_of_a_close():
    assert close_code(b"\x03\xf4bye") == 1012
    assert close_code(b"") == 1005
