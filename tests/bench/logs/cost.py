"""`make bench-logs`: what the line of a page costs its process: made, handed to the thread that writes, and written.

Standard output is /dev/null, which takes everything at once. Printed is the CPU of the whole process for a line, and that of
the thread that logs: the median of the turns, with the lowest and the highest.

    make bench-logs [T="turns lines"]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import time
import types

from channels_stack.observability import logs

SCOPE = {
    "type": "http",
    "method": "GET",
    "path": "/rooms/lobby/",
    "client": ("192.0.2.7", 50000),
    "headers": [(b"x-request-id", b"0192f3c4-5b6a-7000-8000-0123456789ab")],
}
AT_ONCE = 1000
"""Lines between two looks at the queue, which drops what exceeds 5,000."""


async def nothing(*arguments: object) -> None:
    """An application that answers nothing, and what it would call."""


async def write(lines: int) -> None:
    for _ in range(lines):
        await logs._Access(SCOPE, nothing, nothing).run(nothing)


def turn(lines: int) -> tuple[float, float]:
    """Microseconds of a line: of the process, of the thread that logs."""
    whole, own = time.process_time(), time.thread_time()
    for _ in range(0, lines, AT_ONCE):
        asyncio.run(write(AT_ONCE))
        logs._sink.flush()
    lines = -(-lines // AT_ONCE) * AT_ONCE
    return (time.process_time() - whole) / lines * 1e6, (time.thread_time() - own) / lines * 1e6


def main() -> None:
    """Measure, and print a line on standard error."""
    parser = argparse.ArgumentParser(prog="make bench-logs T=...")
    parser.add_argument("turns", nargs="?", type=int, default=9)
    parser.add_argument("lines", nargs="?", type=int, default=10_000)
    options = parser.parse_args()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for form in ("json", "text"):
        logs.configure(types.SimpleNamespace(log_level="info", log_format=form), "http")
        logs.request_id.set("0192f3c4-5b6a-7000-8000-0123456789ab")
        turn(AT_ONCE)  # imports, and the first use of everything
        whole, own = zip(*(turn(options.lines) for _ in range(options.turns)), strict=True)
        assert not logs.dropped()
        print(
            f"{form}: {statistics.median(whole):.1f} us a line ({min(whole):.1f}-{max(whole):.1f}), "
            f"of these {statistics.median(own):.1f} in the thread that logs",
            file=sys.stderr,
        )


if __name__ == "__main__":
    main()
