"""The drill: the newest backup is restored alongside the running stack and compared with it, table by table.

The running cluster is marked at one moment (compare.Cut). What was written up to then has to reach the repository by
itself, as it would if the machine were lost a little later: the seconds until it has are the RPO. Then the newest
backup and its WAL up to the mark become a cluster of their own in scratch space: the seconds until that answers are the
RTO. Both clusters must hold the same. The running one is read once and otherwise left alone.
"""

from __future__ import annotations

import threading
import time

from . import archive, cluster, compare, jobs, repository, work
from .console import Failure, age, moment, say, size
from .places import WORK
from .settings import Settings

SLACK = 120
"""Seconds beyond BACKUP_WAL_SECONDS that WAL may take into the repository."""

CLUSTER = WORK / "drill"


def drill(settings: Settings) -> int:
    """Do it; 0 where all is equal, 1 where something differs. Failure where it could not be done."""
    if not cluster.runs(settings.user):
        raise Failure("the database does not run: a drill compares with it; `make up`")
    found = repository.backups()
    if not found:
        raise Failure("there is no backup yet: `backup now` makes one")
    backup = found[-1]
    cluster.room(WORK, backup.database_bytes)
    name = f"drill-{int(time.time())}"
    cut = compare.Cut(settings.user, name)
    marked = time.monotonic()
    say(f"the moment to restore is marked ({cut.segment}); waiting until it is in the repository by itself")
    arrival: list[float] = []
    waiter = threading.Thread(target=arrived, args=(settings, cut.segment, arrival), daemon=True)
    waiter.start()
    try:
        running = cut.state()
    finally:
        cut.close()
    waiter.join()
    if not arrival:
        raise Failure(
            f"what was written did not reach the repository within {settings.wal_seconds + SLACK} s; `backup status` says why"
        )
    rpo = arrival[0] - marked
    begun = time.monotonic()
    newest = repository.newest_wal(repository.information())
    try:
        cluster.restore(CLUSTER, backup, newest)
        files = time.monotonic() - begun
        with cluster.Server(CLUSTER, settings.user, target=("recovery_target_name", name)) as server:
            server.promoted()
            rto = time.monotonic() - begun
            restored = compare.restored(server.sockets, settings.user)
    finally:
        cluster.remove(CLUSTER)
    lines = compare.differences(running, restored)
    count, rows = compare.tables(restored)
    for line in lines:
        say(f"DIFFERENT {line}")
    jobs = jobs_line()
    say(jobs)
    verdict = f"{len(lines)} things differ" if lines else "all equal"
    say(
        f"backup {backup.label} of {moment(backup.stop)}, {size(backup.database_bytes)}: {count} tables, {rows} rows, {verdict}"
    )
    say(
        f"RPO {rpo:.1f} s (until what was written was safe), RTO {rto:.1f} s (files {files:.1f} s, WAL {rto - files:.1f} s)"
    )
    work.remember(
        drill={
            "at": time.time(),
            "equal": not lines,
            "rpo": rpo,
            "rto": rto,
            "bytes": backup.database_bytes,
            "rows": rows,
        }
    )
    return 1 if lines else 0


def arrived(settings: Settings, segment: str, arrival: list[float]) -> None:
    """Note the moment at which PostgreSQL knows that SEGMENT is stored; nothing is noted where it takes too long."""
    end = time.monotonic() + settings.wal_seconds + SLACK
    while time.monotonic() < end:
        text = cluster.live(
            settings.user,
            "postgres",
            "SELECT coalesce(last_archived_wal, '') FROM pg_stat_archiver",
            check=False,
        )
        if archive.NAME.fullmatch(text) and text[:24] >= segment:
            arrival.append(time.monotonic())
            return
        time.sleep(0.2)


def jobs_line() -> str:
    """Unpack the newest copy of the waiting jobs, and say so."""
    copies = jobs.copies()
    if not copies:
        return "waiting jobs: no copy"
    jobs.fetch(copies[-1], WORK / "drill-jobs")
    jobs.clean(WORK / "drill-jobs")
    return f"waiting jobs: the copy of {moment(copies[-1].moment)} ({age(time.time() - copies[-1].moment)} old) is whole"
