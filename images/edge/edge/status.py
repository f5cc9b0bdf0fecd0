"""What runs: the certificate in effect, as HAProxy itself shows it, and its workers; whether they stop."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from . import crowds, haproxy, loading
from .haproxy import STATE


def status() -> dict[str, Any]:
    """{"draining", "maintenance", "share", "former_workers", "connections", "crowd", "floods", "replicas", "certificate"}.

    `crowd` is the one address that most requests come from, null where there is none; `floods` are addresses that are cut;
    for `certificate` see below.
    """
    crowd = crowds.look()
    processes = haproxy.ask("show proc")
    former = processes.partition("# old workers")[2].partition("# programs")[0]
    return {
        "draining": loading.draining(),
        "maintenance": loading.maintenance(),
        "share": loading.share(),
        "former_workers": len(re.findall(r"^\d+\s+worker", former, re.MULTILINE)),
        "connections": int(field(haproxy.ask("@1 show info"), "CurrConns")),
        "crowd": crowd and {"address": crowd.address, "requests": crowd.requests, "of": crowd.total},
        "floods": [
            {"address": each.address, "requests": each.requests, "refused": each.refused}
            for each in crowds.floods()
        ],
        "replicas": replicas(),
        "certificate": certificate(haproxy.ask(f"@1 show ssl cert {STATE / 'tls.pem'}")),
    }


def replicas() -> dict[str, list[str]]:
    """Backend -> the addresses of the replicas that get new requests."""
    found: dict[str, list[str]] = {}
    for each in haproxy.servers():
        found.setdefault(each["be_name"], [])
        if each["srv_op_state"] == RUNNING:
            found[each["be_name"]].append(each["srv_addr"])
    return found


RUNNING = "2"
"""Neither stopped nor starting nor, because it drains, stopping (HAProxy's management guide, "show servers state")."""


def stopping() -> bool:
    """Whether the worker has closed its listening sockets, because it was asked to stop."""
    return field(haproxy.ask("@1 show info", haproxy.PROMPT_SECONDS), "Stopping") == "1"


def certificate(text: str) -> dict[str, Any]:
    """What HAProxy says of a certificate; `days` are whole days left, negative once it is over."""
    until = datetime.strptime(field(text, "notAfter"), "%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)
    return {
        "names": [
            name.strip().removeprefix("DNS:") for name in field(text, "Subject Alternative Name").split(",")
        ],
        "issuer": field(text, "Issuer"),
        "until": until.isoformat(),
        "days": (until - datetime.now(UTC)).days,
    }


def field(text: str, name: str) -> str:
    """The value of the line `NAME: value`; "" where there is none."""
    match = re.search(rf"^{name}: ?(.*)$", text, re.MULTILINE)
    return match[1] if match else ""
