"""The releases that are kept, and what each changed: images, and settings of the services."""

from __future__ import annotations

import json
import re
from typing import Any

from ..console import Failure, aligned, say
from ..swarm import history
from . import audit
from .targets import Target

SHOWN = 60
"""Characters of a value."""

SECRET = re.compile(r"(?i)pass|secret|token|credential|key|dsn|ur[il]")
"""In the name of a variable whose value may hold one."""


def show(target: Target) -> None:
    """A line for each release that was put into service, the newest last, and what is different from the one before."""
    kept = history.releases(target.engine, target.releases)
    past = [
        each for each in history.events(target.engine, target.releases) if each.event in ("served", "back")
    ]
    if not past:
        raise Failure(f"the history knows no release: {target.verb('deploy' if target.servers else 'up')}")
    rows, before = [], ""
    for each in past:
        known = each.release in kept["manifests"]
        marks = [
            word for word, true in (("serves", each.release == kept["current"]), ("kept", known)) if true
        ]
        changes = difference(target, before, each.release) if known and before in kept["manifests"] else []
        rows.append(
            [
                each.at,
                each.release,
                each.who,
                " ".join([*marks, *(["back"] if each.event == "back" else [])]),
                f"{len(changes)}",
            ]
        )
        before = each.release
    for line in aligned([["at", "release", "by", "", "changes"], *rows]):
        say(line)
    if kept["previous"]:
        say(f"{kept['previous']} served before; the way back to it changes:")
        for line in difference(target, kept["current"], kept["previous"]):
            say(f"  {line}")


def compare(target: Target, one: str, other: str) -> None:
    """What OTHER has that is not as in ONE."""
    for line in difference(target, one, other) or ["nothing is different but the name"]:
        say(line)


def difference(target: Target, one: str, other: str) -> list[str]:
    """A line for each value that two releases do not share."""
    before, after = (definitions(target, name) for name in (one, other))
    found = []
    for service in sorted({*before, *after}):
        old, new = before.get(service), after.get(service)
        if old is None or new is None:
            found.append(f"{service}: {'is new' if old is None else 'is gone'}")
            continue
        found += [
            f"{service} {place}: {shown(place, old.get(place))} -> {shown(place, new.get(place))}"
            for place in sorted({*old, *new})
            if old.get(place) != new.get(place)
        ]
    return found


def definitions(target: Target, name: str) -> dict[str, dict[str, str]]:
    """The services of the release NAME, each value by its place; without jobs, which a machine keeps there as well."""
    whole = json.loads(target.engine.read(f"{target.releases}/{name}/stack.json"))["services"]
    return {service: dict(leaves(each)) for service, each in whole.items() if not each.get("profiles")}


def leaves(value: Any, place: str = "") -> list[tuple[str, str]]:
    """Each single value of a definition by its place, `deploy.replicas`; labels name folders and the release itself."""
    if isinstance(value, dict):
        return [
            leaf
            for key, each in value.items()
            if key != "labels"
            for leaf in leaves(each, f"{place}.{key}" if place else key)
        ]
    if isinstance(value, list):
        names = [f"{number}" for number in range(len(value))]
        # The value of an option bears its name too: it may be a password.
        for number, word in enumerate(value[:-1]):
            if isinstance(word, str) and audit.is_option(word):
                names[number + 1] += f" {word}"
        return [
            leaf for name, each in zip(names, value, strict=True) for leaf in leaves(each, f"{place}.{name}")
        ]
    return [(place, str(value))]


def shown(place: str, value: str | None) -> str:
    """VALUE as a line has it: none that may be a secret, and not the whole of a long one."""
    if value is None:
        return "nothing"
    if SECRET.search(place.rpartition(".")[2]):
        return "…"
    value = audit.cut(value)
    return value if len(value) <= SHOWN else f"{value[:SHOWN]}…"
