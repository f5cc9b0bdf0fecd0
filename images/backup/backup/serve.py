"""The service: stores WAL as it comes, makes backups when they are due, copies waiting jobs when they changed."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable

from . import cluster, jobs, repository, work
from .archive import Archive
from .console import Busy, Failure, age, say, size
from .settings import Settings

POLL_SECONDS = 2
RETRY_SECONDS = 60
"""Until the next attempt after a failure."""

WAKE_SECONDS = 10
"""Between two checks whether the database has restarted."""

START_SECONDS = 30
"""How long WAL waits for a service that has just started."""


class Service:
    """What is due, and when it is tried again."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.refusal = "the service backup has not reached the repository yet"
        self.looked = threading.Event()
        self.pause: dict[str, float] = {}
        self.failures: dict[str, str] = {}
        self.jobs_seen, self.jobs_looked = "", 0.0
        self.due = 0.0
        self.woken, self.woken_at = "", 0.0

    def run(self) -> None:
        """Never return."""
        work.remember(failure="")
        Archive(self.ready).open()
        say(
            f"repository {self.settings.repository}, a backup every {self.settings.hours} h, kept {self.settings.keep_days} days"
        )
        while True:
            for name, step in (
                ("repository", self.open),
                ("database", self.wake),
                ("backup", self.backup),
                ("jobs", self.jobs),
            ):
                if time.monotonic() >= self.pause.get(name, 0):
                    self.attempt(name, step)
            time.sleep(POLL_SECONDS)

    def ready(self) -> str:
        """Why no WAL can be stored; both containers start together, so it waits for the first look at the repository."""
        self.looked.wait(START_SECONDS)
        return self.refusal

    def attempt(self, name: str, step: Callable[[], object]) -> None:
        """Do one step; a failure is logged once and remembered until the step succeeds."""
        try:
            step()
            text = ""
        except Busy:
            return  # no trouble of this step; the next look may find it free
        except Failure as failure:
            text = f"{name}: {failure}"
            self.pause[name] = time.monotonic() + RETRY_SECONDS
        except OSError as error:
            text = f"{name}: {error}"
            self.pause[name] = time.monotonic() + RETRY_SECONDS
        if text != self.failures.get(name, ""):
            say(text or f"{name}: well again")
            self.failures[name] = text
            work.remember(failure="; ".join(filter(None, self.failures.values())))

    def open(self) -> None:
        """Make the repository known to the cluster, once; until then WAL is refused with the reason."""
        user = self.settings.user
        if not self.refusal or not cluster.runs(user):
            return
        if not cluster.live(user, "postgres", "SELECT 1", check=False):
            return  # it is still starting
        try:
            # Where the repository knows this cluster there is nothing to create, and no lock to ask for: a backup that
            # is under way holds it, and itself waits for WAL that would be refused meanwhile.
            if not repository.knows(cluster.system()):
                repository.run("stanza-create")
            self.refusal = ""
        except Failure as failure:
            self.refusal = str(failure)
            raise
        finally:
            self.looked.set()

    def wake(self) -> None:
        """Let a database that has just started keep to its archive_timeout.

        PostgreSQL's checkpointer starts before the recovery has ended and then sleeps for a whole checkpoint_timeout
        (5 min) without a look at archive_timeout (checkpointer.c, CheckpointerMain); a checkpoint wakes it.
        """
        if time.monotonic() - self.woken_at < WAKE_SECONDS:
            return
        self.woken_at = time.monotonic()
        text = "SELECT pg_postmaster_start_time() WHERE NOT pg_is_in_recovery()"
        started = cluster.live(self.settings.user, "postgres", text, check=False)
        if started and started != self.woken:
            cluster.live(self.settings.user, "postgres", "CHECKPOINT")
            self.woken = started

    def backup(self) -> None:
        """Make a backup if one is due."""
        if self.refusal or time.time() < self.due or not cluster.runs(self.settings.user):
            return
        found = repository.backups()
        now = time.time()
        if found and now - found[-1].stop < self.settings.hours * 3600:
            self.due = found[-1].stop + self.settings.hours * 3600
            return
        make(self.settings, patience=0)

    def jobs(self) -> None:
        """Copy the waiting jobs if they changed since the last copy."""
        if (
            self.refusal
            or (time.monotonic() - self.jobs_looked < jobs.EVERY and self.jobs_looked)
            or not jobs.present()
        ):
            return
        seen = jobs.signature()
        if seen != self.jobs_seen:
            with work.alone("a copy of the waiting jobs", patience=0):
                jobs.store()
                jobs.expire(self.settings.keep_days)
        self.jobs_seen, self.jobs_looked = seen, time.monotonic()


def make(settings: Settings, *, full: bool = False, patience: float = work.PATIENCE) -> None:
    """Make a backup now, full if FULL or if the last full one is old enough; pgBackRest drops what is too old.

    Busy where other work does not end within PATIENCE seconds.
    """
    with work.alone("a backup", patience):
        begun = time.monotonic()
        fulls = [each for each in repository.backups() if each.kind == "full"]
        old = not fulls or time.time() - fulls[-1].stop > settings.full_days * 86400
        kind = "full" if full or old else "incr"
        repository.run(f"--type={kind}", "backup")
        newest = repository.backups()[-1]
    say(
        f"{kind} backup {newest.label}: {size(newest.database_bytes)}, of which {size(newest.repository_bytes)} stored, "
        f"in {age(time.monotonic() - begun)}"
    )
    if newest.damaged:
        raise Failure(f"in backup {newest.label} page checksums do not fit: the cluster itself is damaged")


def serve(settings: Settings) -> int:
    """Run until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    Service(settings).run()
    return 0
