"""relay.py PORT TO: passes connections of this machine on to another port. Stopped (SIGSTOP), it is a network that drops all."""

from __future__ import annotations

import asyncio
import contextlib
import sys


async def passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


async def main(port: int, to: int) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            back, forth = await asyncio.open_connection("127.0.0.1", to)
        except OSError:
            return writer.close()
        await asyncio.gather(passed_on(reader, forth), passed_on(back, writer))

    server = await asyncio.start_server(connected, "127.0.0.1", port, backlog=1000)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
