"""A span for each view of a page that is recorded (TRACING), and the route that led to it. Off, nothing is replaced."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from ..observability import tracing
from .patch import Patch

PATCH = Patch(
    package="Django",
    versions="3.2 to 6.1",
    why="Django says nowhere from outside which view runs for a request, and how long",
    without="traces have no span of the view, and pages no route",
    upstream="https://docs.djangoproject.com/en/stable/topics/http/middleware/#process-view",
)


def apply() -> None:
    """Let Django's handlers call views within a span. Django must be set up."""
    if tracing.active is None:
        return
    from django.core.handlers.base import BaseHandler

    PATCH.replace(BaseHandler, "resolve_request", _resolving, arguments=2, uses=["resolver_match"])


def _resolving(stock: Any) -> Any:
    def resolve_request(self: Any, request: Any) -> Any:
        match = stock(self, request)
        spans = tracing.active
        if spans is None or not tracing.traced.get():
            return match
        view, arguments, names = match
        return (
            _within_span(view, spans, match),
            arguments,
            names,
        )  # request.resolver_match keeps the view itself

    return resolve_request


def _within_span(view: Any, spans: Any, match: Any) -> Any:
    """``view`` within its span, with its attributes: decorators leave marks there that middlewares look for."""
    name, route = match._func_path, getattr(match, "route", "") or ""

    @functools.wraps(view, updated=())
    def traced(*arguments: Any, **names: Any) -> Any:
        with spans.view(name, route):
            return view(*arguments, **names)

    @functools.wraps(view, updated=())
    async def atraced(*arguments: Any, **names: Any) -> Any:
        with spans.view(name, route):
            return await view(*arguments, **names)

    chosen = atraced if _is_asynchronous(view) else traced
    chosen.__dict__.update(getattr(view, "__dict__", {}))
    return chosen


def _is_asynchronous(view: Any) -> bool:
    import asgiref.sync

    # asgiref below 3.6 has none of its own.
    return bool(getattr(asgiref.sync, "iscoroutinefunction", inspect.iscoroutinefunction)(view))
