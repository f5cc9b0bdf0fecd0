"""How much of a group's past is kept, by the name of the group."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OFF = "off"


@dataclass(frozen=True)
class Kept:
    """The last ``size`` events of a group, none of them older than ``seconds``. Size 0: nothing, and no positions."""

    size: int
    seconds: float


# Enough for a process that is away from Redis while its connection is made again, a restart of Redis included, at ten
# events a second; about 30 KB of Redis for a busy group of small events, nothing for one that was quiet for a minute.
DEFAULT = Kept(size=100, seconds=60)
NOTHING = Kept(size=0, seconds=0)
# The checks of processes that work on these groups only for themselves need no past.
LARGEST_SIZE, LONGEST_SECONDS = 100_000, 7 * 24 * 3600
# Patterns make regular expressions: what was found is remembered, for at most so many groups.
REMEMBERED = 10_000


class Policy:
    """What ``history`` of the layer's CONFIG says. Raises ValueError, which names the pattern, where it says nothing.

    ``history`` is "off", a dictionary with "size" and "seconds" for all groups, or a dictionary of globs (``room.*``), each
    with one of these; the first that fits a group counts, and DEFAULT counts for a group that none fits.
    """

    def __init__(self, history: Any = None) -> None:
        self._rules = [(re.compile(fnmatch.translate(glob)), kept) for glob, kept in _rules(history)]
        self._known: dict[str, Kept] = {}

    def of(self, group: str) -> Kept:
        """What is kept of ``group``."""
        kept = self._known.get(group)
        if kept is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            kept = next((rule for pattern, rule in self._rules if pattern.match(group)), DEFAULT)
            self._known[group] = kept
        return kept


def _rules(history: Any) -> list[tuple[str, Kept]]:
    if history is None:
        return []
    if history == OFF or (isinstance(history, Mapping) and "size" in history):
        return [("*", _kept("*", history))]
    if isinstance(history, Mapping):
        return [(str(glob), _kept(str(glob), rule)) for glob, rule in history.items()]
    raise ValueError(_wrong("history", history))


def _kept(glob: str, rule: Any) -> Kept:
    if rule == OFF:
        return NOTHING
    where = f"history[{glob!r}]"
    if not isinstance(rule, Mapping) or not set(rule) <= {"size", "seconds"}:
        raise ValueError(_wrong(where, rule))
    size, seconds = rule.get("size", DEFAULT.size), rule.get("seconds", DEFAULT.seconds)
    if isinstance(size, bool) or not isinstance(size, int) or not 0 < size <= LARGEST_SIZE:
        raise ValueError(f"{where}: size is a number of events from 1 to {LARGEST_SIZE}, not {size!r}")
    if (
        isinstance(seconds, bool)
        or not isinstance(seconds, (int, float))
        or not 0 < seconds <= LONGEST_SECONDS
    ):
        raise ValueError(f"{where}: seconds is a number up to {LONGEST_SECONDS}, not {seconds!r}")
    return Kept(size, seconds)


def _wrong(where: str, value: Any) -> str:
    return f'{where} must be "off" or a dictionary like {{"size": 100, "seconds": 60}}, not {value!r}'
