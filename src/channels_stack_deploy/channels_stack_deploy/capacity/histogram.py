"""Times in buckets of 5 %, which can be added up over seconds and processes, and sent as JSON.

Runs in the application's image, too: Python 3.9.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

LEAST = 0.0001
"""Seconds; what is faster counts as this."""

STEP = math.log(1.05)


class Histogram:
    """How often something took how long."""

    def __init__(self, buckets: Mapping[str, int] | None = None) -> None:
        self.buckets: Counter[int] = Counter({int(name): count for name, count in (buckets or {}).items()})

    def add(self, seconds: float) -> None:
        """One that took SECONDS."""
        self.buckets[math.ceil(math.log(max(seconds, LEAST) / LEAST) / STEP)] += 1

    @classmethod
    def sum(cls, those: Iterable[Histogram]) -> Histogram:
        """All of THOSE in one."""
        total = cls()
        for each in those:
            total.buckets.update(each.buckets)
        return total

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(self.buckets.values())

    @property
    def mean(self) -> float:
        """Seconds; 0 where there is none."""
        middle = math.exp(-STEP / 2)
        total = sum(
            LEAST * math.exp(bucket * STEP) * middle * count for bucket, count in self.buckets.items()
        )
        return total / self.count if self.buckets else 0.0

    def quantile(self, share: float) -> float:
        """Seconds within which a SHARE of them were done; 0 where there is none."""
        wanted, seen = share * self.count, 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen >= wanted:
                return LEAST * math.exp(bucket * STEP)
        return 0.0

    def json(self) -> dict[str, int]:
        """As Histogram() takes it."""
        return {str(bucket): count for bucket, count in self.buckets.items()}
