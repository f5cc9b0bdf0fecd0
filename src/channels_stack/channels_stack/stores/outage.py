"""What is an outage of a data store, and what is a bug: they look alike, as exceptions in an application.

An outage is no mistake in the code, and passes. It costs one line in the log every few seconds, not a traceback for
each socket; a handshake is answered with 503 and Retry-After, an open socket is closed with 1012.
"""

from __future__ import annotations

import asyncio
import logging
import time
import traceback

from redis import exceptions as redis_exceptions


class NoAnswer(redis_exceptions.TimeoutError):
    """Redis hangs."""


# What comes from a Redis that is unavailable, starts, hangs, or has become a replica.
REDIS = (
    redis_exceptions.ConnectionError,
    redis_exceptions.TimeoutError,
    redis_exceptions.ReadOnlyError,
)
# The same where only Redis can be meant.
LAYER = (*REDIS, OSError, asyncio.TimeoutError)
# How the answer of a Redis begins that has no memory left; redis-py 4 has no class of its own for it.
FULL = ("OOM ", "command not allowed when used memory")
# What Python says when channels_redis subscribes on a connection that its receiver is just making again.
RACE = "another coroutine is already waiting for incoming data"
# What an event loop says of a write to a connection that was closed meanwhile, where redis-py passes it on as it is: uvloop a
# RuntimeError, asyncio of Python 3.12 to 3.14.0 what comes of a method that is None by then. Its origin makes it
# no bug.
UNNAMED = (RuntimeError, TypeError, AttributeError)
SENDS = ("send_packed_command", "_send_packed_command")
# What a program raises that reaches into a library whose version is another than it expects. No layer raises it of itself.
FLAWS = (
    AttributeError,
    TypeError,
    NameError,
    ImportError,
    LookupError,
    ValueError,
    NotImplementedError,
    AssertionError,
)
# SQLSTATE of PostgreSQL: connection lost, too many connections and the like, shut down or not yet started.
SQLSTATES = ("08", "53", "57P")
# MySQL's client and server errors: too many connections, no connection, connection lost.
MYSQL_CODES = (1040, 2002, 2003, 2006, 2013)
QUIET_SECONDS = 5
SUBJECTS = 1000  # known at a time, but for those of the last QUIET_SECONDS


def is_of_redis(error: BaseException) -> bool:
    """Whether ``error`` comes from a lost connection to Redis."""
    if isinstance(error, REDIS) or (isinstance(error, RuntimeError) and RACE in str(error)):
        return True
    return isinstance(error, UNNAMED) and any(
        frame.f_globals.get("__name__") == "redis.asyncio.connection" and frame.f_code.co_name in SENDS
        for frame, _ in traceback.walk_tb(error.__traceback__)
    )


def is_full(error: BaseException) -> bool:
    """Whether Redis says with ``error`` that it has no memory left."""
    return isinstance(error, redis_exceptions.ResponseError) and any(text in str(error) for text in FULL)


def is_flaw(error: BaseException) -> bool:
    """Whether ``error`` comes from code that does not fit, and so proves nothing of the data store that it asks."""
    return isinstance(error, FLAWS) and not is_of_redis(error)


def cause(error: BaseException) -> str:
    """In one line, which outage made the application raise ``error``; empty when it is no outage."""
    if is_full(error) or is_of_redis(error):
        return _line("Redis", error)
    from django.db import InterfaceError, OperationalError

    if isinstance(error, (InterfaceError, OperationalError)) and _lost_database(error):
        return _line("database", error)
    return ""


def _lost_database(error: BaseException) -> bool:
    driver = error.__cause__  # Django's exception stands for one of the driver, which knows more
    if driver is None or type(driver).__module__.startswith("sqlite3"):
        return False
    if driver.args and isinstance(driver.args[0], int):
        return driver.args[0] in MYSQL_CODES
    # Drivers of PostgreSQL have no code for a server that cannot be reached.
    code = getattr(driver, "sqlstate", None) or getattr(driver, "pgcode", None)
    return code is None or code.startswith(SQLSTATES)


def _line(what: str, error: BaseException) -> str:
    text = str(error).strip()
    return f"{what}: {type(error).__name__}{': ' if text else ''}{text.splitlines()[0] if text else ''}"


class Seldom:
    """Lets a line through at most every QUIET_SECONDS for each of its subjects, and counts the others."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._held: dict[str, int] = {}

    def due(self, subject: str) -> bool:
        """Whether to write a line about ``subject`` now."""
        now = time.monotonic()
        if now - self._last.get(subject, float("-inf")) < QUIET_SECONDS:
            self._held[subject] = self._held.get(subject, 0) + 1
            return False
        if len(self._last) >= SUBJECTS:  # some are a socket each, and sockets come and go
            self._last = {known: last for known, last in self._last.items() if now - last < QUIET_SECONDS}
            self._held = {known: count for known, count in self._held.items() if known in self._last}
        self._last[subject] = now
        return True

    def held(self, subject: str) -> str:
        """How many lines were held back since the last one, as the end of a line."""
        count = self._held.pop(subject, 0)
        return f" (and {count} more times)" if count else ""


class Brief(logging.Filter):
    """Makes one short line of the traceback that channels_redis writes each second of an outage."""

    LOGGER = "channels_redis.pubsub"

    def __init__(self) -> None:
        super().__init__()
        self._seldom = Seldom()

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if error is None or not (isinstance(error, LAYER) or is_of_redis(error)):
            return True
        if not self._seldom.due("lost"):
            return False
        record.msg = f"the subscription of the channel layer is lost, trying on: {_line('Redis', error)}"
        record.args, record.exc_info, record.exc_text = (), None, None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True
