"""One form of log for everything in the container: our code, Django, uvicorn, gunicorn, Daphne, the worker.

Each line is one JSON object: timestamp (ISO 8601, UTC), level, logger, message, service, request_id or
connection_id, exception, and what the caller gave as ``extra``. LOG_FORMAT=text writes the same for people.

Django configures logging during ``django.setup()``: first its own defaults, then the project's LOGGING,
which may switch existing loggers off and print to the console in a form of its own. Unknown projects cannot
be asked to change theirs, and LOGGING_CONFIG = None would also lose their files, mail and Sentry handlers.
So ``configure`` is called twice, before ``django.setup()`` (errors of the start are logged in our form) and
after it, when it takes the console handlers away and leaves every other handler, level and filter as the
project wants them.
"""

from __future__ import annotations

import functools
import logging
import re
import sys
import threading
import time
import uuid
from collections.abc import Awaitable
from contextvars import ContextVar
from datetime import datetime, timezone
from logging.handlers import QueueHandler
from typing import Any, Callable, TextIO

try:
    from pythonjsonlogger.json import JsonFormatter
except ImportError:  # 2, which many a project keeps
    from pythonjsonlogger.jsonlogger import JsonFormatter  # type: ignore[attr-defined,no-redef,unused-ignore]

from ..asgi.types import App, Message, Receive, Scope, Send
from ..config.settings import Settings
from ..stores import outage
from . import disclosure, terminal
from .metrics import LOG_ERRORS, OverCapacity, method_label
from .sink import Sink

# Loggers that a server or Django gives handlers of their own: they write through ours instead.
SERVER_LOGGERS = (
    "uvicorn",
    "uvicorn.error",
    "uvicorn.access",
    "gunicorn.error",
    "gunicorn.access",
    "daphne",
    "django",
    "django.server",
)
# Their access lines have neither duration nor request id; `access` writes the one line for each request.
SILENT = ("uvicorn.access", "gunicorn.access", "django.server", "daphne.access")
# What the edge makes. Anything else that is offered as an id could forge log lines or fill them.
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")

ANSWERING = ("dead", "migrations")

request_id: ContextVar[str] = ContextVar("request_id", default="")
connection_id: ContextVar[str] = ContextVar("connection_id", default="")

more_fields: Callable[[logging.LogRecord], None] | None = None
"""Adds to a record what it is to show in addition."""

_sink = Sink(1)

access_log = logging.getLogger("channels_stack.access")


def configure(settings: Settings, service: str) -> None:
    """Send every log line of this process to standard output in one form. May be called again at any time.

    A command whose standard output is its answer has them on standard error.
    """
    _sink.fd = 2 if service in ANSWERING else 1
    formatter = _text_formatter() if settings.log_format == "text" else _Json(service)
    root = logging.getLogger()
    _remove_console(root)
    root.addHandler(_Console(sys.stdout, formatter))
    root.setLevel(settings.log_level.upper())
    for logger in list(logging.Logger.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):
            logger.disabled = False
            if _remove_console(logger) or logger.name in SERVER_LOGGERS:
                logger.propagate = True
            if logger.level and disclosure.of(logger.name, disclosure.SERVERS):
                logger.setLevel(max(logger.level, logging.INFO))
    for name in disclosure.SERVERS:
        logging.getLogger(name).setLevel(max(root.level, logging.INFO))
    for name in SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    drops = logging.getLogger(OverCapacity.LOGGER)
    drops.setLevel(logging.INFO)  # the line that reports a dropped message is INFO
    drops.filters = [OverCapacity()]
    logging.getLogger(outage.Brief.LOGGER).filters = [outage.Brief()]
    logging.captureWarnings(True)
    threading.excepthook = _thread_failed
    sys.unraisablehook = _unraisable


def dropped() -> int:
    """How many lines of this process were dropped, since it began: standard output did not take them."""
    return _sink.dropped


def _thread_failed(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_type is not SystemExit:
        name = failed.thread.name if failed.thread else "unknown"
        logging.getLogger(disclosure.PYTHON).error("the thread %s failed", name, exc_info=failed.exc_value)


def _unraisable(lost: Any) -> None:
    logging.getLogger(disclosure.PYTHON).error(
        "an exception that no code could take", exc_info=lost.exc_value
    )


def _remove_console(logger: logging.Logger) -> bool:
    """Take the handlers that print to standard output or error from ``logger``; whether there were any."""
    console = [handler for handler in logger.handlers if _is_console(handler)]
    for handler in console:
        logger.removeHandler(handler)
    return bool(console)


def _is_console(handler: logging.Handler) -> bool:
    # A file handler is a StreamHandler too, so ask for the stream. Django's own class for runserver's lines
    # prints to standard error.
    return getattr(handler, "stream", None) in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)


class _Console(QueueHandler):
    """Standard output, through ``sink``. A line is made where it is logged, of what ``disclosure`` lets through."""

    def __init__(self, stream: TextIO, formatter: logging.Formatter) -> None:
        super().__init__(_sink)  # type: ignore[arg-type]  # it has what QueueHandler asks of a queue
        self.stream = stream
        self.setFormatter(formatter)
        self.addFilter(_ids)

    def prepare(self, record: logging.LogRecord) -> str:
        if record.levelno >= logging.ERROR:
            LOG_ERRORS.inc()
        stranger = bool(request_id.get() or connection_id.get())
        return f"{self.format(disclosure.cleared(record, stranger))}\n"

    def flush(self) -> None:
        _sink.flush()

    def handleError(self, record: logging.LogRecord) -> None:
        # logging would print the record to standard error, with all that is on it.
        _sink.dropped += 1


class _Json(JsonFormatter):
    """The fields of a line, in this order."""

    def __init__(self, service: str) -> None:
        super().__init__("%(message)s", json_ensure_ascii=False)
        self.service = service

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        log_data["timestamp"] = _timestamp(record)
        log_data["level"] = record.levelname.lower()
        log_data["logger"] = record.name
        log_data["message"] = ""
        log_data["service"] = self.service
        super().add_fields(log_data, record, message_dict)
        if "exc_info" in log_data:
            log_data["exception"] = log_data.pop("exc_info")


class _Text(logging.Formatter):
    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return _timestamp(record)

    def format(self, record: logging.LogRecord) -> str:
        return terminal.indented(super().format(record))


def _text_formatter() -> logging.Formatter:
    return _Text("%(asctime)s %(levelname)-7s %(name)s: %(message)s")


def _timestamp(record: logging.LogRecord) -> str:
    seconds, milliseconds = divmod(int(record.created * 1000), 1000)
    return f"{_second(seconds)}.{milliseconds:03d}Z"


@functools.lru_cache(2)  # many lines have the same
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat()[: -len("+00:00")]


def _ids(record: logging.LogRecord) -> bool:
    """Add the id of the request or connection on whose behalf the line is written."""
    for name, variable in (("request_id", request_id), ("connection_id", connection_id)):
        if variable.get() and not hasattr(record, name):
            setattr(record, name, variable.get())
    if more_fields is not None:
        more_fields(record)
    return True


def access(app: App) -> App:
    """Give each request and connection its id, and write one line when it has ended. /-/ is left out."""

    def logged(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] not in ("http", "websocket") or scope["path"].startswith("/-/"):
            return app(scope, receive, send)
        # It stays set in this task: a server that reports a failed application does so on behalf of this request.
        (request_id if scope["type"] == "http" else connection_id).set(_id_of(scope))
        return _Access(scope, receive, send).run(app)

    return logged


def _id_of(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            text = str(value, "latin-1")
            if REQUEST_ID.fullmatch(text):
                return text
    return uuid.uuid4().hex


class _Access:
    """One request or one websocket, watched for the line at its end."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self.receive, self.send = scope, receive, send
        self.http = scope["type"] == "http"
        self.accepted = False
        # HTTP: status. Websocket: close code, or the status of a refused handshake.
        self.code: int | None = None

    async def run(self, app: App) -> None:
        start = time.perf_counter()
        try:
            await app(self.scope, self.watched_receive, self.watched_send)
        finally:
            if self.code is None:
                self.code = 500 if not self.accepted else 1011
            self.write((time.perf_counter() - start) * 1000)

    async def watched_receive(self) -> Message:
        message = await self.receive()
        if message["type"] == "websocket.disconnect" and self.code is None:
            self.code = message.get("code") or 1005
        return message

    async def watched_send(self, message: Message) -> None:
        kind = message["type"]
        if kind in ("http.response.start", "websocket.http.response.start"):
            self.code = int(message["status"])  # an HTTPStatus is written as its name before Python 3.11
        elif kind == "websocket.accept":
            self.accepted = True
        elif kind == "websocket.close" and self.code is None:
            self.code = (message.get("code") or 1000) if self.accepted else 403
        await self.send(message)

    def write(self, milliseconds: float) -> None:
        # Never the query string: people put tokens there.
        path = self.scope["path"]
        what = method_label(self.scope["method"]) if self.http else "WEBSOCKET"
        fields = {
            "method": what,
            "path": path,
            "close_code" if self.accepted else "status": self.code,
            "duration_ms": round(milliseconds, 1),
            "client": (self.scope.get("client") or ["unknown"])[0],
        }
        # A path is a stranger's text: control characters in it must not start a line of their own.
        shown = path.encode("unicode_escape").decode("ascii")
        access_log.info("%s %s %s %.1f ms", what, shown, self.code, milliseconds, extra=fields)
