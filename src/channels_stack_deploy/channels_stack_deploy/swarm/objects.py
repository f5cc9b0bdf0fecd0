"""Secrets and configs: made where missing, removed when no release that is kept uses them."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection
from typing import Any

from ..console import Failure
from .engine import NAMESPACE, Engine

KINDS = ("secret", "config")


def there(engine: Engine) -> set[tuple[str, str]]:
    """(kind, name) of all that belong to the stack."""
    found = set()
    for kind in KINDS:
        names = engine.docker(
            kind, "ls", "--filter", f"label={NAMESPACE}={engine.stack}", "--format", "{{.Name}}"
        ).split()
        found |= {(kind, name) for name in names}
    return found


def make(engine: Engine, wanted: list[dict[str, str]], *, check: bool) -> list[str]:
    """Create what of WANTED (kind, name, base64 content) is missing; returns the names. CHECK only looks."""
    have = there(engine)
    missing = [each for each in wanted if (each["kind"], each["name"]) not in have]
    for each in [] if check else missing:
        text = base64.b64decode(each["content"]).decode()
        label = f"{NAMESPACE}={engine.stack}"
        engine.docker(each["kind"], "create", "--label", label, each["name"], "-", given=text)
    return [each["name"] for each in missing]


def make_networks(engine: Engine, wanted: list[dict[str, Any]], *, check: bool) -> list[str]:
    """Create the overlay networks of WANTED (name, internal, encrypted) that are missing; returns their names.

    Failure where one is there that is encrypted and shall not be, or the other way round: a network cannot be changed.
    """
    have = set(
        engine.docker(
            "network", "ls", "--filter", f"label={NAMESPACE}={engine.stack}", "--format", "{{.Name}}"
        ).split()
    )
    for each in wanted:
        if each["name"] in have:
            options = json.loads(
                engine.docker("network", "inspect", "--format", "{{json .Options}}", each["name"])
            )
            if ("encrypted" in (options or {})) != bool(each["encrypted"]):
                raise Failure(
                    f"the network {each['name']} is {'' if 'encrypted' in options else 'not '}encrypted, and a network cannot "
                    "be changed: set stack_encrypted_networks back, or take the stack down and deploy it again"
                )
    missing = [each for each in wanted if each["name"] not in have]
    for each in [] if check else missing:
        options = [
            *(["--internal"] if each["internal"] else []),
            *(["--opt", "encrypted"] if each["encrypted"] else []),
        ]
        label = f"{NAMESPACE}={engine.stack}"
        engine.docker("network", "create", "--driver", "overlay", "--label", label, *options, each["name"])
    return [each["name"] for each in missing]


def used(text: str) -> set[str]:
    """The names of the secrets and configs that a rendered file uses."""
    whole = json.loads(text)
    return {each["name"] for kind in ("secrets", "configs") for each in whole.get(kind, {}).values()}


def prune(engine: Engine, keep: Collection[str]) -> list[str]:
    """Remove those that no KEPT release names; what a running service still holds stays. Returns the removed."""
    if not keep:
        raise Failure("nothing is to be kept: this would remove every secret of the stack")
    removed = []
    for kind, name in sorted(there(engine)):
        if name in keep or name == f"{engine.stack}_lock":
            continue
        code, _, complaint = engine.attempt(kind, "rm", name)
        if not code:
            removed.append(name)
        elif "is in use" not in complaint:
            raise Failure(f"the {kind} {name} cannot be removed: {complaint.strip()}")
    return removed
