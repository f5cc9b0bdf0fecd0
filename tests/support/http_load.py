"""Pages that a benchmark asks for: clients that cost far less than what they measure."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable

CONNECTIONS = 16


def request(path: str, host: str, *headers: str) -> bytes:
    """What asks for PATH of HOST, with HEADERS of the form `Name: value`."""
    return "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {host}", *headers, "", ""]).encode()


def pages(
    host: str, port: int, make: Callable[[], bytes], seconds: float, tls: ssl.SSLContext | None = None
) -> int:
    """How many pages CONNECTIONS clients got within SECONDS, each of which waits for one before it asks again.

    MAKE returns what is asked next. AssertionError where an answer is not 200.
    """
    return asyncio.run(_all(host, port, make, seconds, tls))


async def _all(
    host: str, port: int, make: Callable[[], bytes], seconds: float, tls: ssl.SSLContext | None
) -> int:
    end = time.monotonic() + seconds

    async def client() -> int:
        reader, writer = await asyncio.open_connection(host, port, ssl=tls)
        count = 0
        while time.monotonic() < end:
            writer.write(make())
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert head.startswith(b"http/1.1 200"), head
            await reader.readexactly(int(head.partition(b"content-length:")[2].split()[0]))
            count += 1
        writer.close()
        return count

    return sum(await asyncio.gather(*(client() for _ in range(CONNECTIONS))))
