"""Frames of WebSockets (RFC 6455), as a client writes them.

Runs in the application's image, too: Python 3.9.
"""

from __future__ import annotations

import struct

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
"""Kinds of frames; those below CLOSE carry messages."""

NO_MASK = bytes(4)
"""A mask that changes nothing, for a client that no proxy is fooled by."""


def frame(kind: int, body: bytes, mask: bytes = NO_MASK) -> bytes:
    """A whole message or a control frame."""
    length = len(body)
    if length < 126:
        size = bytes([128 | length])
    elif length < 65536:
        size = b"\xfe" + struct.pack("!H", length)
    else:
        size = b"\xff" + struct.pack("!Q", length)
    if mask != NO_MASK:
        body = bytes(byte ^ mask[place % 4] for place, byte in enumerate(body))
    return bytes([128 | kind]) + size + mask + body


def close_code(body: bytes) -> int:
    """Of a frame CLOSE with BODY; 1005 where it has none."""
    return int.from_bytes(body[:2], "big") if len(body) >= 2 else 1005
