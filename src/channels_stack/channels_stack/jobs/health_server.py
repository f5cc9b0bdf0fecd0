"""The port of a process that serves no pages: /-/live and /-/metrics for the worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..config import addresses
from ..observability import metrics

# A request for a probe fits into one packet and is sent at once.
READ_SECONDS = 5
TEXT = "text/plain; charset=utf-8"


async def start(port: int, healthy: Callable[[], bool]) -> asyncio.AbstractServer:
    """Answer on ``port`` until the returned server is closed."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), READ_SECONDS)
            writer.write(await _answer(head, healthy))
            await asyncio.wait_for(writer.drain(), READ_SECONDS)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.TimeoutError, OSError):
            pass  # who does not speak HTTP, or has left, gets no answer
        finally:
            writer.close()

    hosts = await asyncio.get_running_loop().run_in_executor(None, addresses.to_listen_on)
    return await asyncio.start_server(serve, hosts, port)


async def _answer(head: bytes, healthy: Callable[[], bool]) -> bytes:
    path = [*head.split(b" ", 2), b"", b""][1].partition(b"?")[0]
    if path == b"/-/live":
        if healthy():
            return _response("200 OK", TEXT, b"live\n")
        return _response("503 Service Unavailable", TEXT, b"a channel is not listened to\n")
    if path == b"/-/metrics":
        return _response("200 OK", *await metrics.arender())
    return _response("404 Not Found", TEXT, b"not found\n")


def _response(status: str, content_type: str, body: bytes) -> bytes:
    headers = f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\nConnection: close"
    return f"HTTP/1.1 {status}\r\n{headers}\r\n\r\n".encode() + body
