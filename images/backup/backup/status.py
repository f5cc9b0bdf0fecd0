"""How old the backups are, in one line each, as JSON, or for Prometheus; and whether that is well."""

from __future__ import annotations

import json
import time
from typing import Any

from . import archive, jobs, repository, restore, work
from .console import Failure, age, moment, size
from .settings import Settings

WAL_SECONDS = 300
"""The RPO that is promised: WAL that waits longer is a fault."""


def facts(settings: Settings) -> dict[str, Any]:
    """What is known; `problems` says what is not well, a line each."""
    now = time.time()
    problems: list[str] = []
    found: list[repository.Backup] = []
    copies: list[jobs.Copy] = []
    try:
        found = repository.backups()
        copies = jobs.copies()
    except Failure as failure:
        problems.append(str(failure))
    memory = work.remembered()
    newest = found[-1] if found else None
    if not problems and newest is None:
        problems.append("there is no backup yet")
    if newest and now - newest.stop > 2 * settings.hours * 3600:
        problems.append(
            f"the newest backup is {age(now - newest.stop)} old; one is due every {settings.hours} h"
        )
    if newest and newest.damaged:
        problems.append(f"in backup {newest.label} page checksums do not fit: the cluster itself is damaged")
    late = archive.behind()
    if late > WAL_SECONDS:
        problems.append(
            f"WAL has waited for {age(late)}: {len(archive.waiting())} segments are not in the repository"
        )
    if memory.get("failure"):
        problems.append(memory["failure"])
    if not jobs.present():
        problems.append("Redis's append-only file is not here: waiting jobs are not kept")
    drill = memory.get("drill")
    if drill and not drill["equal"]:
        problems.append(f"the drill of {moment(drill['at'])} found differences")
    return {
        "repository": settings.repository,
        "backups": len(found),
        "newest": newest.label if newest else None,
        "newest_at": newest.stop if newest else None,
        "age_seconds": now - newest.stop if newest else None,
        "oldest_at": found[0].stop if found else None,
        "database_bytes": newest.database_bytes if newest else None,
        "wal_waiting": len(archive.waiting()),
        "wal_behind_seconds": late,
        "jobs_at": copies[-1].moment if copies else None,
        "drill": drill,
        "kept_aside": restore.ASIDE.exists(),
        "problems": list(dict.fromkeys(problems)),
    }


def lines(status: dict[str, Any]) -> list[str]:
    """The same for people."""
    now = time.time()
    found = []
    if status["newest"]:
        found.append(
            f"last backup {age(status['age_seconds'])} ago ({status['newest']}, {size(status['database_bytes'])}); "
            f"{status['backups']} kept in {status['repository']}, since {moment(status['oldest_at'])}"
        )
    found.append(
        f"WAL: {status['wal_waiting']} segments wait, the oldest for {age(status['wal_behind_seconds'])}"
        if status["wal_waiting"]
        else "WAL: all stored"
    )
    found.append(f"jobs: copied {age(now - status['jobs_at'])} ago" if status["jobs_at"] else "jobs: no copy")
    found.append(drill_line(status["drill"], now))
    if status["kept_aside"]:
        found.append("kept aside: the cluster from before the last restore; `backup discard` removes it")
    return found + [f"PROBLEM {text}" for text in status["problems"]]


def drill_line(drill: dict[str, Any] | None, now: float) -> str:
    """What the last drill has shown."""
    if not drill:
        return "drill: none yet"
    verdict = "equal" if drill["equal"] else "DIFFERENT"
    return (
        f"drill: {age(now - drill['at'])} ago, {verdict}, RPO {drill['rpo']:.0f} s, RTO {drill['rto']:.0f} s"
    )


def metrics(status: dict[str, Any]) -> list[str]:
    """The same in Prometheus' text format, for a textfile collector."""
    drill = status["drill"] or {}
    values = {
        "last_backup_timestamp_seconds": status["newest_at"],
        "backups": status["backups"],
        "wal_behind_seconds": status["wal_behind_seconds"],
        "wal_waiting_segments": status["wal_waiting"],
        "jobs_copy_timestamp_seconds": status["jobs_at"],
        "problems": len(status["problems"]),
        "drill_timestamp_seconds": drill.get("at"),
        "drill_rpo_seconds": drill.get("rpo"),
        "drill_rto_seconds": drill.get("rto"),
        "drill_equal": int(drill["equal"]) if drill else None,
    }
    return [f"channels_stack_backup_{name} {value}" for name, value in values.items() if value is not None]


def show(settings: Settings, form: str) -> int:
    """Print it; 0 where all is well."""
    status = facts(settings)
    if form == "json":
        print(json.dumps(status))
    else:
        print("\n".join(metrics(status) if form == "prometheus" else lines(status)))
    return 1 if status["problems"] else 0
