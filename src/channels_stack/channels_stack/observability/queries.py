"""How many queries each page makes. A page that makes one for each row is fast until there are many rows, or many visitors."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Callable


class Count:
    """The queries of one request, in whichever threads it runs."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


counting: ContextVar[Count | None] = ContextVar("queries", default=None)
"""Of the running request; None: whoever makes queries is no page."""


def watch() -> None:
    """Count on every connection that Django opens later."""
    from django.db.backends.signals import connection_created

    connection_created.connect(_watch, dispatch_uid=__name__)


def _watch(connection: Any, **_: Any) -> None:
    if _counted not in connection.execute_wrappers:
        connection.execute_wrappers.insert(0, _counted)


def _counted(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
    count = counting.get()
    if count is not None:
        count.value += 1
    return execute(sql, params, many, context)
