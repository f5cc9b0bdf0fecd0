"""What a line of the log may hold: the one place that decides it, for every logger of the process.

Logs are read by more people, and kept longer, than what a stranger sends is meant for. What may not be in a line is the
query string, cookies, headers, bodies and forms, so:

- of the objects that libraries hang on a record (``extra``), only plain values; a request shows its query string;
- a message of Django's ``django.security`` says what was wrong, not what was sent; asyncio's says where, not with what;
- an exception has its class and its traceback in code, at a server error. Its text is left out where it may hold what was
  sent: in a request or connection, and on the loggers of servers. Even there a text stays that stands so in the code, and
  that of an outage. Other handlers of the project (a file, Sentry, mail) get all of it;
- libraries that write raw requests at DEBUG do not go below INFO.

The path of a request may be in a line. What an application writes itself, it writes.
"""

from __future__ import annotations

import copy
import functools
import logging
import os
import re
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from ..stores import outage

# Our logger for what Python itself would print: the end of a thread, an exception in a destructor.
PYTHON = "python"
# Loggers of what stands between a stranger and the application: what they say is about what was sent.
SERVERS = (
    "asyncio",
    PYTHON,
    "uvicorn",
    "gunicorn",
    "daphne",
    "twisted",
    "websockets",
    "autobahn",
    "txaio",
    "hpack",
    "h2",
)
# What logging itself puts on a record.
OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "exc_text"}
# Django hangs the statement and its parameters on the records of its queries.
NEVER = frozenset({"sql", "params"})
PLAIN = (str, int, float, bool, type(None))
LEFT_OUT = "(its text is left out)"


def cleared(record: logging.LogRecord, stranger: bool) -> logging.LogRecord:
    """A copy of ``record`` that may be shown; ``stranger``: it is written on behalf of a request or a connection."""
    shown = copy.copy(record)
    stranger = stranger or of(record.name, SERVERS)
    for name in set(vars(shown)) - OWN:
        if name in NEVER or not _plain(vars(shown)[name]):
            delattr(shown, name)
    if not isinstance(record.msg, dict):
        shown.msg, shown.args = _message(record, stranger), ()
    error = record.exc_info[1] if record.exc_info else None
    shown.exc_info = shown.exc_text = None
    # A stranger can cause each 403 and 400, which are no error of ours.
    if error is not None and record.levelno >= logging.ERROR and not of(record.name, ("django.security",)):
        shown.exc_text = "".join(_traceback(error, stranger, set())).rstrip("\n")
    return shown


def text(error: BaseException, stranger: bool = True) -> str:
    """``error`` in a line: its class, and its text if that may be shown."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    detail = _safely(error)
    if detail and stranger and not outage.cause(error):
        if isinstance(error, OSError) and error.errno:
            detail = os.strerror(error.errno)  # without the name of a file
        elif not set(_words(error)) <= set(_literals(error.__traceback__)):
            detail = LEFT_OUT
    return f"{name}: {detail}" if detail else name


@functools.lru_cache(1000)  # loggers are few, and asked for with every line
def of(name: str, families: tuple[str, ...]) -> bool:
    """Whether the logger ``name`` is one of ``families``, or below one."""
    return any(name == family or name.startswith(f"{family}.") for family in families)


def _plain(value: Any) -> bool:
    if isinstance(value, PLAIN):
        return True
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(map(_plain, value))
    if isinstance(value, dict):
        return all(_plain(key) and _plain(each) for key, each in value.items())
    return False


def _message(record: logging.LogRecord, stranger: bool) -> str:
    if of(record.name, ("django.security",)):
        return _refusal(record)
    msg, args = record.msg, record.args
    if stranger:
        msg = text(msg) if isinstance(msg, BaseException) else msg
        if isinstance(args, tuple):
            args = tuple(text(each) if isinstance(each, BaseException) else each for each in args)
    try:
        message = str(msg) % args if args else str(msg)
    except Exception as error:  # what the caller gave does not fit; Python would print all of it
        return f"a line that cannot be written ({type(error).__name__}), at {record.pathname}:{record.lineno}"
    if of(record.name, SERVERS):
        message = message.partition("\n")[0]
    if record.name == "asyncio":
        message = re.split(r"[(<]", message, maxsplit=1)[0].rstrip(" :")
    return message


def _refusal(record: logging.LogRecord) -> str:
    """Of what Django refuses: why, and at which path. Only its templates are known to hold nothing of what was sent."""
    reason, *rest = record.args if isinstance(record.args, tuple) and record.args else ("",)
    if (
        isinstance(reason, str) and reason and rest
    ):  # Forbidden (Origin checking failed - ... does not match ...): /path
        return str(record.msg) % (reason.partition(" - ")[0], *rest)
    return f"refused: {record.name.rpartition('.')[2]}"


def _words(error: BaseException) -> Iterator[str]:
    """The parts of the text of ``error``."""
    if error.args and all(isinstance(each, str) for each in error.args):
        yield from error.args
    else:
        yield _safely(error)


def _literals(trace: TracebackType | None) -> Iterator[str]:
    """The texts that stand in the code which the exception has passed."""
    for frame, _ in traceback.walk_tb(trace):
        yield from (each for each in frame.f_code.co_consts if isinstance(each, str))


def _safely(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "(its text cannot be made)"


def _traceback(error: BaseException, stranger: bool, seen: set[int]) -> Iterator[str]:
    """As Python prints it, the exceptions before it and those in it, too."""
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and id(before) not in seen:
        yield from _traceback(before, stranger, seen)
        how = "was the direct cause of" if error.__cause__ else "was being handled during"
        yield f"\nThe exception above {how} the following one:\n\n"
    if error.__traceback__ is not None:
        yield "Traceback (most recent call last):\n"
        yield from traceback.format_tb(error.__traceback__)
    yield f"{text(error, stranger)}\n"
    for each in getattr(error, "exceptions", ()):  # of a group
        if isinstance(each, BaseException) and id(each) not in seen:
            yield "\nIn the group above:\n"
            yield from _traceback(each, stranger, seen)
