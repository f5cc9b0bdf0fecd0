"""Small questions about hosts."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "src/channels_stack_deploy"))

from channels_stack_deploy.config import settings
from channels_stack_deploy.swarm import inventory


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


FORMS = {
    "stack_name": (r"[a-z][a-z0-9-]{0,40}", "small letters, digits and hyphens: channels-stack"),
    "stack_release": (
        r"|[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}",
        "letters, digits, dots, hyphens and underscores: 1.4.2; empty: the hash of the content",
    ),
    "stack_update_monitor": (r"[1-9]\d*(ms|s|m|h)", "a time with its unit: 30s"),
    "stack_check_path": (r"|/\S*", "a path that begins with /: /health; empty: nothing is asked for"),
}
"""Variable -> (its form, and how to say it)."""

LEAST = {
    "stack_keep_releases": (1, "2 or more allow a rollback"),
    "stack_registry_port": (1, "5000"),
    "stack_trial_seconds": (0, "0 looks at it once, without watching"),
    "stack_healthy_seconds": (1, "150"),
    "stack_job_seconds": (1, "900"),
    "stack_update_seconds": (1, "900"),
}
"""Variable -> (the least it may be, and what to say of it)."""


def stack_problems(values: dict[str, Any]) -> list[str]:
    """What is wrong with the VALUES of variables of the role, as sentences.

    `data`: the hosts of that group; `registry`: the host of that group, "" where there is none; `hosts`: those of this run.
    """
    # Ansible itself takes the text DOMAINS=rooms.example.org for a mapping when it compares types, and leaves it a text.
    problems = [
        f"{name} is no mapping; it takes a name and a value on each line below it, DOMAINS: rooms.example.org"
        for name in ("stack_settings", "stack_app_env")
        if not isinstance(values[name], Mapping)
    ]
    if isinstance(values["stack_settings"], Mapping):
        given = {str(name): inventory.word(value) for name, value in values["stack_settings"].items()}
        problems += settings.wrong(given, "stack_settings")
    problems += [
        f"{name} is {str(values[name])!r}; it takes {said}"
        for name, (form, said) in FORMS.items()
        if not re.fullmatch(form, str(values[name]))
    ]
    problems += [
        f"{name} is {values[name]}; it takes {least} or more ({said})"
        for name, (least, said) in LEAST.items()
        if int(values[name]) < least
    ]
    problems += [
        f"{name} is {str(values[name])!r}; it takes a host of the group `data`: {', '.join(values['data'])}"
        for name in ("stack_db_host", "stack_redis_host", "stack_app_redis_host")
        if values[name] and values[name] not in values["data"]
    ]
    if values["registry"] and values["registry"] not in values["hosts"]:
        problems.append(
            f"the registry stands on {values['registry']}, which this run leaves out: bring it back, or name another host in the "
            "group `registry`. What runs goes on without it"
        )
    return problems


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        """Name -> function."""
        return {
            "stack_address": stack_address,
            "stack_facts": stack_facts,
            "stack_problems": stack_problems,
        }
