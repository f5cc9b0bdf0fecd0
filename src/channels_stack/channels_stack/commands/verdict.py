"""Whether a new release does worse than the old one that serves at the same time: two shares, and how likely chance is.

Of each kind of event (an answer, a handshake, a job …) some are bad. A new release is worse where all of this holds:

* at least FAILED_AT_LEAST of its own were bad: one visitor may bring two;
* their share is above the floor of their kind, and more than TIMES_THE_OLD times that of the old release, or higher by what is
  MORE of their kind: of what is slow on a busy machine the old one has many as well;
* by chance alone, were both alike, it would have so many of all the bad ones less than once in 1 / CHANCE times (Fisher's exact
  test, one-sided; where the old release has none to compare with: the binomial test against the floor).

Few events therefore need a clear difference, and many a small one.

Of what happens rarely the old release may have a HISTORY: what it did before both were there. Where meanwhile it does at least as
many without a bad one, so that nothing around it has changed, its history counts as well, and two bad ones are enough.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

FAILED_AT_LEAST = 3
FAILED_AT_LEAST_WITH_HISTORY = 2
TIMES_THE_OLD = 3.0
CHANCE = 1e-3


@dataclass(frozen=True)
class Count:
    """How many there were, and how many of them were BAD."""

    bad: float
    all: float

    @property
    def share(self) -> float:
        return self.bad / self.all if self.all else 0.0

    def __str__(self) -> str:
        return f"{self.bad:.0f} of {self.all:.0f}"


@dataclass(frozen=True)
class Comparison:
    """What new and old did meanwhile. `what` reads on after a count: "answers are 5xx"; a share up to FLOOR is never worse."""

    what: str
    floor: float
    new: Count
    old: Count
    more: float = 1.0
    """A share higher by this is worse, though it is not TIMES_THE_OLD times that of the old one."""
    burst: float = 1.0
    """So many come together for one reason and count as one where chance is asked: what is slow while another process is busy."""
    history: Count = Count(0, 0)

    @property
    def remembered(self) -> bool:
        """Whether the old one's history counts: it is as well now as it was."""
        return self.history.all > 0 and not self.old.bad and self.old.all >= self.new.bad

    @property
    def worse(self) -> bool:
        """Whether the new one is, beyond chance."""
        return self.suspicious and self.chance < CHANCE

    @property
    def suspicious(self) -> bool:
        """Whether it looks so, by chance or not."""
        return self.looks_worse(FAILED_AT_LEAST_WITH_HISTORY if self.remembered else FAILED_AT_LEAST)

    @property
    def undecided(self) -> bool:
        """Whether it looks so, and more of them may rule chance out."""
        return self.suspicious or (self.history.all > 0 and self.looks_worse(1))

    def looks_worse(self, least: int) -> bool:
        """Whether LEAST or more of the new one's were bad, and a larger share than of the old one's."""
        too_many = min(TIMES_THE_OLD * self.old.share, self.old.share + self.more)
        return self.new.bad >= least and self.new.share > max(self.floor, too_many)

    @property
    def chance(self) -> float:
        """How likely it is that a new release like the old one has so many bad ones, or more."""
        bad, some = rounded(self.new, self.burst)
        old_bad, old_some = rounded(self.old, self.burst)
        if self.remembered:
            before_bad, before = rounded(self.history, self.burst)
            old_bad, old_some = old_bad + before_bad, old_some + before
        if not old_some:
            return binomial(bad, some, self.floor)
        return hypergeometric(bad, some, bad + old_bad, some + old_some)

    def __str__(self) -> str:
        before = f", {self.history} before" if self.remembered else ""
        return f"{self.new} {self.what}, {self.old} of the old release{before}"


def rounded(count: Count, burst: float) -> tuple[int, int]:
    """Of COUNT the bad ones and all, as whole numbers of bursts."""
    bad = round(count.bad / burst)
    return bad, max(round(count.all / burst), bad)


def hypergeometric(least: int, drawn: int, marked: int, total: int) -> float:
    """How likely LEAST or more of MARKED are among DRAWN of TOTAL."""
    ways = _log_choose(total, drawn)
    logs = (
        _log_choose(marked, number) + _log_choose(total - marked, drawn - number) - ways
        for number in range(least, min(marked, drawn) + 1)
        if drawn - number <= total - marked
    )
    return min(1.0, math.fsum(map(math.exp, logs)))


def binomial(least: int, tries: int, share: float) -> float:
    """How likely LEAST or more of TRIES come true, each with this SHARE."""
    logs = (
        _log_choose(tries, number) + number * math.log(share) + (tries - number) * math.log1p(-share)
        for number in range(least, tries + 1)
    )
    return min(1.0, math.fsum(map(math.exp, logs)))


def _log_choose(all_of: int, some: int) -> float:
    return math.lgamma(all_of + 1) - math.lgamma(some + 1) - math.lgamma(all_of - some + 1)
