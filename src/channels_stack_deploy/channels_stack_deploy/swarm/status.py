"""What runs where, and how well: lines for people."""

from __future__ import annotations

import json

from .engine import Engine
from .render import LABEL
from .rollout import look


def nodes(engine: Engine) -> list[list[str]]:
    """A row for each node: name, state, availability, part in the cluster, what it is for, version of its engine."""
    rows = []
    ids = engine.docker("node", "ls", "--quiet").split()
    for each in json.loads(engine.docker("node", "inspect", *ids)):
        labels = [name for name in ("edge", "app", "data") if each["Spec"]["Labels"].get(name) == "true"]
        manager = each.get("ManagerStatus")
        part = ("leader" if manager.get("Leader") else "manager") if manager else "worker"
        rows.append(
            [
                each["Description"]["Hostname"],
                each["Status"]["State"],
                each["Spec"]["Availability"],
                part,
                " ".join(labels),
                each["Description"]["Engine"]["EngineVersion"],
            ]
        )
    return [["node", "state", "availability", "part", "for", "engine"], *sorted(rows)]


def services(engine: Engine) -> list[list[str]]:
    """A row for each service: tasks that run of those wanted, its release, its image, the last update."""
    found = engine.services()
    rows = []
    for each in look(engine, found, set(found), set(), ""):
        spec = each.now["Spec"]
        image = spec["TaskTemplate"]["ContainerSpec"]["Image"].rpartition("/")[2]
        state = (each.now.get("UpdateStatus") or {}).get("State", "")
        release = spec.get("Labels", {}).get(LABEL, "")
        rows.append([each.name, f"{each.fresh}/{each.now['wanted']}", release, image, state])
    return [["service", "tasks", "release", "image", "last update"], *rows]


def aligned(rows: list[list[str]]) -> list[str]:
    """ROWS in columns, the first one being their heads."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
