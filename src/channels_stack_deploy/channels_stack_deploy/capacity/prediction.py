"""How many visitors there can be, extrapolated from steps in which there are fewer.

The terms are those of operational analysis (Denning and Buzen): what a page costs a service is its demand, a service whose
utilisation reaches 1 limits all (utilisation law), and visitors who wait for a page ask less often
(interactive response time law: visitors = throughput x (think time + response time)).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from math import exp, log

from .model import FAIR, FULL, MEMORY_SHARE, Bounds, Limit, Step, alone, machine

LEAST_FULL = 0.3
"""The utilisation at which slow answers become too slow; fast ones do at FULL."""

WAITING = 0.5
"""Of the slowest p95 that may be: the mean where the p95 is that, in a queue as long as the closed loop lets it become."""

LEAST_EXPONENT = 0.7
"""Of the cost: less was never measured, and would be noise."""

PAGES = ("edge", "http", "db", "redis-app")
"""Services that a page waits for where they are saturated. Sockets and jobs do not make visitors ask less often."""


Point = tuple[float, float]
"""(load, cores)"""


@dataclass(frozen=True)
class Prediction:
    """How many VISITORS there can be, the LIMIT that they come to, and how many there were at most in the steps that show it."""

    visitors: int
    limit: Limit
    seen: int = 0

    @property
    def share(self) -> float:
        """Of the predicted load, that had been SEEN."""
        return self.seen / max(self.visitors, 1)


@dataclass(frozen=True)
class Loop:
    """Visitors who ask, wait, think and ask again: THINK seconds from the answer to the next page; both 0: they ask for none."""

    think: float
    waited: float
    """Seconds for a page, on average, in the steps that show the loop."""

    @classmethod
    def of(cls, steps: Iterable[Step]) -> Loop:
        """As STEPS show it: a mixture of visits has no other."""
        there = [step for step in steps if step.pages.count]
        pages = sum(step.pages.count for step in there)
        if not pages:
            return cls(0.0, 0.0)
        # The mean of a histogram is a few percent off: of visitors who hardly think, it can be more than all the time.
        cycle = sum(step.visitors * step.seconds for step in there) / pages
        waited = min(sum(step.pages.mean * step.pages.count for step in there) / pages, cycle)
        return cls(cycle - waited, waited)

    @property
    def cycle(self) -> float:
        """Seconds from a page to the next, in the steps that show the loop."""
        return self.think + self.waited

    def load(self, step: Step) -> float:
        """What the cost of STEP grows with: pages a second, or visitors where they ask for none."""
        return step.rate if self.cycle else float(step.visitors)

    def visitors(self, load: float, waiting: float) -> int:
        """Who make so much LOAD, where they wait so many seconds for a page."""
        return int(load * (self.think + waiting) if self.cycle else load)


@dataclass(frozen=True)
class Cost:
    """Cores that a load costs: BASE + SCALE x load ^ EXPONENT.

    The exponent is below 1, since a page costs less, the more there are: what a service does when it wakes up, it does for each
    page where they come alone, and once for several where they come together.
    """

    base: float
    scale: float
    exponent: float

    @classmethod
    def of(cls, points: Sequence[Point], together: Point | None = None) -> Cost | None:
        """Of POINTS, the first without load; None where they show no cost. Each weighs as much as its load.

        TOGETHER is the point at which pages came together, as they do at the knee: there each costs what it cost there.
        """
        base = min(cores for _, cores in points)
        if together and together[0] > 0 and together[1] > base:
            return cls(base, (together[1] - base) / together[0], 1.0)
        above = [(load, log(load), log(cores - base)) for load, cores in points if load > 0 and cores > base]
        if not above:
            return None
        total = sum(weight for weight, _, _ in above)
        mean_x, mean_y = (sum(point[0] * point[at] for point in above) / total for at in (1, 2))
        spread = sum(weight * (x - mean_x) ** 2 for weight, x, _ in above)
        common = sum(weight * (x - mean_x) * (y - mean_y) for weight, x, y in above)
        exponent = max(LEAST_EXPONENT, min(1.0, common / spread)) if spread else 1.0
        return cls(base, exp(mean_y - exponent * mean_x), exponent)

    def load(self, cores: float) -> float:
        """The load that costs CORES."""
        return (max(0.0, cores - self.base) / self.scale) ** (1 / self.exponent)


def predict(steps: Sequence[Step], bounds: Bounds, together: Step | None = None) -> Prediction | None:
    """By the demands that STEPS show, the first of them without visitors; None where they show none.

    TOGETHER is a step in which visitors asked at the same moments: of pages in a queue, it shows the demand without a guess.
    """
    loop = Loop.of(steps)
    last = steps[-1]
    full = fullest(steps, bounds.slowest)
    waiting = WAITING * bounds.slowest
    candidates: list[tuple[int, Limit]] = []

    def cost(cores: Callable[[Step], float]) -> Cost | None:
        points = [(loop.load(step), cores(step)) for step in steps]
        return Cost.of(points, (loop.load(together), cores(together)) if together else None)

    for service, usage in last.services.items():
        of_service = cost(partial(used_by, service))
        if of_service:
            load = of_service.load(full * usage.cores_limit)
            visitors = loop.visitors(load, waiting if service in PAGES else loop.waited)
            candidates.append((visitors, Limit("processor", service, f"the processors of {service}")))
        there = [(step.visitors, step.services[service].memory) for step in steps if service in step.services]
        base, each = line(there)
        if each > 0 and bounds.sockets_of_a_visitor and service in ("edge", "ws"):
            free = MEMORY_SHARE * usage.memory_limit - base
            candidates.append((int(free / each), Limit("memory", service, f"memory of {service}")))
    others = sorted(step.others for step in steps)[len(steps) // 2]
    quiet = others < 0.1 * last.cores
    # On a quiet machine the kernel's part counts too, which no container is charged for.
    of_machine = cost(lambda step: step.busy - others if quiet else step.stack + step.generator)
    if of_machine:
        free = max(full * last.cores - others, FAIR * last.cores)
        candidates.append((loop.visitors(of_machine.load(free), waiting), machine(last)))
    if bounds.sockets and bounds.sockets_of_a_visitor:
        text = "the sockets of a process (WS_MAX_SOCKETS)"
        candidates.append((bounds.sockets // bounds.sockets_of_a_visitor, Limit("sockets", "ws", text)))
    if bounds.edge and bounds.connections_of_a_visitor:
        most = bounds.edge // bounds.connections_of_a_visitor
        candidates.append((most, Limit("connections", "edge", "the connections of the edge (EDGE_MAXCONN)")))
    if not candidates:
        return None
    visitors, limit = min(candidates, key=lambda one: one[0])
    return Prediction(visitors, limit, max(step.visitors for step in steps))


def used_by(service: str, step: Step) -> float:
    """Cores that SERVICE used during STEP; 0 where it was not there."""
    return step.services[service].cores if service in step.services else 0.0


def fullest(steps: Sequence[Step], slowest: float) -> float:
    """The utilisation at which pages become too slow: what takes S alone takes S / (1 - utilisation) in company."""
    return max(LEAST_FULL, min(FULL, 1 - alone(steps) / slowest))


def line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Least squares: (at 0, for each)."""
    count = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    each = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0
    return mean_y - each * mean_x, each
