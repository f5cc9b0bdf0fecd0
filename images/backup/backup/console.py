"""What this container says, to its log and to the operator who calls a command in it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

REFUSED = 78
"""Exit code of a configuration that is refused."""


class Failure(Exception):
    """The work cannot go on. The text says what, where and the fix, a line for each problem."""

    code = 1


class Refusal(Failure):
    """What was asked for, or the configuration, is refused; nothing was changed."""

    code = REFUSED


class Busy(Failure):
    """Something else is at work; the same may be done when it has ended."""


def say(text: str) -> None:
    """Write one line."""
    print(f"backup: {text}", file=sys.stderr, flush=True)


def moment(seconds: float) -> str:
    """Unix SECONDS as people and PostgreSQL read it, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S+00")


def age(seconds: float) -> str:
    """A length of time for people, in its two largest units at most."""
    whole = max(0, int(seconds))
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min"
    return f"{whole // 3600} h" if whole < 172800 else f"{whole // 86400} days"


def size(amount: float) -> str:
    """Bytes for people, in MB or GB of 10^6 or 10^9."""
    return f"{amount / 1e9:.2f} GB" if amount >= 1e9 else f"{amount / 1e6:.1f} MB"
