"""Small questions about hosts."""

from __future__ import annotations

import json
from typing import Any


def stack_facts(hosts: list[dict[str, Any]]) -> dict[str, Any]:
    """What HOSTS (their variables after the questions of status.yml) said, for `stack.swarm.summary.lines`."""
    facts: dict[str, Any] = {"processes": None, "edges": {}, "backup": None}
    for host in hosts:
        processes, edge, backup = (
            answer(host, name) for name in ("__stack_processes", "__stack_edge_status", "__stack_backups")
        )
        facts["processes"] = facts["processes"] or processes
        facts["backup"] = facts["backup"] or backup
        if edge:
            facts["edges"][host["inventory_hostname"]] = edge
    return facts


def answer(host: dict[str, Any], name: str) -> Any:
    """The JSON that the command registered as NAME printed on HOST; None where it printed none."""
    try:
        return json.loads(host.get(name, {}).get("stdout", ""))
    except ValueError:
        return None


def stack_address(host: dict[str, Any]) -> str:
    """The address of HOST (its variables): what Ansible reaches it at."""
    return str(host.get("ansible_host", host["inventory_hostname"]))


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        """Name -> function."""
        return {"stack_address": stack_address, "stack_facts": stack_facts}
