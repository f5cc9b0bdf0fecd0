"""All that status.yml prints: what runs where, and how well, from the swarm and from what the hosts reported."""

from __future__ import annotations

import json
from typing import Any

from ..console import aligned
from . import balance, deploy_lock, history, name_service, summary
from .engine import Engine
from .render import LABEL
from .rollout import look


def lines(engine: Engine, facts: dict[str, Any], folder: str) -> list[str]:
    """Nodes, services, what FACTS say of processes, edges and backups, problems, and the history in FOLDER."""
    tables = [nodes(engine), services(engine)]
    text = [line for rows in tables for line in [*aligned(rows), ""]]
    text += summary.lines(facts, list(engine.services()))
    text += [
        f"{name}: {number} of its tasks should run elsewhere; deploy.yml and undrain.yml -e node=NAME rebalance them"
        for name, number in balance.uneven(engine).items()
    ]
    replicas = {host: edge["replicas"] for host, edge in facts["edges"].items() if "replicas" in edge}
    text += [
        f"PROBLEM {line}; where it stays so for a minute: docker service update --force {engine.stack}_{line.split()[-1]}"
        for line in name_service.differing(name_service.known(engine), replicas)
    ]
    if held := deploy_lock.holder(engine):
        killed = ", by a run that was killed: the next command takes it away" if held.gone else ""
        text.append(f"locked by {held.who} since {held.since}{killed}")
    return [*text, "", *history.lines(engine, folder)]


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
