"""The releases that a manager keeps, and whether one of them can be gone back to."""

from __future__ import annotations

import json
from typing import Any

from ..console import Failure
from . import jobs, objects
from .engine import Engine

ROTATED = ("secret_key", "secret_key_fallbacks", "database_url", "redis_url")
"""Secrets of which the newest is the right one for every release."""


def releases(engine: Engine, folder: str) -> dict[str, Any]:
    """Names of the kept RELEASES, the CURRENT one, the PREVIOUS one of that, and the MANIFESTS by name."""
    code, out, _ = engine.run(f"readlink {folder}/current", "")
    current = out.strip() if not code else ""
    code, out, _ = engine.run(f"cat {folder}/*/manifest.json", "")
    found = {each["release"]: each for each in parse(out)} if not code else {}
    code, out, _ = engine.run(f"cat {folder}/{current}/previous", "")
    previous = out.strip() if not code and current else ""
    return {"releases": sorted(found), "current": current, "previous": previous, "manifests": found}


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
    """The current release and those before it, in the order of the way back, KEEP of them at most."""
    names, name = [], found["current"]
    while name in found["manifests"] and name not in names and len(names) < keep:
        names.append(name)
        code, out, _ = engine.run(f"cat {folder}/{name}/previous", "")
        name = out.strip() if not code else ""
    return names


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
    """The names of the secrets in a rendered file that a rotation makes anew."""
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
