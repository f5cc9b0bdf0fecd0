"""Waiting for what must come: a condition is tried again and again, with a deadline that only ends a wait for ever."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE = 120
"""Seconds that a test waits for what usually takes a moment: machines are busy."""

EVERY_SECONDS = 0.05

Value = TypeVar("Value")


def until(condition: Callable[[], Value], seconds: float = PATIENCE, what: str = "") -> Value:
    """The first true value of CONDITION; AssertionError with WHAT and the last value after SECONDS."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        _in_time(deadline, seconds, what or condition, value)
        time.sleep(EVERY_SECONDS)
    return value


async def until_async(condition: Callable[[], Value], seconds: float = PATIENCE, what: str = "") -> Value:
    """The same while the event loop goes on."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        _in_time(deadline, seconds, what or condition, value)
        await asyncio.sleep(EVERY_SECONDS)
    return value


def _in_time(deadline: float, seconds: float, what: object, value: object) -> None:
    assert time.monotonic() < deadline, f"not within {seconds} s: {what}; seen last: {value!r}"


def said(read: Callable[[], str], *words: str, seconds: float = PATIENCE) -> str:
    """The log that READ returns, as soon as each of WORDS is in it: lines are written after the event."""

    def missing() -> list[str]:
        log = read()
        return [word for word in words if word not in log]

    deadline = time.monotonic() + seconds
    while lacks := missing():
        assert time.monotonic() < deadline, f"not said within {seconds} s: {lacks}\n{read()}"
        time.sleep(EVERY_SECONDS)
    return read()
