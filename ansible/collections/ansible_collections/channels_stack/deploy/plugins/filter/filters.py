"""Filters of the roles; the logic is in the tool."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.channels_stack.deploy.plugins.plugin_utils import tool  # noqa: F401

from channels_stack_deploy.build import packages
from channels_stack_deploy.swarm import summary, variables


def address(host: dict[str, Any]) -> str:
    """The address of HOST (its variables): what Ansible reaches it at."""
    return str(host.get("ansible_host", host["inventory_hostname"]))


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name -> function; each is documented in the file of its name."""
        return {
            "address": address,
            "facts": summary.facts,
            "packages_refused": packages.refused,
            "problems": variables.problems,
        }
