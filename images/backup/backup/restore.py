"""The restore: a backup and its WAL become the stack's cluster again, and the copy of the waiting jobs Redis's file.

Everything is proved before anything is touched: the cluster is restored alongside the present one, on the same volume,
recovered by PostgreSQL until it takes writes, and only then moved into the place of the other, which is kept aside.
A restore that was killed at any moment begins again with the same command.
"""

from __future__ import annotations

import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path

from . import archive, cluster, compare, jobs, repository
from .console import Failure, Refusal, age, moment, say, size
from .places import DATA, REDIS, SECRETS
from .settings import Settings

STAGE = DATA / ".restoring"
ASIDE = DATA / ".before-restore"
JOBS_STAGE, JOBS_ASIDE = REDIS / ".restoring", REDIS / ".before-restore"

SERVICES = {"http": 8000, "ws": 8000, "worker": 8000, "db": 5432, "redis": 6379}
"""Services that write, and the ports that show whether they run."""


def restore(
    settings: Settings, *, confirmed: bool, at: str = "", label: str = "", keep_jobs: bool = False
) -> int:
    """Restore the newest state, or that of the moment AT; from the backup LABEL instead of the best one."""
    target = parse(at) if at else None
    live = [name for name, port in SERVICES.items() if listens(name, port)]
    if cluster.runs(settings.user) and "db" not in live:
        live.append("db")
    entry = repository.information()
    backup = choose(repository.backups(entry), target, label)
    newest = repository.newest_wal(entry)
    if not keep_jobs and not REDIS.is_dir():
        raise Refusal(f"{REDIS} is not mounted")
    if not confirmed:
        state = moment(target) if target else "the newest there is"
        raise Refusal(
            f"this replaces the database by backup {backup.label} ({size(backup.database_bytes)}) and its WAL, state: {state}. "
            "If that is meant, confirm it: make restore CONFIRM=yes"
        )
    if live:
        raise Refusal(
            f"{', '.join(live)} still run and write: stop them first (make restore and restore.yml do so), only backup stays"
        )
    begun = time.monotonic()
    store_rest(settings)
    entry = repository.information()
    newest = repository.newest_wal(entry) or newest
    if (DATA / "PG_VERSION").exists():
        cluster.remove(ASIDE)
    cluster.remove(STAGE)
    cluster.room(DATA, backup.database_bytes)
    say(f"restoring backup {backup.label} of {moment(backup.stop)}, {size(backup.database_bytes)}")
    counted = recover(settings, backup, newest, target)
    move(STAGE, DATA, ASIDE)
    if not keep_jobs:
        restore_jobs(target)
    say(
        f"restored in {time.monotonic() - begun:.1f} s: {counted}; "
        f"what was there before is kept in {ASIDE}: `backup discard` removes it"
    )
    return 0


def recover(settings: Settings, backup: repository.Backup, newest: str, target: float | None) -> str:
    """Make the cluster whole in STAGE; say what it holds."""
    try:
        cluster.restore(STAGE, backup, newest)
        aim = ("recovery_target_time", moment(target)) if target else None
        with cluster.Server(STAGE, settings.user, target=aim, kept=True) as server:
            server.promoted()
            if not target and cluster.last() < newest:
                raise Failure(
                    f"the recovery ended at WAL segment {cluster.last()}, but {newest} is in the repository: "
                    "something in between is lost"
                )
            password(server, settings.user)
            count, rows = compare.tables(compare.restored(server.sockets, settings.user))
    except BaseException:
        cluster.remove(STAGE)
        raise
    # The server removed it at its promotion; without it the next start is an ordinary one.
    assert not (STAGE / "recovery.signal").exists()
    return f"{count} tables, {rows} rows"


def password(server: cluster.Server, user: str) -> None:
    """Let the superuser's password be the one in this deployment's secrets, which may be newer than the backup."""
    given = (SECRETS / "db_password").read_text().rstrip("\r\n").replace("'", "''")
    name = user.replace('"', '""')
    cluster.query(
        server.sockets,
        user,
        "postgres",
        f"SET log_statement = 'none'; SET standard_conforming_strings = on; ALTER ROLE \"{name}\" PASSWORD '{given}'",
    )


def parse(text: str) -> float:
    """The moment TEXT in unix seconds; without an offset it is UTC."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Refusal(f"{text!r} is no moment; write for example 2026-03-31T17:05:00+00:00") from None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    if found.timestamp() > time.time():
        raise Refusal(f"{text} has not come yet; now it is {moment(time.time())}")
    return found.timestamp()


def choose(found: list[repository.Backup], target: float | None, label: str) -> repository.Backup:
    """The backup to begin from: LABEL, or the newest that ended before the moment TARGET."""
    if not found:
        raise Failure("the repository holds no backup")
    if label:
        found = [each for each in found if each.label == label]
        if not found:
            raise Refusal(f"there is no backup {label}; `backup list` shows what there is")
    fitting = [each for each in found if target is None or each.stop <= target]
    if not fitting:
        raise Refusal(
            f"{moment(target or 0)} is before the end of the oldest backup that may serve, {moment(found[0].stop)}"
        )
    return fitting[-1]


def listens(name: str, port: int) -> bool:
    """Whether the service NAME of the stack runs: it answers, or refuses, under its own name."""
    try:
        addresses = socket.getaddrinfo(name, port, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return False
    for *_, address in addresses:
        with socket.socket() as connection:
            connection.settimeout(2)
            try:
                connection.connect(address)
            except ConnectionRefusedError:
                return True  # a container is there, though not yet ready
            except OSError:
                continue
            return True
    return False


def store_rest(settings: Settings) -> None:
    """Put what the present cluster has not handed over yet into the repository, if it is of the same cluster."""
    if not archive.waiting() or not (DATA / "PG_VERSION").exists():
        return
    for name in archive.waiting():
        try:
            archive.push(name)
        except Failure as failure:
            say(
                f"{len(archive.waiting())} last WAL segments of the present cluster are not in the repository: {failure}"
            )
            return
        (DATA / "pg_wal/archive_status" / f"{name}.ready").rename(
            DATA / "pg_wal/archive_status" / f"{name}.done"
        )


def move(stage: Path, place: Path, aside: Path) -> None:
    """Let what is in STAGE take the place of what is in PLACE, which goes ASIDE; both are folders inside PLACE.

    PG_VERSION goes first and comes last: in between, db refuses to start.
    """
    aside.mkdir(mode=0o700, exist_ok=True)
    for path in marked(place, first=True):
        if path not in (stage, aside) and path.name != "lost+found":
            # What is aside already is the former cluster's: the other is half of a restore that was killed.
            if (aside / path.name).exists():
                cluster.remove(path)
            else:
                path.rename(aside / path.name)
        if path.name == "PG_VERSION":
            settle(aside, place)
    for name in (stage.name, aside.name):
        cluster.remove(stage / name)
    for path in marked(stage, first=False):
        if path.name == "PG_VERSION":
            settle(aside, place)
        path.rename(place / path.name)
    settle(place)
    cluster.remove(stage)


def settle(*files: Path) -> None:
    """Let FILES, and moves into and out of folders among them, outlive a power cut.

    What the cluster's files hold was made durable by pgBackRest and PostgreSQL; os.sync() waits for the whole machine.
    """
    for file in files:
        opened = os.open(file, os.O_RDONLY)
        os.fsync(opened)
        os.close(opened)


def marked(folder: Path, *, first: bool) -> list[Path]:
    """The entries of FOLDER, with PG_VERSION at the beginning or the end."""
    return sorted(folder.iterdir(), key=lambda path: (path.name == "PG_VERSION") != first)


def restore_jobs(target: float | None) -> None:
    """Give Redis the newest copy of the waiting jobs, or the last one before TARGET."""
    copies = [each for each in jobs.copies() if target is None or each.moment <= target]
    if not copies:
        say("waiting jobs: there is no copy of that time; what Redis has stays")
        return
    jobs.fetch(copies[-1], JOBS_STAGE / jobs.FOLDER.name)
    cluster.remove(JOBS_ASIDE)
    JOBS_ASIDE.mkdir(mode=0o700)
    if jobs.FOLDER.exists():
        jobs.FOLDER.rename(JOBS_ASIDE / jobs.FOLDER.name)
    settle(JOBS_STAGE, *JOBS_STAGE.rglob("*"))
    (JOBS_STAGE / jobs.FOLDER.name).rename(jobs.FOLDER)
    settle(REDIS, JOBS_ASIDE)
    cluster.remove(JOBS_STAGE)
    say(f"waiting jobs: those of {moment(copies[-1].moment)} ({age(time.time() - copies[-1].moment)} old)")


def discard() -> int:
    """Remove what a restore has kept aside."""
    for folder in (ASIDE, JOBS_ASIDE):
        cluster.remove(folder)
    return 0
