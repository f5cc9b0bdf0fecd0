"""The probes, answered before the application sees the request: /-/live, /-/ready, /-/metrics, /-/paths.

/-/leave (``lifecycle.edge_drain``) is answered here too.

The edge does not let /-/ through from outside. /-/ready answers 200 when the process can do its work, 404
while it drains (HAProxy's ``disable-on-404``), and 503 with the reasons when it cannot work. "was_ready" says whether
it ever could, and is not set while it drains: when no process is ready, the edge sends pages to those that were (it looks
for the text). "warnings" are what an operator should
know and what keeps nothing from working.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import queue
import re
import socket
import threading
import time
from collections.abc import Awaitable
from concurrent.futures import Future
from typing import Any, Callable

from asgiref.sync import sync_to_async

from ..asgi.responses import respond
from ..asgi.types import App, Receive, Scope, Send
from ..layers import config
from ..lifecycle import edge_drain
from ..lifecycle.drain import Drain
from ..observability import metrics
from ..project import paths

PREFIX = "/-/"
HANG_SECONDS = 10
CHECK_NAME = "channels-stack-ready"
# What a database says, and PgBouncer, to one connection more than it takes: nothing of it is broken.
FULL = re.compile(
    r"too many (clients|connections)|connection slots are reserved|no more connections", re.IGNORECASE
)
CACHE_SECONDS = 0.5  # probing, however often, costs no more than two checks a second

Check = Callable[[float], Awaitable[None]]

log = logging.getLogger("channels_stack.probes")


class Probes:
    """Answers probes, and passes everything else to ``app``. ``describe`` gives what /-/paths answers."""

    def __init__(
        self,
        app: App,
        drain: Drain,
        readiness: Readiness,
        describe: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        self.app = app
        self.describe = describe
        self.drain = drain
        self.readiness = readiness
        self.was_ready = False

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            return self._answer(scope, send)
        if scope["type"] == "websocket" and scope["path"].startswith(PREFIX):
            return respond(scope, send, 404, "There is no websocket at this path.")
        return self.app(scope, receive, send)

    async def _answer(self, scope: Scope, send: Send) -> None:
        if scope["path"] == edge_drain.PATH:
            await edge_drain.answer(self.drain, scope, send)
        elif scope["method"] not in ("GET", "HEAD"):
            await respond(scope, send, 405, "Probes are read with GET.", [(b"allow", b"GET, HEAD")])
        elif scope["path"] == "/-/live":
            await respond(scope, send, 200, "live")
        elif scope["path"] == "/-/ready":
            await self._answer_ready(scope, send)
        elif scope["path"] == "/-/metrics":
            await _answer_metrics(scope, send)
        elif scope["path"] == paths.PATH:
            described = await sync_to_async(self.describe, thread_sensitive=False)()
            await respond(scope, send, 200, json.dumps(described), kind="application/json")
        else:
            await respond(scope, send, 404, "There are /-/live, /-/ready, /-/metrics and /-/paths.")

    async def _answer_ready(self, scope: Scope, send: Send) -> None:
        if self.drain.ends_the_container:
            status, answer = 404, {"ready": False, "reasons": {"process": "draining"}, "warnings": {}}
        else:
            reasons = await self.readiness.reasons()
            self.was_ready = self.was_ready or not reasons
            status = 503 if reasons else 200
            answer = {
                "ready": not reasons,
                "reasons": reasons,
                "warnings": self.readiness.warnings,
                "was_ready": self.was_ready,
            }
        await respond(scope, send, status, json.dumps(answer), kind="application/json")


class Readiness:
    """Runs ``checks`` together, each within ``limit`` seconds; askers within CACHE_SECONDS share one run.

    ``concerns`` give a text, or an empty one, for what is to be known and keeps nothing from working.
    """

    def __init__(
        self, checks: dict[str, Check], limit: float, concerns: dict[str, Callable[[], str]] | None = None
    ) -> None:
        self.checks = checks
        self.limit = limit
        self.concerns = concerns or {}
        self.warnings: dict[str, str] = {}  # of the last run
        self._reasons: dict[str, str] = {}
        self._run: asyncio.Future[dict[str, str]] | None = None
        self._expires = 0.0

    @property
    def troubles(self) -> dict[str, str]:
        """What the last run has found, by name of the check: reasons not to be ready, and warnings."""
        return {**self.warnings, **self._reasons}

    async def reasons(self) -> dict[str, str]:
        """What is not ready, by name of the check; empty when all is well."""
        if self._run is None or (self._run.done() and time.monotonic() >= self._expires):
            self._run = asyncio.ensure_future(self._check_all())
        # One asker that leaves must not end the run of the others.
        return await asyncio.shield(self._run)

    async def _check_all(self) -> dict[str, str]:
        problems = await asyncio.gather(*(self._check(check) for check in self.checks.values()))
        self._expires = time.monotonic() + CACHE_SECONDS
        reasons = {name: problem for name, problem in zip(self.checks, problems) if problem}
        concerns = {name: concern() for name, concern in self.concerns.items()}
        self._say(reasons)
        self._reasons = reasons
        self.warnings = {name: text for name, text in concerns.items() if text and name not in reasons}
        metrics.checked({name: name in self.troubles for name in (*self.checks, *self.concerns)})
        return reasons

    def _say(self, reasons: dict[str, str]) -> None:
        """A line when the process is no longer ready, or for another reason, and when it is ready again."""
        if reasons.keys() != self._reasons.keys():
            line = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
            log.warning(*("not ready: %s", line) if line else ("ready again",))

    async def _check(self, check: Check) -> str:
        try:
            await asyncio.wait_for(check(self.limit), self.limit)
        except asyncio.TimeoutError:
            return f"no answer within {self.limit:g} s"
        except Exception as error:
            return _first_line(error)
        return ""


async def check_layer(limit: float) -> None:
    """The check that the default channel layer takes a message and gives it back."""
    await config.round_trip(timeout=limit)


class DatabaseCheck:
    """The check that the default database answers, on a connection of its own, in one thread of its own.

    The connection is kept, outside the project's pool and whatever CONN_MAX_AGE says: that the project's requests have
    taken all that there are is no reason to send none to this process. A database that hangs holds this one thread and no
    more: the next check says so without another query, and after HANG_SECONDS the connection is cut, because another
    server may have taken over at the same name. Nor does the thread hold up the end of the process, as one of a
    ThreadPoolExecutor would.
    """

    def __init__(self) -> None:
        self._connection: Any = None
        self._thread: threading.Thread | None = None
        self._queries: queue.SimpleQueue[tuple[Callable[[], None], Future[None]]] = queue.SimpleQueue()
        self._query: Future[None] | None = None
        self._asked = 0.0

    async def __call__(self, limit: float) -> None:
        if self._query is not None and not self._query.done():
            if time.monotonic() - self._asked > HANG_SECONDS:
                self._cut()
            raise TimeoutError(f"no answer within {limit:g} s")
        await asyncio.wrap_future(self._do(self._ask))

    async def close(self) -> None:
        """Close the connection, unless it hangs."""
        if self._query is not None and self._query.done():
            await asyncio.wrap_future(self._do(self._close))

    def _do(self, step: Callable[[], None]) -> Future[None]:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="database-check", daemon=True)
            self._thread.start()
        self._query, self._asked = Future(), time.monotonic()
        self._query.set_running_or_notify_cancel()  # whoever has waited long enough does not end it
        self._queries.put((step, self._query))
        return self._query

    def _work(self) -> None:
        while True:
            step, query = self._queries.get()
            try:
                step()
            except BaseException as error:
                query.set_exception(error)
            else:
                query.set_result(None)

    def _ask(self) -> None:
        if self._connection is None:
            self._connection = _own_connection()
        if self._connection.connection is not None and self._connection.is_usable():
            return
        self._close()
        try:
            self._connection.connect()
        except Exception as error:
            if not FULL.search(str(error)):
                raise
            log.warning(
                "the database answers, but has no connection left for this check: %s", _first_line(error)
            )

    def _close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(Exception):  # it may be lost
                self._connection.close()

    def _cut(self) -> None:
        """Let the query fail that the thread waits for: most drivers give the socket's number."""
        with (
            contextlib.suppress(Exception),
            socket.socket(fileno=self._connection.connection.fileno()) as link,
        ):
            try:
                link.shutdown(socket.SHUT_RDWR)
            finally:
                link.detach()  # it is the driver's to close


def _own_connection() -> Any:
    """A connection to the default database that is none of the project's: no pool, no transaction left open."""
    from django.db import connection

    own = connection.copy()
    own.settings_dict["OPTIONS"].pop("pool", None)
    own.settings_dict["AUTOCOMMIT"] = True
    if own.vendor == "postgresql":
        own.settings_dict["OPTIONS"]["application_name"] = CHECK_NAME  # as pg_stat_activity shows it
    return own


async def _answer_metrics(scope: Scope, send: Send) -> None:
    kind, body = await metrics.arender()
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__
