"""What a step of the ramp has shown: whether its visitors were served well, and what stood in the way where they were not.

Nothing here measures anything. `prediction.py` extrapolates from steps, `ramp.py` chooses them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from .histogram import Histogram

FAILED_SHARE = 0.002
"""Of pages that may fail before it counts: one request in 500 may meet a bad moment."""

MEMORY_SHARE = 0.92
CONNECTIONS_SHARE = 0.95
LAG_SECONDS = 0.5
"""What a socket waits for at such an event loop, whatever it asks."""

BUSY = 0.88
"""A service that uses so much of its processors is what limits, where something does."""

FULL = 0.97
"""The utilisation at which fast answers become slow."""

NEARLY = 0.97
"""Of the connections that the edge admits: not all visitors have theirs at the same moment."""

GENERATOR_LAG = 0.15
GENERATOR_BUSY = 0.9
SLOW_ALONE = 0.45
"""Of the slowest that may be: pages so slow cannot share a processor with many."""

FAIR = 0.5
"""Of the machine, that the stack gets at least from other programs, where both want it."""


@dataclass(frozen=True)
class Usage:
    """Of one service during a step, all its replicas together."""

    cores: float
    cores_limit: float
    """That it can use: its limit, and one for each of its processes."""
    memory: int
    """Of the replica that is nearest to its limit."""
    memory_limit: int
    replicas: int = 1
    throttled: float = 0.0
    """Cores that it wanted and was not given."""

    @property
    def utilisation(self) -> float:
        """Of the cores that it can use."""
        return self.cores / self.cores_limit

    @property
    def wanted(self) -> float:
        """The same, with what it was not given."""
        return (self.cores + self.throttled) / self.cores_limit


@dataclass(frozen=True)
class Step:
    """So many visitors for some seconds, and what came of it."""

    visitors: int
    seconds: float
    pages: Histogram = field(default_factory=Histogram)
    messages: Histogram = field(default_factory=Histogram)
    answers: Counter[str] = field(default_factory=Counter)
    sockets: Counter[str] = field(default_factory=Counter)
    open: int = 0
    heard: int = 0
    services: dict[str, Usage] = field(default_factory=dict)
    cores: int = 1
    """Of the machine."""
    busy: float = 0.0
    """Cores of the machine that were busy, with anything."""
    generator: float = 0.0
    """Cores that the visitors themselves used."""
    generator_lag: float = 0.0
    lag: dict[str, float] = field(default_factory=dict)
    connections: int = 0
    refused: dict[str, float] = field(default_factory=dict)
    """Why processes of ws refused handshakes -> how many."""
    ended: tuple[str, ...] = ()
    """Services of which a container ended."""
    together: bool = False
    """Whether visitors asked at the same moments: that shows what a page costs in a queue, and not how well it is served."""

    @property
    def rate(self) -> float:
        """Pages a second."""
        return self.pages.count / self.seconds

    @property
    def stack(self) -> float:
        """Cores that the stack used."""
        return sum(each.cores for each in self.services.values())

    @property
    def busiest(self) -> str:
        """The service that uses most of what it may; "" where there is none."""
        return max(self.services, key=lambda name: self.services[name].wanted, default="")

    @property
    def others(self) -> float:
        """Cores that neither the stack nor the visitors used."""
        return max(0.0, self.busy - self.stack - self.generator)

    @property
    def utilisation(self) -> float:
        """Of the busiest service, or of the machine by stack and visitors."""
        services = (usage.utilisation for usage in self.services.values())
        return max([*services, (self.stack + self.generator) / self.cores])


@dataclass(frozen=True)
class Bounds:
    """What may not be passed."""

    slowest: float
    """p95 of pages and of messages, seconds."""
    connections: int | None = None
    """Of PostgreSQL; None: not known."""
    sockets: int | None = None
    """Of all replicas of ws."""
    edge: int | None = None
    """Connections that the edge admits."""
    connections_of_a_visitor: int = 2
    sockets_of_a_visitor: int = 1


@dataclass(frozen=True)
class Limit:
    """What is passed, or will be first: KIND of SERVICE. TEXT says it to people."""

    kind: str
    service: str
    text: str


@dataclass(frozen=True)
class Knee:
    """The most visitors that were served well, and what stood in the way of more; no LIMIT: nothing did, as far as was tried."""

    step: Step
    limit: Limit | None


def symptoms(step: Step, bounds: Bounds) -> list[str]:
    """What visitors of STEP did not get as they should; empty: they were served well."""
    symptoms = []
    asked = sum(step.answers.values())
    failed = {word: count for word, count in step.answers.items() if not word.isdigit() or int(word) >= 429}
    if sum(failed.values()) > FAILED_SHARE * asked:
        symptoms.append("pages answered " + counted(failed))
    if step.pages.quantile(0.95) > bounds.slowest:
        symptoms.append(f"p95 of pages {milliseconds(step.pages.quantile(0.95))}")
    bad = {word: count for word, count in step.sockets.items() if word not in ("101", "closed 1000")}
    if sum(bad.values()) > FAILED_SHARE * (step.open + step.sockets["101"]):
        symptoms.append("sockets " + counted(bad))
    if step.messages.quantile(0.95) > bounds.slowest:
        symptoms.append(f"p95 of messages {milliseconds(step.messages.quantile(0.95))}")
    symptoms += [f"a container of {service} ended" for service in step.ended]
    for service, lag in step.lag.items():
        if lag > max(LAG_SECONDS, bounds.slowest):
            symptoms.append(f"event loop lag of {service} {milliseconds(lag)}")
    for service, usage in step.services.items():
        if usage.memory > MEMORY_SHARE * usage.memory_limit:
            symptoms.append(f"memory of {service} {usage.memory / usage.memory_limit:.0%} of its limit")
    if bounds.connections and step.connections > CONNECTIONS_SHARE * bounds.connections:
        symptoms.append(f"{step.connections} of {bounds.connections} connections to PostgreSQL")
    return symptoms


def cause(step: Step, bounds: Bounds, alone: float = 0.0) -> Limit:
    """What stands behind the symptoms of STEP, where a page takes so many seconds when it is ALONE."""
    if step.ended:
        return Limit("memory", step.ended[0], f"memory of {step.ended[0]}: a container of it ended")
    for service, usage in step.services.items():
        if usage.memory > MEMORY_SHARE * usage.memory_limit:
            return Limit("memory", service, f"memory of {service}")
    for word, why in (("address", "of one address"), ("user", "of one user")):
        if step.refused.get(word):
            return Limit(f"sockets {word}", "ws", f"the sockets {why} (WS_MAX_SOCKETS_PER_{word.upper()})")
    if step.refused.get("full"):
        return Limit("sockets", "ws", "the sockets of a process (WS_MAX_SOCKETS)")
    if step.answers["429"] or step.sockets["429"]:
        return Limit("address", "edge", "what the edge allows one address (EDGE_*_PER_*)")
    if bounds.edge and step.visitors * bounds.connections_of_a_visitor > NEARLY * bounds.edge:
        return Limit("connections", "edge", "the connections of the edge (EDGE_MAXCONN)")
    if bounds.connections and step.connections > CONNECTIONS_SHARE * bounds.connections:
        return Limit("connections", "db", "the connections to PostgreSQL")
    if step.generator > GENERATOR_BUSY or step.generator_lag > max(GENERATOR_LAG, bounds.slowest / 2):
        return Limit("generator", "", "the visitors themselves: one process cannot play more")
    busiest = step.busiest
    own = busiest and step.services[busiest].wanted > BUSY
    if step.busy > FULL * step.cores and not (own and step.others > FAIR * step.cores):
        return machine(step)
    if own:
        return Limit("processor", busiest, f"the processors of {busiest}")
    if alone > SLOW_ALONE * bounds.slowest:
        return Limit("page", "http", f"pages that take {milliseconds(alone)} even alone")
    if step.pages.quantile(0.95) > bounds.slowest or step.answers["503"]:
        return Limit("slots", "http", "pages that wait, though no processor is busy (HTTP_CONCURRENCY)")
    return Limit("unknown", "", "none of the stack's: what the application itself waits for")


def alone(steps: Iterable[Step]) -> float:
    """Seconds that a page takes where no other does, as STEPS show; 0 where they show none."""
    seen = (step.pages.quantile(0.95) * (1 - min(step.utilisation, 0.9)) for step in steps if step.visitors)
    return min(seen, default=0.0)


def machine(step: Step) -> Limit:
    """The machine as what limits at STEP."""
    busiest = max(step.services, key=lambda name: step.services[name].cores, default="")
    if step.others > FAIR * step.cores:
        text = f"what other programs leave of the {step.cores} processors of this machine"
        return Limit("others", busiest, text)
    return Limit("machine", busiest, f"the {step.cores} processors of this machine; most used by {busiest}")


def without_visitors(step: Step) -> float:
    """How many times as many there could be where they did not compute on this machine too; 1 where it has cores left."""
    if step.busy < BUSY * step.cores or not step.stack:
        return 1.0
    return (step.stack + step.generator) / step.stack


def counted(words: dict[str, int]) -> str:
    """For people: 503 (12), broken off (3)."""
    return ", ".join(f"{word} ({count})" for word, count in sorted(words.items()))


def milliseconds(seconds: float) -> str:
    """For people."""
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.0f} s"
