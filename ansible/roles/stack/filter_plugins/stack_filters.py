"""Small questions about hosts."""

from __future__ import annotations

import json
from typing import Any


def stack_edge_line(host: dict[str, Any]) -> str:
    """HOST: its variables after the question; "" where it has no edge."""
    answer = host.get("__stack_edge_status", {}).get("stdout", "")
    if not answer.startswith("{"):
        return ""
    found = json.loads(answer)
    certificate = found["certificate"]
    state = "draining" if found["draining"] else "serving"
    return (
        f"edge {host['inventory_hostname']}: {state}, {found['connections']} connections, certificate for "
        f"{' '.join(certificate['names'])} good for {certificate['days']} days"
    )


def stack_address(host: dict[str, Any]) -> str:
    """The address of HOST (its variables): what Ansible reaches it at."""
    return str(host.get("ansible_host", host["inventory_hostname"]))


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        """Name -> function."""
        return {"stack_address": stack_address, "stack_edge_line": stack_edge_line}
