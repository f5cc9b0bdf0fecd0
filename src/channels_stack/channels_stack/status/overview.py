"""`channels-stack status`: a line for every process of the stack, from its last report, and its troubles."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import redis

from ..observability.terminal import indented, printable
from . import publisher

HEAD = (
    "SERVICE",
    "HOST",
    "PID",
    "SERVER",
    "UP",
    "STATE",
    "SOCKETS",
    "LOOP LAG",
    "LAYER",
    "JOBS WAITING",
    "FAILED",
    "MEMORY",
)
MEBIBYTE = 1024 * 1024


def main(as_json: bool) -> int:
    """Print it, as text or, with ``as_json``, as what ``status.processes`` returns.

    The exit code is 0, or 1 where Redis does not answer or where no process reports anything.
    """
    try:
        reports = publisher.processes()
    except redis.RedisError as error:
        print(f"channels-stack: status: Redis does not answer: {error}", file=sys.stderr)
        return 1
    if as_json:
        print(json.dumps(reports, indent=2))
    elif reports:
        print(printable("\n".join([_table([HEAD, *map(_row, reports)]), *map(indented, _troubles(reports))])))
    if not reports:
        seconds = publisher.EXPIRY_SECONDS
        print(f"channels-stack: status: no process has reported for {seconds} s", file=sys.stderr)
    return 0 if reports else 1


def _row(report: dict[str, Any]) -> tuple[str, ...]:
    serves = report["service"] != "worker"
    return (
        report["service"],
        report["host"],
        str(report["pid"]),
        report["server"],
        _duration(time.time() - report["started"]),
        f"silent {report['silent_seconds']:.0f} s" if report["state"] == "silent" else report["state"],
        str(report["sockets"]) if serves else "-",
        f"{report['loop_lag_ms']:.0f} ms",
        _layer(report),
        " ".join(f"{channel}:{waiting}" for channel, waiting in sorted(report["backlog"].items())) or "-",
        "-" if serves else str(report["failed"]),
        f"{report['rss_bytes'] / MEBIBYTE:.0f} MiB",
    )


def _troubles(reports: list[dict[str, Any]]) -> list[str]:
    """A line for each check that fails in each process. Of an earlier release a process says nothing of them."""
    return [
        f"PROBLEM {report['service']} {report['host']} {report['pid']}: {check}: {text}"
        for report in reports
        for check, text in sorted(report.get("troubles", {}).items())
    ]


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)
    return "\n".join(lines)


def _layer(report: dict[str, Any]) -> str:
    if not report["layer_asked"]:  # a process that has just begun, or an application without layers
        return "-"
    return "no answer" if report["layer_latency_ms"] is None else f"{report['layer_latency_ms']:.0f} ms"


def _duration(seconds: float) -> str:
    """12 s, 5 min, 3 h, 8 d: the age of a process is read at a glance."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
