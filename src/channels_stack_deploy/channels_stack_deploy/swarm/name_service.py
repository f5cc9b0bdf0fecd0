"""What the managers know of tasks, compared with what each edge has found by the engine's name service.

A node that was cut off for some seconds may return with names that others have lost, or with addresses that are another task's
by now: an edge then serves with fewer replicas than there are, or sends to the wrong ones.
"""

from __future__ import annotations

from typing import Any

from .engine import Engine

SERVICES = {"http": "http", "first-http": "http", "ws": "ws", "first-ws": "ws"}
"""Service -> the name by which an edge finds its tasks; those called first are there during a deploy."""

NETWORK = "front"


def known(engine: Engine) -> dict[str, set[str]]:
    """The addresses of the running tasks by the name of their service, in the network that they share with the edges."""
    services = engine.services()
    wanted = {services[service]["ID"]: name for service, name in SERVICES.items() if service in services}
    found: dict[str, set[str]] = {name: set() for name in wanted.values()}
    for task in engine.tasks(list(wanted)):
        if task["Status"]["State"] == task["DesiredState"] == "running":
            found[wanted[task["ServiceID"]]] |= addresses(task, f"{engine.stack}_{NETWORK}")
    return found


def addresses(task: dict[str, Any], network: str) -> set[str]:
    """A task's addresses in NETWORK, without the length of their prefix."""
    return {
        address.partition("/")[0]
        for each in task.get("NetworksAttachments") or []
        if each["Network"]["Spec"]["Name"] == network
        for address in each.get("Addresses") or []
    }


def differing(wanted: dict[str, set[str]], edges: dict[str, dict[str, list[str]]]) -> list[str]:
    """A line for each edge and service where they do not agree: EDGES are host -> service -> addresses that it sends to.

    One that no manager knows is no fault while it answers: the task of a node that was given up ends when it is back.
    """
    found = []
    for host, services in sorted(edges.items()):
        for name in sorted(wanted):
            seen = set(services.get(name, ()))
            others = set().union(*(those for other, those in wanted.items() if other != name))
            lost, wrong = sorted(wanted[name] - seen), sorted(seen & others)
            faults = [f"lacks {' '.join(lost)}"] * bool(lost)
            faults += [f"holds {' '.join(wrong)} of another service"] * bool(wrong)
            if faults:
                found.append(f"the edge on {host} {' and '.join(faults)} for {name}")
    return found
