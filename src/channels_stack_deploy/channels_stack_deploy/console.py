"""What the tool says to people: steps with their time, tables, and failures that name the fix."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager


class Failure(Exception):
    """The run cannot go on. The text says what, where and the fix; it is printed without a traceback."""


class Lines(io.TextIOBase):
    """A standard output for a program that has its own: TELL gets each line when it is complete."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        self.emit, self.begun = tell, ""

    def write(self, text: str) -> int:
        """Hand on each line when it is complete."""
        *complete, self.begun = (self.begun + text).split("\n")
        for line in complete:
            self.emit(line)
        return len(text)


def say(text: str = "") -> None:
    """One line for people, at once."""
    print(text, flush=True)


def detail(text: str) -> None:
    """One line below a step."""
    say(f"    {text}")


@contextmanager
def step(title: str) -> Iterator[None]:
    """Announce a step, and its time in seconds once it is done."""
    say(f"==> {title}")
    started = time.monotonic()
    yield
    detail(f"done in {time.monotonic() - started:.1f} s")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print ROWS below HEADER in aligned columns."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    for row in [header, ["-" * width for width in widths], *rows]:
        say("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def agreed(question: str) -> bool:
    """Ask once on a terminal; without one the answer is yes, because there is no one to ask."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return True
    return input(f"{question} [Y/n] ").strip().lower() in ("", "y", "yes")
