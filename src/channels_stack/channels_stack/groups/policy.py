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
    """The last ``size`` events of a group, none of them older than ``seconds``, of ``bytes`` together at most.

    Size 0: nothing, and no positions. What is larger than ``bytes`` by itself is delivered and not kept.
    """

    size: int
    seconds: float
    bytes: int


# Enough for a process that is cut off from Redis while its connection is made again, a restart of Redis included, at ten
# events a second; about 30 KB of Redis for a busy group of small events, nothing for one that was quiet for a minute.
# A process that reconnects, and each client that does, reads all of it: so large events are few.
DEFAULT = Kept(size=100, seconds=60, bytes=1 << 20)
NOTHING = Kept(size=0, seconds=0, bytes=0)
LARGEST_SIZE, LONGEST_SECONDS, MOST_BYTES = 100_000, 7 * 24 * 3600, 256 << 20
# Patterns make regular expressions: what was found is remembered, for at most so many groups.
REMEMBERED = 10_000


class Policy:
    """What ``history`` of the layer's CONFIG says. Raises ValueError, which names the pattern, where it says nothing.

    ``history`` is "off", a dictionary with "size", "seconds" and "bytes" for all groups, or a dictionary of globs
    (``room.*``), each with one of these; the first that fits a group counts, and DEFAULT counts for a group that none fits.
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
    if history == OFF or (
        isinstance(history, Mapping) and any(isinstance(each, (int, float)) for each in history.values())
    ):
        return [("*", _kept("*", history))]
    if isinstance(history, Mapping):
        return [(str(glob), _kept(str(glob), rule)) for glob, rule in history.items()]
    raise ValueError(_wrong("history", history))


def _kept(glob: str, rule: Any) -> Kept:
    if rule == OFF:
        return NOTHING
    where = f"history[{glob!r}]"
    if not isinstance(rule, Mapping) or not set(rule) <= {"size", "seconds", "bytes"}:
        raise ValueError(_wrong(where, rule))
    size = _number(where, rule, "size", "a number of events", DEFAULT.size, LARGEST_SIZE)
    seconds = rule.get("seconds", DEFAULT.seconds)
    if (
        isinstance(seconds, bool)
        or not isinstance(seconds, (int, float))
        or not 0 < seconds <= LONGEST_SECONDS
    ):
        raise ValueError(f"{where}: seconds is a number up to {LONGEST_SECONDS}, not {seconds!r}")
    return Kept(size, seconds, _number(where, rule, "bytes", "a size", DEFAULT.bytes, MOST_BYTES))


def _number(where: str, rule: Mapping[str, Any], name: str, what: str, default: int, most: int) -> int:
    number = rule.get(name, default)
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number <= most:
        raise ValueError(f"{where}: {name} is {what} from 1 to {most}, not {number!r}")
    return number


def _wrong(where: str, value: Any) -> str:
    return f'{where} must be "off" or a dictionary like {{"size": 100, "seconds": 60, "bytes": 1048576}}, not {value!r}'
