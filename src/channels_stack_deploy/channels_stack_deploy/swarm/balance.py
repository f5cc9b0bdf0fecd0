"""Tasks of a service on as many nodes as there are: the loss of one node must not be the loss of all tasks.

Swarm chooses a node when a task is made and never again. A start-first update of three tasks on three nodes ends with two on
one node and none on another, and a node that returns, or is new, stays empty. So tasks are added, which Swarm
puts where there are fewest, and when they are healthy as many are taken away, which it does where there are most.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from math import ceil
from typing import Any

from .engine import Engine
from .rollout import scale

CONSTRAINT = re.compile(r"^\s*(node\.hostname|node\.labels\.[\w.-]+)\s*(==|!=)\s*(.+?)\s*$")


def uneven(engine: Engine) -> dict[str, int]:
    """Service -> how many of its tasks have to move."""
    services = engine.services()
    nodes = json.loads(engine.docker("node", "inspect", *engine.docker("node", "ls", "--quiet").split()))
    tasks = engine.tasks([each["ID"] for each in services.values()])
    found = {}
    for name, each in services.items():
        own = [
            task["NodeID"]
            for task in tasks
            if task["ServiceID"] == each["ID"]
            and (task["Status"]["State"], task["DesiredState"]) == ("running", "running")
        ]
        number = moves(own, [node["ID"] for node in nodes if fits(each, node)])
        # While tasks are missing Swarm is at work on it.
        if "Replicated" in each["Spec"]["Mode"] and number and len(own) == each["wanted"]:
            found[name] = number
    return found


def fits(service: dict[str, Any], node: dict[str, Any]) -> bool:
    """Whether tasks of SERVICE may be put on NODE now; a constraint of a kind that is not known here fits nowhere."""
    if (node["Spec"]["Availability"], node["Status"]["State"]) != ("active", "ready"):
        return False
    for text in service["Spec"]["TaskTemplate"].get("Placement", {}).get("Constraints") or []:
        match = CONSTRAINT.match(text)
        if not match:
            return False
        name, sign, value = match.groups()
        if name == "node.hostname":
            has = node["Description"]["Hostname"]
        else:
            has = node["Spec"].get("Labels", {}).get(name.removeprefix("node.labels."), "")
        if (has == value) != (sign == "=="):
            return False
    return True


def moves(places: list[str], nodes: list[str]) -> int:
    """How many of the tasks at PLACES, ids of nodes, have to move until NODES have the same number of them, give or take one.

    >>> moves(["a", "a", "b"], ["a", "b", "c"])
    1
    >>> moves(["a", "b"], ["a", "b", "c"])
    0
    """
    if not nodes:
        return 0
    have = Counter(places)
    counts = [have[node] for node in nodes]
    share = len(places) / len(nodes)
    too_many = sum(max(0, count - ceil(share)) for count in counts)
    too_few = sum(max(0, int(share) - count) for count in counts)
    return max(too_many, too_few)


def even(engine: Engine, seconds: float) -> list[str]:
    """Move what has to move, within SECONDS each way; returns the services whose tasks moved."""
    found = uneven(engine)
    if found:
        wanted = {name: each["wanted"] for name, each in engine.services().items() if name in found}
        scale(engine, {name: wanted[name] + number for name, number in found.items()}, seconds)
        scale(engine, wanted, seconds)
    return sorted(found)
