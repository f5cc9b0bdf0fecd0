"""From steps of a ramp to the knee: how many visitors were served well, what limits them, and how many to try next.

Nothing here measures anything. The terms are those of operational analysis (Denning and Buzen): what a visitor costs a service is
its demand, and a service whose utilisation reaches 1 limits all (utilisation law).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
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

FULL, LEAST_FULL = 0.97, 0.3
"""The utilisation at which fast answers become slow, and that at which slow ones do; for what follows from the demand."""

NEARLY = 0.97
"""Of the connections that the edge admits: not all visitors have theirs at the same moment."""

GENERATOR_LAG = 0.15
GENERATOR_BUSY = 0.9
FIRST = 10
FEWEST_SEEN = 0.2
"""The utilisation at which the demand is known well enough to predict."""

SLOW_ALONE = 0.45
"""Of the slowest that may be: pages so slow cannot share a processor with many."""

NEAR = 0.3
"""The utilisation that the first steps lead to, by factors from 1.5 to 5."""

FAIR = 0.5
"""Of the machine, that the stack gets at least from other programs, where both want it."""

FINE = 1.08
"""How near the last good and the first bad number of visitors are at the end."""

TOWARDS = (0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5)
"""Parts of the prediction that are tried, one after the other."""


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
class Prediction:
    """How many VISITORS there can be, by what they cost so far, and the LIMIT that they come to."""

    visitors: int
    limit: Limit


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
        return _machine(step)
    if own:
        return Limit("processor", busiest, f"the processors of {busiest}")
    if alone > SLOW_ALONE * bounds.slowest:
        return Limit("page", "http", f"pages that take {milliseconds(alone)} even alone")
    if step.pages.quantile(0.95) > bounds.slowest or step.answers["503"]:
        return Limit("slots", "http", "pages that wait, though no processor is busy (HTTP_CONCURRENCY)")
    return Limit("unknown", "", "none of the stack's: what the application itself waits for")


def predict(steps: Sequence[Step], bounds: Bounds) -> Prediction | None:
    """By the demands that STEPS show, the first of them without visitors; None where they show none."""
    candidates: list[Prediction] = []
    last = steps[-1]
    full = fullest(steps, bounds.slowest)
    for service in last.services:
        seen = [(step.visitors, step.services[service]) for step in steps if service in step.services]
        base, each = line([(visitors, usage.cores) for visitors, usage in seen])
        usage = last.services[service]
        if each > 0:
            visitors = int((full * usage.cores_limit - base) / each)
            candidates.append(
                Prediction(visitors, Limit("processor", service, f"the processors of {service}"))
            )
        base, each = line([(visitors, usage.memory) for visitors, usage in seen])
        if each > 0 and bounds.sockets_of_a_visitor and service in ("edge", "ws"):
            free = MEMORY_SHARE * usage.memory_limit - base
            candidates.append(Prediction(int(free / each), Limit("memory", service, f"memory of {service}")))
    others = sorted(step.others for step in steps)[len(steps) // 2]
    quiet = others < 0.1 * last.cores
    # On a quiet machine the kernel's part counts too, which no container is charged for.
    _, each = line([(step.visitors, step.busy if quiet else step.stack + step.generator) for step in steps])
    if each > 0:
        free = max(full * last.cores - others, FAIR * last.cores) - steps[0].stack
        candidates.append(Prediction(int(free / each), _machine(last)))
    if bounds.sockets and bounds.sockets_of_a_visitor:
        text = "the sockets of a process (WS_MAX_SOCKETS)"
        candidates.append(
            Prediction(bounds.sockets // bounds.sockets_of_a_visitor, Limit("sockets", "ws", text))
        )
    if bounds.edge and bounds.connections_of_a_visitor:
        most = bounds.edge // bounds.connections_of_a_visitor
        candidates.append(
            Prediction(most, Limit("connections", "edge", "the connections of the edge (EDGE_MAXCONN)"))
        )
    return min(candidates, key=lambda one: one.visitors, default=None)


def fullest(steps: Sequence[Step], slowest: float) -> float:
    """The utilisation at which pages become too slow: what takes S alone takes S / (1 - utilisation) in company."""
    return max(LEAST_FULL, min(FULL, 1 - alone(steps) / slowest))


def alone(steps: Iterable[Step]) -> float:
    """Seconds that a page takes where no other does, as STEPS show; 0 where they show none."""
    seen = (step.pages.quantile(0.95) * (1 - min(step.utilisation, 0.9)) for step in steps if step.visitors)
    return min(seen, default=0.0)


def _machine(step: Step) -> Limit:
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


def line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Least squares: (at 0, for each)."""
    count = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    each = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0
    return mean_y - each * mean_x, each


@dataclass
class Ramp:
    """Which numbers of visitors are tried."""

    bounds: Bounds
    steps: list[Step] = field(default_factory=list)
    """The first is without visitors."""
    prediction: Prediction | None = None

    def add(self, step: Step) -> list[str]:
        """STEP is done; its symptoms."""
        self.steps.append(step)
        wrong = symptoms(step, self.bounds) if step.visitors else []
        if self.prediction is None and len(self.steps) > 2 and (wrong or step.utilisation > FEWEST_SEEN):
            self.prediction = predict([one for one in self.steps if self.good(one)], self.bounds)
        return wrong

    def good(self, step: Step) -> bool:
        """Whether the visitors of STEP were served well."""
        return not step.visitors or not symptoms(step, self.bounds)

    @property
    def best(self) -> Step:
        """The most visitors that were served well, below those that never were."""
        worst = self.worst
        return max(
            (one for one in self.steps if self.good(one) and (not worst or one.visitors < worst.visitors)),
            key=lambda one: one.visitors,
        )

    @property
    def worst(self) -> Step | None:
        """The fewest visitors that were not served well; a number that was tried twice counts by its better step."""
        well = {one.visitors for one in self.steps if self.good(one)}
        bad = [one for one in self.steps if one.visitors not in well]
        return min(bad, key=lambda one: one.visitors, default=None)

    def following(self) -> int | None:
        """How many visitors to try next; None: the knee is known."""
        best, worst = self.best.visitors, self.worst
        if worst:
            tried = Counter(one.visitors for one in self.steps)
            if tried[worst.visitors] < 2:
                return worst.visitors  # one bad step may be another program's
            if worst.visitors <= best * FINE or worst.visitors - best <= 1:
                return None
            return max(best + 1, round((max(best, 1) * worst.visitors) ** 0.5))
        if self.prediction is None:
            return max(FIRST, round(best * min(5, max(1.5, NEAR / self.best.utilisation))))
        wanted = (round(part * self.prediction.visitors) for part in TOWARDS)
        return next((number for number in wanted if number > best * 1.04), round(best * 1.3) + 1)

    def knee(self) -> Knee:
        """What is known now."""
        worst = self.worst
        return Knee(self.best, cause(worst, self.bounds, alone(self.steps)) if worst else None)


def counted(words: dict[str, int]) -> str:
    """For people: 503 (12), broken off (3)."""
    return ", ".join(f"{word} ({count})" for word, count in sorted(words.items()))


def milliseconds(seconds: float) -> str:
    """For people."""
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.0f} s"
