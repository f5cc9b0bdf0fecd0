"""`make capacity`: ramp visitors against the running stack until a limit breaks, and say which, and what would move it."""

from __future__ import annotations

import time

from ..checks import probes, served, visit
from ..config import concurrency, inventories, ownership
from ..config import settings as stack_settings
from ..config import sockets as bearing
from ..console import Failure, detail, step
from ..local.compose import Project
from ..paths import ENVIRONMENTS, Deployment
from . import crowd, report, steps, visits
from .model import Bounds, Step
from .ramp import Ramp
from .sampling import Sampler, inspected

MINUTES = 5.0
LONGEST = 60.0
SETTLE_SECONDS, MEASURE_SECONDS = 3, 7
"""Of a step: until the coming of visitors is forgotten, and what counts."""

TOGETHER_SECONDS = 14
"""What counts where visitors ask together: the prediction rests on it."""

GROW_SECONDS = (2, 10)
"""While they come, at least and at most."""

COMING = 3
"""So many times as much as those who are there ask for while others come, who ask for a page at once: more would leave a queue
near the knee that does not end before it is measured."""

TICK = 0.5
"""Of the slowest that may be: the seconds between two moments at which visitors ask, where they do it together."""

IDLE_SECONDS = 5
TLS_PORT = 8443
"""At which the edge listens in its container."""


def measure(deployment: Deployment, *, minutes: str, apply: bool) -> None:
    """Find the knee of DEPLOYMENT within MINUTES, and print, draw and, with APPLY, write what it means."""
    seconds = 60 * parsed(minutes)
    settings = running(deployment)
    project = Project(deployment)
    file = probes.find(deployment, settings)
    sections = probes.sections(file, deployment.folder) if file else []
    paths = visit.Paths.read(served.paths(project)).served(settings)
    there = visit.reached(settings, visit.site(settings, deployment, served.listening(project, settings)))
    with visit.guests(there, deployment.folder, sections) as those:
        with step("the visit"):
            chosen = visits.chosen(those, sections, paths)
            cookies = {
                user: those.visitor(user).cookies if user else {} for each in chosen for user in each.users
            }
            sampler = Sampler(project, processes(settings))
            network, addresses, edge = way_in(sampler)
            detail(f"they come from {len(addresses)} addresses: what EDGE_* allows one is not measured")
        plan = {
            "edge": edge,
            "port": TLS_PORT,
            "domain": there.domain,
            "authority": there.authority,
            "origin": there.origin or there.url,
            "addresses": addresses,
            "visits": [each.plan(cookies) for each in chosen],
        }
        image = stack_settings.parse(deployment.generated)["WORKER_IMAGE"]
        with step(f"visitors come, for at most {seconds / 60:g} minutes"):
            began = time.monotonic()
            name = f"{ownership.project(deployment)}-capacity"
            with crowd.crowd(name, image, network, plan) as visitors:
                think = min(each.think for each in chosen)
                ramp = ramped(visitors, sampler, bounds(settings, chosen), think, began + seconds)
    report.tell(deployment, settings, ramp, apply=apply)


def parsed(minutes: str) -> float:
    """MINUTES as they were typed. Failure where they are none."""
    try:
        value = float(minutes or MINUTES)
    except ValueError:
        value = 0
    if not 0.5 <= value <= LONGEST:
        raise Failure(f"MINUTES is {minutes!r}; it takes a number from 0.5 to {LONGEST:.0f}: MINUTES=5")
    return value


def refuse_elsewhere(name: str, target: str) -> None:
    """Failure where TARGET is given, or NAME is servers: their containers cannot be looked into from here."""
    why = "make capacity loads its own machine and looks into the containers there"
    if target:
        raise Failure(f"TARGET={target}: {why}; run it on that machine, with ENV=<name> or nothing")
    if inventories.find(name) and not (ENVIRONMENTS / name).is_dir():
        raise Failure(
            f"ENV={name} is servers: {why}; try the application as an environment of one such machine"
        )


def running(deployment: Deployment) -> dict[str, str]:
    """The settings of DEPLOYMENT. Failure where it does not run here."""
    ownership.claim(deployment)
    if not deployment.generated.exists():
        raise Failure(f"there is no deployment yet: {deployment.verb('up')}")
    states = {
        container["Service"]
        for container in Project(deployment).containers()
        if container["State"] == "running"
    }
    if missing := {"edge", "http"} - states:
        raise Failure(f"{' and '.join(sorted(missing))} does not run: {deployment.verb('up')}")
    return stack_settings.load(deployment.settings)


def processes(settings: dict[str, str]) -> dict[str, int]:
    """Processes of a replica of each service that computes on one core in each."""
    workers = int(settings["WORKER_PROCESSES"])
    return {"http": concurrency.processes(settings), "ws": 1, "worker": workers, "redis": 1, "redis-app": 1}


def way_in(sampler: Sampler) -> tuple[str, list[str], str]:
    """The network that the edge publishes its ports on, free addresses in it, and the edge's own."""
    assert sampler.edge
    networks = sampler.edge["NetworkSettings"]["Networks"]
    name = next(name for name in networks if name.endswith("_public"))
    (network,) = inspected([name])
    return name, crowd.addresses(network), networks[name]["IPAddress"]


def bounds(settings: dict[str, str], chosen: list[visits.Visit]) -> Bounds:
    """What may not be passed, as SETTINGS and the visits CHOSEN have it."""
    sockets = any(each.sockets for each in chosen)
    return Bounds(
        slowest=min(each.slowest for each in chosen),
        connections=concurrency.max_connections(settings) if settings["DB_NODES"] == "1" else None,
        sockets=int(settings["WS_MAX_SOCKETS"]) * int(settings["WS_REPLICAS"]),
        edge=min(bound.sockets for bound in bearing.bounds(settings, None) if bound.what.startswith("EDGE_")),
        connections_of_a_visitor=1 + sockets,
        sockets_of_a_visitor=int(sockets),
    )


def ramped(visitors: crowd.Crowd, sampler: Sampler, limits: Bounds, think: float, until: float) -> Ramp:
    """The steps of VISITORS, who wait THINK seconds between two pages, UNTIL a moment."""
    ramp = Ramp(limits)
    number: int | None = 0
    least, most = GROW_SECONDS
    began = time.monotonic()
    while number is not None:
        before = ramp.steps[-1].visitors if ramp.steps else 0
        grow = max(least, min(most, round(COMING * think * (number - before) / max(number, 1))))
        counts = TOGETHER_SECONDS if ramp.gathers else MEASURE_SECONDS
        if ramp.steps and time.monotonic() + grow + SETTLE_SECONDS + counts > until:
            break
        known = ramp.prediction
        tick = TICK * limits.slowest if ramp.gathers else 0.0
        done = one(visitors, sampler, number, grow, counts if number else IDLE_SECONDS, tick)
        wrong = ramp.add(done)
        moment = int(time.monotonic() - began)
        detail(f"{moment // 60}:{moment % 60:02} {report.progress(done)}")
        if wrong:
            detail(f"     not good: {'; '.join(wrong)}")
        if ramp.prediction and ramp.prediction is not known:
            detail(f"     {report.predicted(ramp.prediction)}")
        number = ramp.following()
    return ramp


def one(visitors: crowd.Crowd, sampler: Sampler, number: int, grow: int, counts: int, tick: float) -> Step:
    """A step with NUMBER visitors, after they came for GROW seconds; none: what the stack uses by itself. COUNTS seconds count.

    With TICK they ask together, each time so many seconds are over.
    """
    visitors.become(number, grow, tick)
    for _ in range(grow + SETTLE_SECONDS if number else 1):
        visitors.next()
    before = sampler.look(metrics=True)
    seconds = [visitors.next() for _ in range(counts)]
    after = sampler.look(metrics=True)
    return steps.summed(number, seconds, sampler, before, after, together=bool(tick))
