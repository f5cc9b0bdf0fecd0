"""Waiting for what must come: a condition is tried again and again, with a deadline that only ends a wait for ever."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE = 120
"""Seconds that a test waits for what usually takes a moment: machines are busy."""

SHORTEST_PAUSE, LONGEST_PAUSE = 0.02, 0.25
"""Seconds between two tries: a tenth of the time waited so far, within these. A try may cost a process (docker, ssh)."""

Value = TypeVar("Value")


def until(condition: Callable[[], Value], seconds: float = PATIENCE, what: str = "") -> Value:
    """The first true value of CONDITION; AssertionError with WHAT and the last value after SECONDS."""
    begun = time.monotonic()
    while not (value := condition()):
        time.sleep(_pause(begun, seconds, f"{what or condition}; seen last: {value!r}"))
    return value


async def until_async(condition: Callable[[], Value], seconds: float = PATIENCE, what: str = "") -> Value:
    """The same while the event loop goes on."""
    begun = time.monotonic()
    while not (value := condition()):
        await asyncio.sleep(_pause(begun, seconds, f"{what or condition}; seen last: {value!r}"))
    return value


def said(read: Callable[[], str], *words: str, seconds: float = PATIENCE) -> str:
    """The log that READ returns, as soon as each of WORDS is in it: lines are written after the event."""
    begun = time.monotonic()
    while True:
        log = read()
        if not (lacks := [word for word in words if word not in log]):
            return log
        time.sleep(_pause(begun, seconds, f"said: {lacks}\n{log}"))


def _pause(begun: float, seconds: float, what: str) -> float:
    """How long to wait for the next try; AssertionError where SECONDS since BEGUN are over."""
    waited = time.monotonic() - begun
    assert waited < seconds, f"not within {seconds} s: {what}"
    return min(max(waited / 10, SHORTEST_PAUSE), LONGEST_PAUSE)
