"""The releases that a manager keeps, what became of each, and whether one of them can be gone back to.

What happened is a file of its own, a line for each event, and only ever grows: which release serves, and which one before
it, follows from it and never from the order in which images or files came.
"""

from __future__ import annotations

import json
import shlex
import time
from dataclasses import dataclass
from typing import Any

from ..console import Failure
from ..person import who
from . import jobs, objects
from .engine import Engine

ROTATED = ("secret_key", "secret_key_fallbacks", "database_url", "redis_url", "app_redis_url")
"""Secrets of which the newest is the right one for every release."""


FILE = "history"
"""The file next to the releases: TIME EVENT RELEASE PERSON."""

EVENTS = ("begun", "served", "back", "failed")
"""A deploy or a rollback began; one or the other ended with a release that serves whole; it ended with what served before."""

SHOWN = 5
"""Events that the status shows."""


@dataclass(frozen=True)
class Event:
    """One line of the history."""

    at: str
    event: str
    release: str
    who: str = ""

    def __str__(self) -> str:
        return f"{self.at} {self.event} {self.release} {self.who}"


def events(engine: Engine, folder: str) -> list[Event]:
    """What happened, the oldest first; nothing where no release was ever begun."""
    code, out, _ = engine.run(shlex.join(["cat", f"{folder}/{FILE}"]), "")
    rows = [line.split(maxsplit=3) for line in out.splitlines()] if not code else []
    # A line that a full disk or a crash has cut short says nothing.
    return [Event(*row) for row in rows if len(row) >= 3 and row[1] in EVENTS]


def remember(engine: Engine, folder: str, event: str, release: str) -> None:
    """Add one line; EVENT is one of EVENTS."""
    assert event in EVENTS
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    line = Event(at, event, release, who())
    code, _, complaint = engine.run(
        f"mkdir -p {shlex.quote(folder)} && cat >> {shlex.quote(f'{folder}/{FILE}')}", f"{line}\n"
    )
    if code:
        raise Failure(f"{folder}/{FILE} cannot be written: {complaint.strip()}")


def whole(past: list[Event], current: str = "") -> tuple[list[str], Event | None]:
    """Releases that served whole and were not gone back from, the last one at the end; and what was begun since in vain.

    CURRENT is what serves where the history does not know it: it began with an older version of the stack.
    """
    served: list[str] = []
    vain: Event | None = None
    for each in past:
        if each.event in ("begun", "failed"):
            vain = each
            continue
        vain = None
        if each.event == "back" and each.release in served:
            del served[served.index(each.release) + 1 :]
        else:
            served = [name for name in served if name != each.release] + [each.release]
    if current and current not in served:
        # The pointer is only set by a run that ends well, so without history it is what served.
        served.insert(0 if served else len(served), current)
    return served, vain


def previous(past: list[Event], current: str, kept: list[str]) -> str:
    """Where a rollback leads, "" for nowhere: to the last release that served whole.

    After a run that replaced something and did not end well that is the one which served before it, whether it serves by now
    or not; otherwise the one before that. Of those KEPT alone.
    """
    served, vain = whole(past, current)
    if not vain:
        served = served[:-1]
    return next((name for name in reversed(served) if name in kept), "")


def releases(engine: Engine, folder: str) -> dict[str, Any]:
    """Names of the kept RELEASES, the CURRENT one, the one that a rollback leads to, and the MANIFESTS by name."""
    code, out, _ = engine.run(shlex.join(["readlink", f"{folder}/current"]), "")
    current = out.strip() if not code else ""
    code, out, _ = engine.run(f"cat {shlex.quote(folder)}/*/manifest.json", "")
    found = {each["release"]: each for each in parse(out)} if not code else {}
    return {
        "releases": sorted(found),
        "current": current,
        "previous": previous(events(engine, folder), current, list(found)),
        "manifests": found,
    }


def parse(text: str) -> list[dict[str, Any]]:
    """The JSON objects that stand one after the other in TEXT; those reached over `current` a second time are left out."""
    decoder, found, begin = json.JSONDecoder(), {}, 0
    while begin < len(text.rstrip()):
        each, begin = decoder.raw_decode(text, begin)
        found[each["release"]] = each
        while text[begin : begin + 1].isspace():
            begin += 1
    return list(found.values())


def unknown(engine: Engine, path: str, current: str, seconds: float) -> list[dict[str, str]]:
    """Migrations in the database that the code of the job PATH does not know: name and reason.

    The reason, "" where the old code can live with it, comes from the CURRENT release's code.
    """
    names = asked(engine, path, seconds)["unknown"]
    if not names:
        return []
    reasons = asked(engine, current, seconds)["applied"]
    none = "the current release does not have it either: nothing can judge it"
    return [{"name": name, "reason": reasons.get(name, none)} for name in names]


def asked(engine: Engine, path: str, seconds: float) -> dict[str, Any]:
    """The answer of `channels-stack migrations` in the image of the job PATH."""
    lines = jobs.run(engine, "migrations", path, seconds)
    for line in lines:
        if line.startswith('{"unknown"'):
            return json.loads(line)
    raise Failure("the release does not say which migrations it knows:\n" + "\n".join(lines[-10:]))


def chain(engine: Engine, folder: str, found: dict[str, Any], keep: int) -> list[str]:
    """The current release and those before it, in the order of rollbacks, KEEP of them at most."""
    served, _ = whole(events(engine, folder), found["current"])
    return [name for name in reversed(served) if name in found["manifests"]][:keep]


def lines(engine: Engine, folder: str) -> list[str]:
    """The last events for people, and what to do about a run that did not end."""
    past = events(engine, folder)
    found = [f"{each.at}  {each.event:<6}  {each.release}  {each.who}" for each in past[-SHOWN:]]
    served, vain = whole(past)
    if vain and vain.event == "begun":
        last = served[-1] if served else "none"
        found.append(f"release {vain.release}: begun {vain.at} and not ended; a rollback leads to {last}")
    return found


def differs(engine: Engine, folder: str, rendered: str) -> list[str]:
    """Services of the file RENDERED that differ from the current release's in more than the names of rotated secrets."""
    current = releases(engine, folder)["current"]
    if not current:
        raise Failure("no release runs here yet: deploy.yml")
    before, after = (
        without_names(text) for text in (engine.read(f"{folder}/{current}/stack.json"), rendered)
    )
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


def without_names(text: str) -> dict[str, Any]:
    """The services of a rendered file, which refer to secrets by their keys, without the name of their release."""
    return jobs.unlabelled(text)["services"]


def outdated(engine: Engine, folder: str, release: str) -> dict[str, str]:
    """Of the kept releases, each name of a rotated secret for which RELEASE, which runs, has another: old -> new.

    Old ones are refused by the data stores; with the new ones an old release can still be gone back to.
    """
    kept = releases(engine, folder)["releases"]
    texts = {name: json.loads(engine.read(f"{folder}/{name}/stack.json")) for name in kept}
    now = named(texts.pop(release, {}))
    return {
        old: now[key]
        for each in texts.values()
        for key, old in named(each).items()
        if old != now.get(key, old)
    }


def named(definitions: dict[str, Any]) -> dict[str, str]:
    """The names of the secrets in a rendered file that a rotation replaces."""
    return {key: each["name"] for key, each in definitions.get("secrets", {}).items() if key in ROTATED}


def forget(engine: Engine, folder: str, keep: int, *, check: bool) -> dict[str, Any]:
    """Which releases and images are not needed any more, and which images are.

    Their secrets and configs are removed (not in a CHECK run).
    """
    found = releases(engine, folder)
    kept = chain(engine, folder, found, keep)
    removed = sorted(set(found["releases"]) - set(kept))
    images = {name: set(each["images"].values()) for name, each in found["manifests"].items()}
    needed = set().union(*(images[name] for name in kept))
    old = set().union(*(images[name] for name in removed)) - needed
    names = set().union(*(objects.used(engine.read(f"{folder}/{name}/stack.json")) for name in kept))
    gone = [] if check or not names else objects.prune(engine, names)
    return {"releases": removed, "images": sorted(old), "needed": sorted(needed), "objects": gone}
