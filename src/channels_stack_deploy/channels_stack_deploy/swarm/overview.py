"""All that status.yml prints, from the swarm and from what the hosts reported."""

from __future__ import annotations

from typing import Any

from . import balance, deploy_lock, history, names, status, summary
from .engine import Engine


def lines(engine: Engine, facts: dict[str, Any], folder: str) -> list[str]:
    """Nodes, services, what FACTS say of processes, edges and backups, problems, and the history in FOLDER."""
    tables = [status.nodes(engine), status.services(engine)]
    text = [line for rows in tables for line in [*status.aligned(rows), ""]]
    text += summary.lines(facts, list(engine.services()))
    text += [
        f"{name}: {number} of its tasks should run elsewhere; deploy.yml and undrain.yml -e node=NAME rebalance them"
        for name, number in balance.uneven(engine).items()
    ]
    replicas = {host: edge["replicas"] for host, edge in facts["edges"].items() if "replicas" in edge}
    text += [
        f"PROBLEM {line}; where it stays so for a minute: docker service update --force {engine.stack}_{line.split()[-1]}"
        for line in names.differing(names.known(engine), replicas)
    ]
    if held := deploy_lock.holder(engine):
        killed = ", by a run that was killed: the next command takes it away" if held.gone else ""
        text.append(f"locked by {held.who} since {held.since}{killed}")
    return [*text, "", *history.lines(engine, folder)]
