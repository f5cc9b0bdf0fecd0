"""What the tool says to people: steps with their time, tables, and failures that name the fix.

Details for debugging are noted: they go to the log of the run alone.
"""

from __future__ import annotations

import io
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

SILENCE_SECONDS = 10
"""After so long without a line the step that runs is named again; then after twice as long, and so on."""

TITLE_SECONDS = 1
"""A step that is over sooner, and has nothing to say, is not even named."""

KEPT_LOGS = 20


class Failure(Exception):
    """The run cannot go on. The text says what, where and the fix; it is printed without a traceback."""


HIDDEN = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
"""What a terminal obeys, what ends a line for some, what changes the direction of writing, and what is no text."""

UNSHOWN = {True: re.compile(f"[{HIDDEN}]"), False: re.compile(f"[{HIDDEN}\t\n]")}
"""With and without lines."""


def printable(text: str, *, lines: bool = True) -> str:
    """TEXT, which may be a stranger's, without what a terminal obeys: that is shown as \\x1b. Without LINES it is one line.

    What JSON may hold is written as in JSON, and means the same there.
    """
    return UNSHOWN[lines].sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    return repr(character)[1:-1] if character < "\x7f" else f"\\u{ord(character):04x}"


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


class Run:
    """One run with a log: everything that was printed and noted, and how long each step took."""

    def begin(self, log: TextIO | None) -> None:
        """Start; without a LOG, notes are printed."""
        self.log = log
        self.phases: list[tuple[str, float]] = []
        self.spoke = time.monotonic()
        self.title = ""
        """Of the step that runs, and has not been named yet."""

    def announce(self) -> None:
        """Name the step that runs, once."""
        title, self.title = self.title, ""
        if title:
            self.spoke = time.monotonic()
            print(title, flush=True)

    def write(self, text: str) -> None:
        """Into the log, where there is one."""
        if self.log:
            print(f"{time.strftime('%H:%M:%S')} {printable(text)}", file=self.log, flush=True)


_run = Run()
_run.begin(None)


def say(text: str = "") -> None:
    """One line for people, at once."""
    show(text)
    _run.write(text)


def show(text: str) -> None:
    """One line for people that no log may hold."""
    _run.announce()
    _run.spoke = time.monotonic()
    print(printable(text), flush=True)


def detail(text: str) -> None:
    """One line below a step."""
    say(f"    {text}")


def note(text: str) -> None:
    """One line for the log of the run; where it has none, below the step."""
    if _run.log:
        _run.write(f"    {text}")
    else:
        detail(text)


@contextmanager
def logged(folder: Path, name: str) -> Iterator[Path]:
    """A run whose log is a file in FOLDER, which keeps the last ones; how it failed is in it as well. Yields the file."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in sorted(folder.glob("*.log"))[: -KEPT_LOGS + 1]:
        old.unlink()
    path = folder / f"{time.strftime('%Y%m%dT%H%M%S')}-{name}.log"
    # What an application prints may be for the operator's eyes alone.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        _run.begin(file)
        try:
            yield path
        except Failure as failure:
            _run.write(f"FAILED: {failure}")
            raise Failure(f"{failure}\nlog: {path}") from None
        finally:
            _run.begin(None)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Announce a step, and name it again where it is silent for long; its time is one of the run's."""
    _run.announce()
    _run.title = title
    _run.write(title)
    started, over = time.monotonic(), threading.Event()
    reminder = threading.Thread(target=_remind, args=(title, started, over), daemon=True)
    reminder.start()
    try:
        yield
    finally:
        over.set()
        reminder.join()
        _run.title = ""
        _run.phases.append((title.partition(":")[0].partition(",")[0], time.monotonic() - started))


def _remind(title: str, started: float, over: threading.Event) -> None:
    if not over.wait(TITLE_SECONDS):
        _run.announce()
    pause = float(SILENCE_SECONDS)
    # Without a log the steps are a playbook's, which names its tasks itself.
    while _run.log and not over.wait(max(0.1, _run.spoke + pause - time.monotonic())):
        if time.monotonic() - _run.spoke >= pause:
            detail(f"… {title.partition(':')[0]}: {time.monotonic() - started:.0f} s")
            pause *= 2


def times() -> str:
    """How long each step of the run took, those of less than a second left out."""
    return ", ".join(f"{title} {seconds:.0f} s" for title, seconds in _run.phases if seconds >= 1)


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


def aligned(rows: list[list[str]]) -> list[str]:
    """ROWS in columns, the first one being their heads."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
