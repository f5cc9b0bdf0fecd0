"""What is wrong with the variables of the role `stack`, before any host is asked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..config import settings
from . import inventory

FORMS = {
    "stack_name": (r"[a-z][a-z0-9-]{0,40}", "small letters, digits and hyphens: channels-stack"),
    "stack_release": (
        r"|[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}",
        "letters, digits, dots, hyphens and underscores: 1.4.2; empty: the hash of the content",
    ),
    "stack_share": (
        r"0|[1-9]\d?",
        "the percentage of visitors that try a release first, 1 to 99: 10; 0: none",
    ),
    "stack_update_monitor": (r"[1-9]\d*(ms|s|m|h)", "a time with its unit: 30s"),
    "stack_check_path": (r"|/\S*", "a path that begins with /: /health; empty: nothing is asked for"),
}
"""Variable -> (its form, and the form in words)."""

LEAST = {
    "stack_keep_releases": (1, "2 or more allow a rollback"),
    "stack_registry_port": (1, "5000"),
    "stack_trial_seconds": (0, "0 looks at it once, without watching"),
    "stack_healthy_seconds": (1, "150"),
    "stack_job_seconds": (1, "900"),
    "stack_update_seconds": (1, "900"),
}
"""Variable -> (its minimum, and what the message adds)."""


def problems(values: dict[str, Any]) -> list[str]:
    """What is wrong with the VALUES of variables of the role, as sentences.

    `data`: the hosts of that group; `registry`: the host of that group, "" where there is none; `cluster`: all hosts;
    `hosts`: those of this run.
    """
    # Ansible itself takes the text DOMAINS=rooms.example.org for a mapping when it compares types, and leaves it a text.
    found = [
        f"{name} is no mapping; it takes a name and a value on each line below it, DOMAINS: rooms.example.org"
        for name in ("stack_settings", "stack_app_env")
        if not isinstance(values[name], Mapping)
    ]
    if isinstance(values["stack_settings"], Mapping):
        given = {
            str(name): inventory.word(value, str(name)) for name, value in values["stack_settings"].items()
        }
        found += settings.wrong(given, "stack_settings")
        if given.get("MONITORING") == "on":
            found += monitoring_problems(values, settings.defaults() | given)
    found += [
        f"{name} is {str(values[name])!r}; it takes {meaning}"
        for name, (form, meaning) in FORMS.items()
        if not re.fullmatch(form, str(values[name]))
    ]
    found += [
        f"{name} is {values[name]}; it takes {least} or more ({meaning})"
        for name, (least, meaning) in LEAST.items()
        if int(values[name]) < least
    ]
    found += [
        f"{name} is {str(values[name])!r}; it takes a host of the group `data`: {', '.join(values['data'])}"
        for name in ("stack_db_host", "stack_redis_host", "stack_app_redis_host")
        if values[name] and values[name] not in values["data"]
    ]
    if str(values["stack_share"]) != "0" and int(values["stack_trial_seconds"]) == 0:
        found.append(
            f"stack_share is {values['stack_share']}, which is for the time on trial, and stack_trial_seconds is 0; "
            "it takes 30, or leave the share out"
        )
    if values["registry"] and values["registry"] not in values["hosts"]:
        found.append(
            f"the registry runs on {values['registry']}, which this run leaves out: bring it back, or name another host in the "
            "group `registry`. What runs goes on without it"
        )
    return found


def monitoring_problems(values: dict[str, Any], chosen: dict[str, str]) -> list[str]:
    """What is wrong with the host and the port of Prometheus, with the settings CHOSEN."""
    host, port = values["stack_monitoring_host"], chosen["MONITORING_PORT"]
    ports = {name: chosen[name] for name in ("HTTP_PORT", "HTTPS_PORT")}
    ports["stack_registry_port"] = str(values["stack_registry_port"])
    found = [
        f"stack_settings: MONITORING_PORT is {port}, and so is {name}: choose another one"
        for name, taken in ports.items()
        if taken == port
    ]
    if host not in values["cluster"]:
        return [
            *found,
            f"stack_monitoring_host is {host!r}; it takes a host of the inventory: {', '.join(values['cluster'])}",
        ]
    if host not in values["hosts"]:
        return [
            *found,
            f"Prometheus runs on {host}, which this run leaves out: bring it back, or name another host in "
            "stack_monitoring_host, where it begins without what it has measured",
        ]
    return found
