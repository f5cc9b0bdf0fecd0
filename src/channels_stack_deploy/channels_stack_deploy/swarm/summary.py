"""What the processes, the edges and the backups of a deployment say of themselves: lines for people."""

from __future__ import annotations

import json
import time
from typing import Any

from ..console import aligned

MEBIBYTE = 1024 * 1024


def facts(hosts: list[dict[str, Any]]) -> dict[str, Any]:
    """What HOSTS (their variables after the questions of status.yml) reported, for `lines`."""
    collected: dict[str, Any] = {"processes": None, "edges": {}, "backup": None, "names": {}}
    for host in hosts:
        processes, edge, backup = (
            answer(host, name) for name in ("__stack_processes", "__stack_edge_status", "__stack_backups")
        )
        collected["processes"] = collected["processes"] or processes
        collected["backup"] = collected["backup"] or backup
        if edge:
            collected["edges"][host["inventory_hostname"]] = edge
        running, back = (
            host.get(name, {}).get("stdout", "") for name in ("__stack_names", "__stack_names_back")
        )
        collected["names"][host["inventory_hostname"]] = {
            "running": bool(running),
            "back": len(back.splitlines()),
        }
    return collected


def answer(host: dict[str, Any], name: str) -> Any:
    """The JSON that the command registered as NAME printed on HOST; None where it printed none."""
    try:
        return json.loads(host.get(name, {}).get("stdout", ""))
    except ValueError:
        return None


def lines(facts: dict[str, Any], services: list[str]) -> list[str]:
    """Tables and a summary of FACTS: `processes`, `edges` and `names` (by host), `backup`; None where none answered."""
    found = []
    if facts["edges"]:
        found += [*aligned(edges(facts["edges"])), ""]
    if facts["processes"]:
        found += [*aligned(processes(facts["processes"])), *troubles(facts["processes"]), ""]
    return found + [f"{name:<12} {text}" for name, text in summary(facts, services)]


def edges(facts: dict[str, dict[str, Any]]) -> list[list[str]]:
    """A row for each edge."""
    rows = [
        [
            host,
            "draining" if each["draining"] else "serving",
            str(each["connections"]),
            str(each["certificate"]["days"]),
            " ".join(each["certificate"]["names"]),
        ]
        for host, each in sorted(facts.items())
    ]
    return [["edge", "state", "connections", "certificate days", "for"], *rows]


def processes(facts: list[dict[str, Any]]) -> list[list[str]]:
    """A row for each process of the application."""
    rows = [
        [
            each["service"],
            each["host"],
            each["server"],
            duration(time.time() - each["started"]),
            f"silent {each['silent_seconds']:.0f} s" if each["state"] == "silent" else each["state"],
            "-" if each["service"] == "worker" else str(each["sockets"]),
            layer(each),
            str(each["failed"]) if each["service"] == "worker" else "-",
            f"{each['rss_bytes'] / MEBIBYTE:.0f} MiB",
        ]
        for each in facts
    ]
    return [["process", "in", "server", "up", "state", "sockets", "layer", "failed", "memory"], *rows]


def troubles(facts: list[dict[str, Any]]) -> list[str]:
    """A line for each check that fails in a process. A process of an earlier release says nothing of them."""
    return [
        f"PROBLEM {each['service']} {each['host']}: {check}: {text}"
        for each in facts
        for check, text in sorted(each.get("troubles", {}).items())
    ]


def layer(process: dict[str, Any]) -> str:
    """The last round trip through its channel layer; `-` before the first one, and where there is no layer."""
    if not process["layer_asked"]:
        return "-"
    return "no answer" if process["layer_latency_ms"] is None else f"{process['layer_latency_ms']:.0f} ms"


def summary(facts: dict[str, Any], services: list[str]) -> list[tuple[str, str]]:
    """What the operator wants to know first: name and text of each."""
    rows = []
    if facts["processes"]:
        heard = [each for each in facts["processes"] if each["state"] != "silent"]
        rows.append(("sockets", str(sum(each["sockets"] for each in heard))))
        waiting: dict[str, int] = {}
        for each in facts["processes"]:  # every worker counts the same jobs
            waiting |= {name: max(count, waiting.get(name, 0)) for name, count in each["backlog"].items()}
        jobs = " ".join(f"{name}:{count}" for name, count in sorted(waiting.items()))
        rows.append(("backlog", jobs or "no worker has a channel"))
    else:
        rows.append(("sockets", "unknown: no process of the application answers"))
    rows.append(("last backup", backup(facts["backup"], "backup" in services)))
    days = {each["certificate"]["days"] for each in facts["edges"].values()}
    rows.append(("names", lost_names(facts["names"])))
    rows.append(("certificate", f"{min(days)} days" if days else "unknown: no edge answers"))
    return rows


def lost_names(hosts: dict[str, dict[str, Any]]) -> str:
    """How often each host's program that brings lost names back had to, and whether it runs."""
    back = sum(each["back"] for each in hosts.values())
    text = f"lost and found {back} times in a day" if back else "none was lost in a day"
    if idle := [host for host, each in hosts.items() if not each["running"]]:
        text += f"; PROBLEM channels-stack-names.service does not run on {', '.join(idle)}: bootstrap.yml --tags swarm"
    return text


def backup(facts: dict[str, Any] | None, wanted: bool) -> str:
    """How old the newest backup is, and what is not well."""
    if not wanted:
        return "none is made: BACKUP_REPOSITORY is not set"
    if facts is None:
        return "unknown: the service backup does not answer"
    age = f"{duration(facts['age_seconds'])} ago" if facts["newest"] else "none yet"
    return "; ".join([age, *(f"PROBLEM {text}" for text in facts["problems"])])


def duration(seconds: float) -> str:
    """12 s, 5 min, 3 h, 8 d."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
