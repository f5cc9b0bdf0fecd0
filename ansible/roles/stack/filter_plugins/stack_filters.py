"""Small questions about hosts."""

from __future__ import annotations

import json
import re
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
    "stack_keep_releases": (1, "2 or more leave a way back"),
    "stack_trial_seconds": (0, "0 leaves the trial out"),
    "stack_healthy_seconds": (1, "150"),
    "stack_job_seconds": (1, "900"),
    "stack_update_seconds": (1, "900"),
}
"""Variable -> (the least it may be, and what to say of it)."""


def stack_problems(values: dict[str, Any]) -> list[str]:
    """What is wrong with the VALUES of variables of the role, as sentences; `data`: the hosts of that group."""
    problems = [
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
        for name in ("stack_db_host", "stack_redis_host")
        if values[name] and values[name] not in values["data"]
    ]
    return problems


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        """Name -> function."""
        return {
            "stack_address": stack_address,
            "stack_edge_line": stack_edge_line,
            "stack_problems": stack_problems,
        }
