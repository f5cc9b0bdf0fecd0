"""Settings of the edge: which there are, what the operator gave, and how HAProxy gets to know them.

The names and their defaults are in haproxy.cfg, as `presetenv` lines, and nowhere else. A value comes from
`settings.env` in the edge's folder (NAME=value lines, those of the whole stack may be in it), else from the container's
environment, else from haproxy.cfg. They reach HAProxy as a small configuration file in front of haproxy.cfg and not as
its environment, because a running process cannot be given another environment, but it can read a file again.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

RULES = Path("/etc/haproxy/haproxy.cfg")
"""The configuration of the image."""

FROM_ABOVE = (
    "EDGE_CERTIFICATE",
    "EDGE_SERVERS",
    "EDGE_WORKER",
    "EDGE_IPV6",
    "EDGE_MAINTENANCE",
    "EDGE_SHARE",
)
"""Settings that the program itself gives: where its copies lie, the secret of the worker, whether there is IPv6,
whether there is maintenance, and which share of the visitors a new release gets."""

CALCULATED = ("EDGE_REQUESTS_AT_ONCE", "EDGE_THREADS")
"""What follows from the container's memory and processors."""

NAME = re.compile(r"^\s+presetenv (\w+)", re.MULTILINE)
DEFAULT = re.compile(r"^\s+presetenv (\w+) (\S+)", re.MULTILINE)
LINE = re.compile(r"^([A-Z][A-Z0-9_]*)=(.*)$")
DURATION = re.compile(r"^(\d+)(us|ms|s|m|h|d)?$")
UNITS = {"us": 1e-6, None: 1e-3, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def known() -> list[str]:
    """The names of all settings, in the order of haproxy.cfg."""
    return NAME.findall(RULES.read_text())


def default(name: str) -> str:
    """What NAME is where it is not set."""
    return dict(DEFAULT.findall(RULES.read_text()))[name]


def parse(text: str) -> dict[str, str]:
    """NAME=value lines as a dictionary; one pair of quotes around a value is taken off, other lines are left out."""
    found = {}
    for line in text.splitlines():
        match = LINE.match(line.strip())
        if match:
            value = match[2].strip()
            if value[:1] in ("'", '"') and value[:1] == value[-1:] and len(value) > 1:
                value = value[1:-1]
            found[match[1]] = value
    return found


def given(text: str) -> dict[str, str]:
    """The settings that are given: TEXT of settings.env wins over the container's environment."""
    values = {**os.environ, **parse(text)}
    return {name: values[name] for name in known() if name in values and name not in FROM_ABOVE}


def configuration(values: dict[str, str]) -> str:
    """VALUES as HAProxy reads them. A setting that is not given is unset, because HAProxy's master keeps what it once read."""
    lines = [
        f"    setenv {name} {quoted(values[name])}" if values.get(name) else f"    unsetenv {name}"
        for name in (*known(), *CALCULATED)
    ]
    return "\n".join(["global", *lines, ""])


def quoted(value: str) -> str:
    """VALUE so that HAProxy takes it literally (section 2.2 of its manual)."""
    return "'" + value.replace("'", "'\\''") + "'"


def seconds(value: str) -> float:
    """A time as HAProxy writes it, `5s` or `1m`; a bare number means milliseconds."""
    match = DURATION.match(value)
    if not match:
        raise ValueError(f"{value!r} is no time; 5s for example")
    return int(match[1]) * UNITS[match[2]]
