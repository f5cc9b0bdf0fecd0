"""The ramp of `make capacity` on stacks whose knee is known, because they are formulas: it is found, named and predicted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from random import Random

import pytest

from channels_stack_deploy.capacity import advice, model, plot, prediction
from channels_stack_deploy.capacity.histogram import Histogram
from channels_stack_deploy.capacity.model import Bounds, Step, Usage
from channels_stack_deploy.capacity.ramp import FINE, Ramp
from channels_stack_deploy.config.settings import defaults, load

MIB = 1024**2
SECONDS, THINK = 7, 10.0
BOUNDS = Bounds(slowest=1.0, connections=192, sockets=10_000, edge=100_000, sockets_of_a_visitor=1)


@dataclass
class Stack:
    """A closed network of queues (operational analysis): CORES of the machine, DEMAND of a page on each service."""

    cores: int = 8
    demand: dict[str, float] = field(default_factory=lambda: {"http": 0.004, "edge": 0.0005, "db": 0.001})
    limits: dict[str, float] = field(default_factory=lambda: {"http": 2.0, "edge": 1.0, "db": 1.0})
    bytes_of_a_visitor: float = 10_000
    slots: float = 1000
    waits: float = 0.0
    """Seconds that a page waits for nothing of the stack's, in a slot."""
    visitor: float = 0.0002
    others: float = 0.0
    think: float = THINK
    idle: float = 0.02
    """Cores that a service uses without visitors."""
    woken: float = 0.0
    """How much more a page costs where it comes alone: so much of the demand again."""
    together: float = 0.1
    """The part of the limit at which half of that is shared with other pages."""
    unqueued: float = 0.0
    """How much more a page costs where none waits: so much of the demand again."""
    spread: float = 0.8
    """How far a page's time is from the mean, at most; the p95 of real ones, where they queue, is about twice the mean."""
    noise: float = 0.0
    """How far measured cores are from those of the formula, at most."""
    random: Random = field(default_factory=lambda: Random(1))

    def cost(self, service: str, rate: float, most: float) -> float:
        """Of a page, where so many come in a second, of MOST that can: it falls, since what wakes the service is shared."""
        demand = self.demand[service]
        half = self.together * self.limits[service] / demand
        return demand * (1 + self.woken / (1 + rate / half) + self.unqueued * (1 - (rate / most) ** 2))

    def most(self) -> float:
        """Pages a second that saturate something."""
        rate = 1.0
        for _ in range(50):
            cost = {name: self.cost(name, rate, rate) for name in self.demand}
            each = sum(cost.values()) + self.visitor
            free = {name: self.limits[name] - self.idle for name in cost}
            rate = min(
                *(free[name] / cost[name] for name in cost),
                (self.cores - self.others - self.idle * len(cost)) / each,
                self.slots / (self.waits + each),
            )
        return rate * 0.999

    def step(self, visitors: int, *, together: bool = False) -> Step:
        """What VISITORS get, who ask TOGETHER or not: then a page costs what it costs where something is saturated."""
        most = self.most()
        seconds = sum(self.demand.values()) + self.waits
        for _ in range(100):  # the fixed point of a closed network
            rate = min(visitors / (self.think + seconds), most)
            cost = {name: self.cost(name, most if together else rate, most) for name in self.demand}
            shares = {name: rate * cost[name] / self.limits[name] for name in cost}
            queues = sum(cost[name] / (1 - min(shares[name], 0.999)) for name in cost)
            seconds = max(queues + self.waits, visitors / most - self.think)
            rate = min(visitors / (self.think + seconds), most)
        pages = Histogram()
        for number in range(max(1, int(rate * SECONDS))):
            pages.add(seconds * (1 + self.spread * (number % 11 - 5) / 5))
        services = {
            name: Usage(
                (self.idle + rate * cost[name]) * (1 + self.random.uniform(-self.noise, self.noise)),
                self.limits[name],
                int(60 * MIB + visitors * self.bytes_of_a_visitor),
                512 * MIB,
            )
            for name in cost
        }
        used = sum(usage.cores for usage in services.values()) + rate * self.visitor
        return Step(
            visitors,
            SECONDS,
            pages,
            answers=Counter({"200": pages.count}),
            services=services,
            cores=self.cores,
            busy=min(used + self.others, self.cores),
            generator=rate * self.visitor,
            connections=10,
            together=together,
        )

    def alone(self) -> Step:
        """Without visitors."""
        usage = {name: Usage(self.idle, self.limits[name], 60 * MIB, 512 * MIB) for name in self.demand}
        return Step(0, SECONDS, services=usage, cores=self.cores, busy=self.others + self.idle * len(usage))


def climbed(stack: Stack, bounds: Bounds = BOUNDS, most: int = 40) -> Ramp:
    """A ramp of at most MOST steps against STACK."""
    ramp, number = Ramp(bounds), 0
    while number is not None and len(ramp.steps) < most:
        ramp.add(stack.step(number, together=ramp.gathers) if number else stack.alone())
        number = ramp.following()
    return ramp


def knee_of(stack: Stack) -> int:
    """By trying each number."""
    low, high = 1, 1_000_000
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if model.symptoms(stack.step(middle), BOUNDS) else (middle, high)
    return low


STACKS = {
    "processor http": Stack(),
    "processor db": Stack(demand={"http": 0.002, "edge": 0.0003, "db": 0.004}),
    "processor edge": Stack(demand={"http": 0.001, "edge": 0.002, "db": 0.0001}),
    "machine http": Stack(cores=2),
    "machine http with others": Stack(cores=2, others=0.3),
    "page http": Stack(demand={"http": 0.5}, limits={"http": 1.0}, spread=0.2),
    "processor http of one process": Stack(limits={"http": 0.2, "edge": 1.0, "db": 1.0}, idle=0.005),
    "processor http of quick visitors": Stack(think=1),
    "processor http of quick visitors, fast pages": Stack(
        demand={"http": 0.001}, limits={"http": 0.5}, think=2
    ),
    "processor http with a demand that falls": Stack(woken=1, think=3),
    "processor http with a demand that falls late": Stack(woken=0.8, together=0.2, think=5),
    "processor http with a demand that falls at once": Stack(woken=2, together=0.02, idle=0),
    "processor db with a demand that falls": Stack(demand={"http": 0.002, "db": 0.004}, woken=0.7, think=2),
    "processor http whose pages cost less in a queue": Stack(unqueued=0.35, think=2, idle=0.01),
    "machine http with a demand that falls": Stack(cores=2, woken=0.7, think=2),
}


@pytest.mark.parametrize("name", STACKS)
def test_the_knee_is_found_predicted_and_named(name):
    ramp, wanted = climbed(STACKS[name]), knee_of(STACKS[name])
    knee = ramp.knee()
    assert wanted / FINE - 1 <= knee.step.visitors <= wanted
    assert ramp.prediction and abs(ramp.prediction.visitors / wanted - 1) < 0.15
    assert f"{knee.limit.kind} {knee.limit.service}" == " ".join(name.split()[:2])


@pytest.mark.parametrize("seed", range(20))
def test_the_prediction_bears_steps_that_were_measured_badly(seed):
    """Seven seconds of a machine with other work on it."""
    stack = Stack(woken=0.7, think=3, noise=0.06, random=Random(seed))
    ramp = climbed(stack)
    assert ramp.prediction and abs(ramp.prediction.visitors / knee_of(stack) - 1) < 0.15


@pytest.mark.parametrize("name", [name for name in STACKS if name != "page http"])
def test_the_prediction_is_made_of_half_of_the_load_at_most(name):
    """So that it says something that no step has shown."""
    ramp = climbed(STACKS[name])
    assert 0.25 < ramp.prediction.seen / ramp.best.visitors < 0.65 and ramp.prediction.share <= 0.6


def test_five_minutes_are_enough():
    """Steps of some 12 seconds each."""
    assert max(len(climbed(stack).steps) for stack in STACKS.values()) <= 25


def test_visitors_who_ask_for_no_pages_are_predicted_by_their_number():
    def quiet(visitors: int) -> Step:
        usages = {"ws": Usage(0.01 + 0.0001 * visitors, 1.0, 100 * MIB, 512 * MIB)}
        return Step(visitors, SECONDS, open=visitors, services=usages, cores=8, busy=1.0)

    found = prediction.predict([quiet(number) for number in (0, 1000, 4000)], BOUNDS)
    assert (found.limit.kind, found.limit.service, found.seen) == ("processor", "ws", 4000)
    assert 9590 < found.visitors <= 9600


@pytest.mark.parametrize("measured", [0.009, 0.01, 0.011])
def test_visitors_who_hardly_think_are_predicted(measured):
    """A page takes 10 ms, and they ask for the next at once: what was measured may be more than all the time there was."""

    def restless(visitors: int) -> Step:
        rate, pages = 100 * visitors, Histogram()
        for _ in range(rate * SECONDS):
            pages.add(measured)
        usages = {"worker": Usage(0.02 + 0.001 * rate, 2.0, 100 * MIB, 512 * MIB)}
        return Step(visitors, SECONDS, pages, services=usages, cores=8, busy=1.0)

    found = prediction.predict([restless(number) for number in (0, 2, 8)], BOUNDS)
    assert found.limit.service == "worker" and 18 <= found.visitors <= 20


def test_pages_that_wait_while_no_processor_is_busy():
    ramp = climbed(Stack(slots=24, waits=0.3))
    assert ramp.knee().limit.kind == "slots"


def test_memory():
    stack = Stack(bytes_of_a_visitor=1_000_000)
    ramp = climbed(stack)
    assert ramp.knee().limit == model.Limit("memory", "http", "memory of http")
    assert ramp.best.visitors * 1_000_000 < 0.92 * 512 * MIB


def test_a_step_that_another_program_spoiled_is_tried_again():
    stack, ramp = Stack(), Ramp(BOUNDS)
    number, spoiled = 0, False
    while number is not None and len(ramp.steps) < 40:
        done = stack.step(number, together=ramp.gathers) if number else stack.alone()
        if number and 40 < number < 500 and not spoiled:
            done, spoiled = replace(done, answers=Counter({"no answer in 15 s": 40})), True
        ramp.add(done)
        number = ramp.following()
    assert spoiled and ramp.best.visitors > 4000


def step(**changes) -> Step:
    """One in which everything is well."""
    usual = Usage(0.2, 1.0, 100 * MIB, 512 * MIB)
    pages = Histogram()
    for _ in range(1000):
        pages.add(0.05)
    known = {
        "visitors": 100,
        "seconds": SECONDS,
        "pages": pages,
        "answers": Counter({"200": 1000}),
        "services": dict.fromkeys(("edge", "http", "ws", "db", "redis"), usual),
        "cores": 4,
        "busy": 1.2,
    }
    return Step(**{**known, **changes})


def late(seconds: float) -> Histogram:
    found = Histogram()
    found.add(seconds)
    return found


BROKEN = {
    "nothing": ({}, "", "unknown"),
    "slow pages": ({"pages": late(2)}, "p95 of pages", "slots"),
    "slow messages": ({"messages": late(2)}, "p95 of messages", "unknown"),
    "503": ({"answers": Counter({"200": 900, "503": 100})}, "pages answered 503 (100)", "slots"),
    "one of 1,000": ({"answers": Counter({"200": 999, "502": 1})}, "", "unknown"),
    "404": ({"answers": Counter({"200": 900, "404": 100})}, "", "unknown"),
    "429": ({"answers": Counter({"200": 900, "429": 100})}, "pages answered 429", "address"),
    "full": (
        {"sockets": Counter({"101": 9, "503": 9}), "refused": {"full": 9}},
        "sockets 503 (9)",
        "sockets",
    ),
    "of a user": (
        {"sockets": Counter({"429": 9}), "refused": {"user": 9}},
        "sockets 429 (9)",
        "sockets user",
    ),
    "closed": ({"sockets": Counter({"closed 1012": 3})}, "sockets closed 1012 (3)", "unknown"),
    "left": ({"sockets": Counter({"closed 1000": 300})}, "", "unknown"),
    "lag": ({"lag": {"ws": 1.5}}, "event loop lag of ws", "unknown"),
    "connections": ({"connections": 190}, "190 of 192 connections to PostgreSQL", "connections"),
    "ended": ({"ended": ("http",)}, "a container of http ended", "memory"),
    "throttled": (
        {"pages": late(2), "services": {"ws": Usage(0.6, 1.0, MIB, 512 * MIB, throttled=0.4)}},
        "p95 of pages",
        "processor",
    ),
    "others": ({"pages": late(2), "busy": 4.0, "cores": 4}, "p95 of pages", "others"),
    "generator": ({"pages": late(2), "generator": 0.99}, "p95 of pages", "generator"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_symptoms_and_cause(name):
    changes, says, kind = BROKEN[name]
    broken = step(**changes)
    found = model.symptoms(broken, BOUNDS)
    assert says in "; ".join(found) and bool(found) == bool(says)
    assert model.cause(broken, BOUNDS).kind == kind


def advised(kind: str, service: str, spare: float = 0.0, **settings: str) -> advice.Advice:
    usages = {service: Usage(1, 1, 500 * MIB, 512 * MIB)}
    knee = model.Knee(step(), model.Limit(kind, service, ""))
    return advice.advise(knee, {**defaults(), **settings}, usages, spare)


@pytest.mark.parametrize(
    ("kind", "service", "spare", "changes"),
    [
        ("processor", "http", 2.2, {"HTTP_REPLICAS": "4"}),
        ("processor", "http", 0.2, {}),
        ("processor", "ws", 1.0, {"WS_REPLICAS": "3"}),
        ("processor", "edge", 1.5, {"EDGE_CPUS": "2.5"}),
        ("processor", "redis", 3.0, {}),
        ("memory", "ws", 0, {"WS_MEMORY": "768M"}),
        ("machine", "http", 0, {}),
        ("slots", "http", 1.0, {"HTTP_CONCURRENCY": "12"}),
        ("sockets", "ws", 1.0, {"WS_REPLICAS": "3"}),
        ("connections", "edge", 1.0, {"EDGE_MAXCONN": "8000", "EDGE_MEMORY": "704M"}),
        ("connections", "db", 1.0, {"DB_MEMORY": "1152M"}),
        ("sockets user", "ws", 1.0, {}),
        ("others", "http", 0, {}),
        ("address", "edge", 1.0, {}),
        ("generator", "", 1.0, {}),
        ("page", "http", 1.0, {}),
        ("unknown", "", 1.0, {}),
    ],
)
def test_what_would_move_the_limit(kind, service, spare, changes):
    found = advised(kind, service, spare)
    assert found.changes == changes
    assert found.words


def test_more_processes_are_advised_where_one_cannot_use_its_processors():
    assert advised("processor", "http", 2.0, HTTP_CPUS="2.0", HTTP_PROCESSES="1").changes == {
        "HTTP_PROCESSES": "2"
    }


def test_advice_fits_together():
    """More slots hold more connections to PostgreSQL, which needs memory for them."""
    found = advised("slots", "http", HTTP_CONCURRENCY="12", HTTP_REPLICAS="3")
    assert found.changes["HTTP_CONCURRENCY"] == "24" and int(found.changes["DB_MEMORY"].rstrip("M")) > 768


def test_changes_are_written_where_an_operator_looks_for_them(tmp_path, root):
    text = (root / "compose/stack.env.example").read_text() + "WS_REPLICAS=2\nWS_REPLICAS=4\n"
    new = advice.written(text, {"HTTP_REPLICAS": "3", "WS_REPLICAS": "5"})
    path = tmp_path / "stack.env"
    path.write_text(new)
    settings = load(path)
    assert (settings["HTTP_REPLICAS"], settings["WS_REPLICAS"]) == ("3", "5")
    lines = new.splitlines()
    assert lines[lines.index("#HTTP_REPLICAS=2") + 1] == "HTTP_REPLICAS=3"
    assert len(lines) == len(text.splitlines()) + 1


def test_a_histogram_adds_up_and_keeps_five_percent():
    one, two = Histogram(), Histogram()
    for number in range(1, 101):
        (one if number % 2 else two).add(number / 1000)
    both = Histogram.sum([Histogram(one.json()), two])
    assert both.count == 100
    for share in (0.5, 0.95, 0.99):
        assert share / 10 <= both.quantile(share) <= share / 10 * 1.06


def test_the_picture_shows_knee_and_prediction():
    ramp = climbed(Stack())
    drawn = plot.svg("https://localhost/ & more", ramp.steps, ramp.bounds, ramp.knee(), ramp.prediction)
    assert f">knee: {ramp.best.visitors}<" in drawn and f">predicted: {ramp.prediction.visitors}<" in drawn
    assert "localhost/ &amp; more" in drawn
    assert len(plot.bars(ramp.steps, ramp.bounds)) == len(ramp.steps) - 1
