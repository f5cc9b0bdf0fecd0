"""Which settings would let more visitors in, given what limits: changes of stack.env, and what no setting changes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ..config import concurrency, sockets
from ..config.settings import LINE
from .model import Knee, Usage

SPARE_CORES = 0.5
"""Fewer that idle are not worth another replica."""

MEMORY_STEP = 64
MEMORY_MOST = 16384


@dataclass
class Advice:
    """CHANGES of settings, and WORDS for people: why, or what to do where no setting helps."""

    words: list[str] = field(default_factory=list)
    changes: dict[str, str] = field(default_factory=dict)


def advise(knee: Knee, settings: dict[str, str], usages: dict[str, Usage], spare: float) -> Advice:
    """What to change after KNEE, as SETTINGS are; USAGES are those at the limit, SPARE cores of the machine were idle."""
    if knee.limit is None:
        return Advice(["nothing came to a limit in this time: MINUTES=10 goes further"])
    kind, service = knee.limit.kind, knee.limit.service
    if kind == "processor":
        advice = _processor(service, settings, spare)
    elif kind == "memory":
        advice = _memory(service, settings, usages.get(service))
    elif (kind, service) == ("connections", "db"):
        advice = _database(settings)
    elif kind in BY_SETTINGS:
        advice = BY_SETTINGS[kind](settings)
    else:
        advice = Advice([WORDS[kind]] if kind in WORDS else [])
    if advice.changes:
        _fit(settings, advice)
    return advice


def _processor(service: str, settings: dict[str, str], spare: float) -> Advice:
    name = service.upper()
    if service in ("http", "worker") and int(settings[f"{name}_PROCESSES"]) < int(
        float(settings[f"{name}_CPUS"])
    ):
        words = [f"{service} may use {settings[f'{name}_CPUS']} processors, and has fewer processes"]
        return Advice(words, {f"{name}_PROCESSES": str(int(float(settings[f"{name}_CPUS"])))})
    if spare < SPARE_CORES:
        return Advice(
            [
                f"{service} uses its processors, and the machine has {spare:.1f} more: a larger machine, or more"
            ]
        )
    why = [f"{service} uses all the processors that it may; the machine has {spare:.1f} more"]
    if service in ("http", "ws", "worker"):
        count = int(settings[f"{name}_REPLICAS"]) + max(1, int(spare))
        slots = f"{name}_SLOTS"
        more = (
            {slots: str(2 * count)}
            if count * 2 > int(settings.get(slots, "0") or 0) and slots in settings
            else {}
        )
        return Advice(why, {f"{name}_REPLICAS": str(count), **more})
    if f"{name}_CPUS" in settings and service != "redis":
        return Advice(why, {f"{name}_CPUS": f"{float(settings[f'{name}_CPUS']) + spare:.1f}"})
    return Advice([f"{service} computes on one core: what asks it so often is the application's to change"])


def _memory(service: str, settings: dict[str, str], usage: Usage | None) -> Advice:
    name = f"{service.upper().replace('-', '_')}_MEMORY"
    if name not in settings or usage is None:
        return Advice([f"{service} has no memory left"])
    return Advice(
        [f"{service} has no memory left"], {name: rounded(1.5 * concurrency.mebibytes(settings[name]))}
    )


def _machine(settings: dict[str, str]) -> Advice:
    words = ["the machine computes all the time: a larger one, or more of them (docs/how-to/deploy.md)"]
    if settings["HTTP_HANDLER"] != "one-hop":
        words.append("to be tried where the project has sync middlewares of its own: HTTP_HANDLER=one-hop")
    return Advice(words)


def _slots(settings: dict[str, str]) -> Advice:
    return Advice(
        ["pages wait for something that is no processor, and more of them may wait at once"],
        {"HTTP_CONCURRENCY": str(2 * int(settings["HTTP_CONCURRENCY"]))},
    )


def _sockets(settings: dict[str, str]) -> Advice:
    return Advice(
        ["each process of ws has as many sockets as it may"],
        {"WS_REPLICAS": str(int(settings["WS_REPLICAS"]) + 1)},
    )


def _edge(settings: dict[str, str]) -> Advice:
    wanted = 2 * int(settings["EDGE_MAXCONN"])
    memory = sockets.edge_memory(wanted, int(settings["EDGE_CACHE_MEGABYTES"]))
    return Advice(
        ["the edge has as many connections as it may"],
        {
            "EDGE_MAXCONN": str(wanted),
            "EDGE_MEMORY": rounded(max(memory, concurrency.mebibytes(settings["EDGE_MEMORY"]))),
        },
    )


def _database(settings: dict[str, str]) -> Advice:
    return Advice(
        ["PostgreSQL has no connections left"],
        {"DB_MEMORY": rounded(1.5 * concurrency.mebibytes(settings["DB_MEMORY"]))},
    )


BY_SETTINGS = {"machine": _machine, "slots": _slots, "sockets": _sockets, "connections": _edge}
"""Kind of the limit -> what its advice depends on the settings for."""

_ADDRESS = "each address asked for more than one may: real visitors have addresses of their own; think longer"
WORDS = {
    "others": "other programs use most of the machine: measure again when they rest",
    "page": "what a page computes or waits for is the application's to change; more at once are slower still",
    "unknown": "look at what the application waits for: locks, other services (make logs, make status)",
    "sockets user": "the visit has too few users, not the stack too little: name more of them (as = anna ben …)",
    "sockets address": _ADDRESS,
    "address": _ADDRESS,
    "generator": "the stack can do more than the visitors of this run could ask for",
}
"""Kind of the limit -> what to do, where no setting helps."""


def _fit(settings: dict[str, str], found: Advice) -> None:
    """More of one thing may need more connections to PostgreSQL, and so memory."""
    while concurrency.database({**settings, **found.changes}):
        now = concurrency.mebibytes(found.changes.get("DB_MEMORY", settings["DB_MEMORY"]))
        if now >= MEMORY_MOST:
            return
        found.changes["DB_MEMORY"] = rounded(now + MEMORY_STEP)


def rounded(mebibytes: float) -> str:
    """As the engine takes it, in whole steps."""
    return f"{math.ceil(mebibytes / MEMORY_STEP) * MEMORY_STEP}M"


def written(text: str, changes: dict[str, str]) -> str:
    """TEXT of stack.env with CHANGES: in the line in effect, or else below the commented default, or at the end."""
    lines = text.splitlines()
    for name, value in changes.items():
        places = [
            (number, bool(match["commented"]))
            for number, line in enumerate(lines)
            if (match := LINE.match(line.strip())) and match["name"] == name
        ]
        active = [number for number, commented in places if not commented]
        if active:
            lines[active[-1]] = f"{name}={value}"
        else:
            lines.insert(places[-1][0] + 1 if places else len(lines), f"{name}={value}")
    return "\n".join(lines) + "\n"
