"""The probes, answered before the application sees the request: /-/live, /-/ready and /-/metrics; and /-/leave (``leaving``).

The edge does not let /-/ through from outside. /-/ready answers 200 when the process can do its work, 404
while it drains (HAProxy's ``disable-on-404``), and 503 with the reasons when it cannot work.
"""

from __future__ import annotations

import asyncio
import json
import queue
import threading
import time
from collections.abc import Awaitable
from concurrent.futures import Future
from typing import Callable

from . import layers, leaving, metrics
from .asgi import App, Receive, Scope, Send
from .drain import Drain
from .refusals import refuse

PREFIX = "/-/"
CACHE_SECONDS = 0.5  # probing, however often, costs no more than two checks a second

Check = Callable[[float], Awaitable[None]]


class Probes:
    """Answers probes, and passes everything else to ``app``."""

    def __init__(self, app: App, drain: Drain, readiness: Readiness) -> None:
        self.app = app
        self.drain = drain
        self.readiness = readiness
        self.was_ready = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            await self._answer(scope, send)
        elif scope["type"] == "websocket" and scope["path"].startswith(PREFIX):
            await refuse(scope, send, 404, "There is no websocket at this path.")
        else:
            await self.app(scope, receive, send)

    async def _answer(self, scope: Scope, send: Send) -> None:
        if scope["path"] == leaving.PATH:
            await leaving.answer(self.drain, scope, send)
        elif scope["method"] not in ("GET", "HEAD"):
            await refuse(scope, send, 405, "Probes are read with GET.", [(b"allow", b"GET, HEAD")])
        elif scope["path"] == "/-/live":
            await refuse(scope, send, 200, "live")
        elif scope["path"] == "/-/ready":
            await self._answer_ready(scope, send)
        elif scope["path"] == "/-/metrics":
            await _answer_metrics(scope, send)
        else:
            await refuse(scope, send, 404, "There are /-/live, /-/ready and /-/metrics.")

    async def _answer_ready(self, scope: Scope, send: Send) -> None:
        if self.drain.draining:
            status, answer = 404, {"ready": False, "reasons": {"process": "draining"}}
        else:
            reasons = await self.readiness.reasons()
            self.was_ready = self.was_ready or not reasons
            status = 503 if reasons else 200
            answer = {"ready": not reasons, "reasons": reasons, "was_ready": self.was_ready}
        await refuse(scope, send, status, json.dumps(answer), kind="application/json")


class Readiness:
    """Runs ``checks`` together, each within ``limit`` seconds; askers within CACHE_SECONDS share one run."""

    def __init__(self, checks: dict[str, Check], limit: float) -> None:
        self.checks = checks
        self.limit = limit
        self._run: asyncio.Future[dict[str, str]] | None = None
        self._expires = 0.0

    async def reasons(self) -> dict[str, str]:
        """What is not ready, by name of the check; empty when all is well."""
        if self._run is None or (self._run.done() and time.monotonic() >= self._expires):
            self._run = asyncio.ensure_future(self._check_all())
        # One asker that leaves must not end the run of the others.
        return await asyncio.shield(self._run)

    async def _check_all(self) -> dict[str, str]:
        problems = await asyncio.gather(*(self._check(check) for check in self.checks.values()))
        self._expires = time.monotonic() + CACHE_SECONDS
        return {name: problem for name, problem in zip(self.checks, problems) if problem}

    async def _check(self, check: Check) -> str:
        try:
            await asyncio.wait_for(check(self.limit), self.limit)
        except asyncio.TimeoutError:
            return f"no answer within {self.limit:g} s"
        except Exception as error:
            return _first_line(error)
        return ""


def django_checks() -> dict[str, Check]:
    """The checks that the project's settings call for: its default channel layer, its default database."""
    from django.conf import settings

    checks: dict[str, Check] = {}
    if getattr(settings, "CHANNEL_LAYERS", {}).get("default"):
        checks["channel layer"] = _check_layer
    engine = settings.DATABASES.get("default", {}).get("ENGINE") or "django.db.backends.dummy"
    if engine != "django.db.backends.dummy":
        checks["database"] = DatabaseCheck()
    return checks


async def _check_layer(limit: float) -> None:
    await layers.round_trip(timeout=limit)


class DatabaseCheck:
    """``SELECT 1`` on the default database, in one thread of its own.

    A database that hangs holds this one thread and no more: the next check says so without another query. Nor does it
    hold up the end of the process, as a thread of a ThreadPoolExecutor would.
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._queries: queue.SimpleQueue[Future[None]] = queue.SimpleQueue()
        self._query: Future[None] | None = None

    async def __call__(self, limit: float) -> None:
        if self._query is not None and not self._query.done():
            raise TimeoutError(f"no answer within {limit:g} s")
        if self._thread is None:
            self._thread = threading.Thread(target=self._answer, name="database-check", daemon=True)
            self._thread.start()
        self._query = Future()
        self._query.set_running_or_notify_cancel()  # whoever has waited long enough does not end it
        self._queries.put(self._query)
        await asyncio.wrap_future(self._query)

    def _answer(self) -> None:
        while True:
            query = self._queries.get()
            try:
                _select_one()
            except BaseException as error:
                query.set_exception(error)
            else:
                query.set_result(None)


def _select_one() -> None:
    from django.db import connection

    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    finally:
        # As after a request of the application: kept or closed as CONN_MAX_AGE says, or back to its pool.
        connection.close_if_unusable_or_obsolete()


async def _answer_metrics(scope: Scope, send: Send) -> None:
    kind, body = metrics.render()
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__
