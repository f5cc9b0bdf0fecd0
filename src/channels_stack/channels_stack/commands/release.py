"""`channels-stack release`: what has to be done once before a new release may start.

Checks, migrations, static files, then APP_RELEASE_COMMANDS; each step is one log line with its duration.
Migrations run under an advisory lock of PostgreSQL, so releases that start together wait for each other. The
first step that fails ends the release with exit code 1 and one line that says what is wrong; nothing after
it is done.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import os
import re
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from importlib.util import find_spec
from typing import Any

from ..config.environment import ConfigurationError
from ..config.settings import Settings
from ..layers.config import unmade
from ..project import clients, dispatch, elsewhere, loading, migrating, shared_state
from . import worker

DATABASE_WAIT_SECONDS = 30
CONNECT_TIMEOUT_SECONDS = 3
RETRY_SECONDS = 1
LASTING = (
    "certificate verify failed",
    "does not match host name",
    "root certificate file",
    "SSL was required",
    "invalid connection option",
    "definition of service",
    "authentication failed",
    "no password supplied",
    "pg_hba.conf",
)
"""What libpq says of a server that it must not trust (fe-secure-openssl.c, fe-secure-common.c), and a server of a client that it
does not know (auth.c): no wait changes that."""
LOCK_WAIT_SECONDS = 300
LOCK_TELL_SECONDS = 5
# Any number will do, as long as every release of every version takes the same: "channels" in ASCII.
LOCK_KEY = int.from_bytes(b"channels", "big")

log = logging.getLogger("channels_stack.release")


class ReleaseError(Exception):
    """A step failed; the text is the one line that the operator reads."""


def main(
    settings: Settings, programs: Sequence[str] = (), database_wait_seconds: float = DATABASE_WAIT_SECONDS
) -> int:
    """Do all steps; the exit code.

    Raises ConfigurationError when the project cannot be imported, or lacks a consumer or one of PROGRAMS (which
    APP_COMMANDS start).
    """
    loading.setup_django(settings, "release")
    start = time.perf_counter()
    tell_overrides(settings)
    app = loading.load(settings)
    loading.load_urls()
    if dispatch.add_pages(app):
        log.info(
            "release: %s routes no http: pages are served by Django's own get_asgi_application()",
            settings.app_asgi,
        )
    if not dispatch.routes_websockets(app):
        log.info(
            "release: %s routes no websockets: WS_REPLICAS=0 spares the processes that wait for them",
            settings.app_asgi,
        )
    # Reported here, because by the time that a service refuses to start a rolling update has begun.
    from .. import overlay

    problems: list[Any] = [*missing(programs), *shared_state.problems(vars(overlay))]
    if settings.app_worker_channels:
        problems += worker.channel_problems(app, settings.app_worker_channels)
    problems += asyncio.run(unmade_layers())
    if problems:
        raise ConfigurationError(problems)
    try:
        _step("checks", lambda: check(settings))
        tell_clients(settings)
        _step("database", lambda: wait_for_database(database_wait_seconds))
        _step("migrations", migrate)
        _step("static files", collect_static)
        for command in settings.app_release_commands:
            _step(command, lambda command=command: run_command(command))  # type: ignore[misc]
    except ReleaseError as error:
        log.error("release failed: %s", error)
        return 1
    except KeyboardInterrupt:
        log.error("release failed: interrupted")
        return 1
    log.info("release: done in %.1f s", time.perf_counter() - start)
    return 0


def missing(programs: Sequence[str]) -> list[str]:
    """One line for each of PROGRAMS that the image lacks."""
    return [
        f"APP_COMMANDS starts {program!r}, which the image lacks: spell it as in a shell, "
        "or add the package that brings it to the application's requirements"
        for program in programs
        if not shutil.which(program)
    ]


async def unmade_layers() -> list[str]:
    """One line for each channel layer whose class rejects its CONFIG; some want a running event loop when they are made."""
    if find_spec("channels") is None:
        return []
    from channels.layers import channel_layers

    lines = []
    for alias in channel_layers.configs:
        try:
            channel_layers.make_backend(alias)
        except Exception as error:
            lines.append(unmade(alias, error))
    return lines


def _step(name: str, act: Callable[[], str]) -> None:
    start = time.perf_counter()
    result = act()
    log.info("release: %s: %s (%.1f s)", name, result, time.perf_counter() - start)


def tell_overrides(settings: Settings) -> None:
    """Say once what the overlay has set over the project's settings, and what it had to leave as it is.

    And what the build of the image had to say of the project's packages.
    """
    from .. import overlay
    from ..middleware import media
    from ..project import parts

    with contextlib.suppress(FileNotFoundError), open(os.path.join(sys.prefix, "notices.txt")) as file:
        for line in file:
            log.warning("release: %s", line.strip())
    for override in overlay.overrides:
        log.info("release: overlay: %s", override)
    uploads = media.public_url(settings)
    if uploads:
        log.info(
            "release: uploads: files below %s are public, unless a view of the project answers there; "
            "APP_OVERLAY=-media serves none",
            uploads,
        )
    for risk in parts.risks(vars(overlay)):
        log.warning("release: %s", risk)


def tell_clients(settings: Settings) -> None:
    """Say which clients of Redis look for it at a wrong place: settings, and modules, which the checks have imported by now."""
    from .. import overlay

    if settings.app_redis_url and "redis" not in settings.app_overlay:
        return  # they stay where they look
    for line in elsewhere.reached(vars(overlay)):
        log.info("release: %s", line)
    for reached, line in clients.lines():
        log.log(logging.INFO if reached else logging.WARNING, "release: %s", line)


EDGES = ("security.W004", "security.W008")
"""Django's advice about HSTS and the redirect to HTTPS, which the edge does for every project."""


def check(settings: Settings) -> str:
    """Django's system checks with those for deployment, then the doctor's rules; each finding is reported once.

    Errors end the release. Those that are advice do so only where APP_CHECKS says `enforce`: what Django says of a
    deployment, and what the doctor reads in the sources, may be wrong about a project that works.
    """
    from django.apps import apps
    from django.core import checks

    from ..doctor import deployed

    edge = EDGES if "proxy" in settings.app_overlay else ()
    found = _heard(checks.run_checks(include_deployment_checks=True), edge)
    advice = _heard(
        (
            message
            for each in checks.registry.registry.deployment_checks
            if each.__module__.startswith("django.")
            for message in each(app_configs=None)
        ),
        edge,
    )
    # A project that has the doctor among its apps has asked Django for the same rules.
    read = [] if apps.is_installed("channels_stack.doctor") else _heard(deployed.messages(settings))
    for message in (*found, *read):
        level = logging.ERROR if message.is_serious() else logging.WARNING
        log.log(level, "release: check %s", _one_line(str(message)))
    errors = [each for each in found if each.is_serious() and each not in advice]
    doubtful = [each for each in (*advice, *read) if each.is_serious()]
    if settings.app_checks == "enforce":
        errors += doubtful
    if errors:
        raise ReleaseError(f"checks: {len(errors)} errors in the project, see the lines above")
    summary = f"no errors, {sum(not each.is_serious() for each in (*found, *read))} warnings"
    if doubtful:
        summary += f", {len(doubtful)} errors of advice (APP_CHECKS=enforce ends a release for them)"
    return summary


def _heard(messages: Iterable[Any], moot: Container[str] = ()) -> list[Any]:
    """The check messages that neither SILENCED_SYSTEM_CHECKS nor MOOT names."""
    return [message for message in messages if not message.is_silenced() and message.id not in moot]


def wait_for_database(seconds: float) -> str:
    """Connect to the default database, trying for ``seconds``: it may be starting together with us.

    Not where its certificate is refused, or our password.
    """
    from django.core.exceptions import ImproperlyConfigured
    from django.db import Error, connection

    address = _address(connection)
    if connection.vendor == "sqlite" and (wrong := migrating.read_only(connection.settings_dict)):
        raise ReleaseError(f"database {address}: {wrong}")
    _prepare(connection)
    deadline = time.monotonic() + seconds
    attempt = 1
    while True:
        try:
            connection.ensure_connection()
            return f"{address} answers"
        except ImproperlyConfigured as error:
            raise ReleaseError(f"database: {_one_line(str(error))}") from None
        except Error as error:
            cause = _masked(_one_line(str(error)), connection)
        if any(words in cause for words in LASTING):
            raise ReleaseError(f"database {address}: {cause}{_way_out(cause)}")
        left = deadline - time.monotonic()
        if left <= 0:
            raise ReleaseError(f"database {address}: not reached within {seconds:g} s: {cause}")
        log.warning("release: waiting for %s (attempt %d, %.0f s left): %s", address, attempt, left, cause)
        attempt += 1
        time.sleep(min(RETRY_SECONDS, left))


def _way_out(cause: str) -> str:
    if "SSL was required" in cause:
        return "; ?sslmode=prefer in DATABASE_URL takes a server without TLS"
    if "invalid connection option" in cause:
        return "; parameters of DATABASE_URL are those of libpq and Django's own"
    if "authentication failed" in cause or "no password" in cause:
        return "; DATABASE_URL has to have the user and password that this database was made with"
    return ""


def migrate() -> str:
    """Apply all migrations, alone."""
    from django.db import connection

    lines = _Lines("migrate")
    with migration_lock(connection):
        try:
            _call("migrate", interactive=False, verbosity=1, no_color=True, stdout=lines, stderr=lines)
        except ReleaseError:
            raise
        except Exception as error:
            why = _masked(migrating.failed(lines.begun, error), connection)
            raise ReleaseError(f"migrations: {why}{migrating.exchanged()}") from error
    return "applied"


@contextlib.contextmanager
def migration_lock(connection: Any, wait_seconds: float = LOCK_WAIT_SECONDS) -> Iterator[None]:
    """Hold the lock of releases on the database of ``connection``; on anything but PostgreSQL there is none.

    Raises ReleaseError when another release still holds it after ``wait_seconds``.
    """
    from django.db import Error

    if connection.vendor != "postgresql":
        log.info("release: %s has no advisory lock: do not start two releases at once", connection.vendor)
        yield
        return
    # A connection of its own: a migration may close the one it runs in. And a transaction, not the session, has the lock: a
    # pooler (PgBouncer, psycopg's) would keep the session, and with it a lock that is never released.
    holder = connection.copy()
    try:
        holder.set_autocommit(False)
        _take_lock(holder, wait_seconds)
        yield
    finally:
        if holder.connection is not None:
            with contextlib.suppress(Error):  # a session that is gone has no lock
                holder.rollback()
        holder.close()


def _take_lock(connection: Any, wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    reported_at = float("-inf")
    with connection.cursor() as cursor:
        # Whatever the project has set: no snapshot that CREATE INDEX CONCURRENTLY waits for, and no end while migrations run.
        cursor.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        while True:
            # Asked again and again, instead of one call that blocks, so that the wait can be reported and
            # interrupted.
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK_KEY])
            if cursor.fetchone()[0]:
                return
            left = deadline - time.monotonic()
            if left <= 0:
                held = f"another release has held the lock for {wait_seconds:g} s"
                raise ReleaseError(f"migrations: {held}: end it, then start again")
            if time.monotonic() - reported_at >= LOCK_TELL_SECONDS:
                log.warning("release: another release is migrating, waiting for it (%.0f s left)", left)
                reported_at = time.monotonic()
            time.sleep(min(RETRY_SECONDS, left))


def collect_static() -> str:
    """Copy static files to STATIC_ROOT. What is there stays: pages of the old release still ask for it."""
    from django.conf import settings

    if "django.contrib.staticfiles" not in settings.INSTALLED_APPS:
        return "none, django.contrib.staticfiles is not installed"
    output = io.StringIO()
    _call("collectstatic", interactive=False, clear=False, verbosity=1, no_color=True, stdout=output)
    return _one_line(output.getvalue()) or "collected"


def run_command(line: str) -> str:
    """Run one command of manage.py, written as in a shell."""
    name, *arguments = shlex.split(line)
    from django.core.management import get_commands

    if name not in get_commands():
        raise ReleaseError(f"{name}: the project has no such command; APP_RELEASE_COMMANDS names it")
    _call(name, *arguments, stdout=_Lines(name), stderr=_Lines(name))
    return "done"


def _call(name: str, *arguments: str, **options: Any) -> None:
    """``call_command`` whose expected failures are a ReleaseError; a bug in the command has a traceback."""
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import CommandError, call_command

    try:
        call_command(name, *arguments, **options)
    except (CommandError, ImproperlyConfigured, OSError) as error:
        whose = _whose(error.filename) if isinstance(error, OSError) and error.filename else ""
        raise ReleaseError(f"{name}: {_one_line(str(error))}{whose}") from error
    except SystemExit as error:
        if error.code:
            raise ReleaseError(f"{name}: exit code {error.code}") from error


def _whose(path: str) -> str:
    """Who may write at ``path``, and who we are: a volume of the wrong owner is reported."""
    while not os.path.exists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return f" (as uid {os.getuid()}; {path} belongs to uid {os.stat(path).st_uid})"


class _Lines(io.TextIOBase):
    """A stream for a command's output: each line becomes a line of our log."""

    def __init__(self, name: str) -> None:
        self.name_of_command, self.begun = name, ""

    def write(self, text: str) -> int:
        # Commands end a line in pieces: "Applying rooms.0001_initial..." and, when it is done, " OK".
        *lines, self.begun = (self.begun + text).split("\n")
        for line in lines:
            if line.strip():
                log.info("release: %s: %s", self.name_of_command, line.strip())
        return len(text)


def _prepare(connection: Any) -> None:
    """Make connections of this process fail soon, and be plain ones: a lock and a pool do not go together."""
    if connection.vendor == "postgresql":
        options = connection.settings_dict.setdefault("OPTIONS", {})
        options.setdefault("connect_timeout", CONNECT_TIMEOUT_SECONDS)
        options.pop("pool", None)


def _address(connection: Any) -> str:
    database = connection.settings_dict
    if not database.get("HOST"):
        return f"{connection.vendor} {database.get('NAME')}"
    return f"{database['HOST']}:{database.get('PORT') or 5432}"


def _masked(text: str, connection: Any) -> str:
    password = connection.settings_dict.get("PASSWORD")
    return text.replace(password, "***") if password else text


def _one_line(text: str) -> str:
    return re.sub(r"\s*\n\s*", "; ", text.strip())
