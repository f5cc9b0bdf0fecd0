"""Traces (TRACING): what the rest of the runtime calls. Nothing of OpenTelemetry is imported until ``start``; off, a call
is one comparison.

A trace begins with a page, with a handshake or with a frame of a client, and follows what that causes: a message to a group or
a channel, a job, the consumer in another process that gets it, the frame that a client gets in the end. ``active`` records
them (``spans``); messages carry from where they come in one more key, ``KEY``, which is removed before the application sees them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Callable

from ..config.environment import ConfigurationError, Problem
from ..config.settings import Settings

if TYPE_CHECKING:
    from .spans import Spans

KEY = "channels_stack.trace"
"""Of a message, packed: where it comes from, as ``Spans.carried`` has written it."""

active: Spans | None = None
"""What records; None: TRACING is off."""

traced: ContextVar[bool] = ContextVar("traced", default=False)
"""Whether the running code is within a span that is recorded."""

_NOTHING: AbstractContextManager[str] = contextlib.nullcontext("")

Dispatch = Callable[[Any], Awaitable[None]]


class Traced(dict):  # type: ignore[type-arg]  # Python 3.9 is to run it
    """A message, with where it comes from."""

    def __init__(self, message: Mapping[str, Any], trace: str) -> None:
        super().__init__(message)
        self.trace = trace


def start(settings: Settings, service: str) -> None:
    """Begin to record, where TRACING says so. To be called once the project is loaded, in the process that serves it."""
    global active
    if settings.tracing and active is None:
        try:
            from .spans import Spans
        except ImportError as error:
            wrong = (
                f"is set, and what makes traces is not installed ({error}): the stack's builds install it, "
                "anywhere else: pip install channels-stack[tracing]"
            )
            raise ConfigurationError([Problem("TRACING", wrong)]) from None
        active = Spans(settings, service)


def stop(seconds: float) -> None:
    """Send what is left, for no longer than ``seconds``; nothing is recorded any more."""
    global active
    ending, active = active, None
    if ending is not None:
        ending.stop(seconds)


def sending(what: str, destination: str, job: bool = False) -> AbstractContextManager[str]:
    """The time in which a message is sent; what it is to carry, empty: nothing.

    A ``job`` carries the id of the request that sends it even where that has no trace: its log lines then have it too.
    """
    if active is None or not (job or traced.get()):
        return _NOTHING
    return active.sending(what, destination)


def handling(message: Any) -> AbstractContextManager[Any]:
    """The time in which a process is busy with ``message``: what it logs has the ids of where that comes from."""
    trace = getattr(message, "trace", "")
    return _NOTHING if active is None or not trace else active.handling(trace)


def dispatching(dispatch: Dispatch) -> Dispatch:
    """``dispatch``, a consumer's, with the spans of what it handles."""
    return dispatch if active is None else active.dispatching(dispatch)


def marked(message: dict[str, Any], trace: str) -> dict[str, Any]:
    """What is to be packed of ``message``."""
    return {**message, KEY: trace} if trace else message


def unmarked(message: dict[str, Any]) -> str:
    """Where the unpacked ``message`` comes from, which is taken out of it; empty: it does not say."""
    trace = message.pop(KEY, "")
    return trace if isinstance(trace, str) else ""
