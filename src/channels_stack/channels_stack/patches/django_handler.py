"""Fewer changes of threads for a page: HTTP_HANDLER.

Under ASGI, Django runs each method of a synchronous middleware on the thread of the request, one by one: with the seven
middlewares of ``startproject`` a page changes threads some sixteen times, and that is most of what it costs. Its thread, and
with it the connection to the database, is one of a bounded number that are used again, whatever is chosen here
(``middleware.slots``).

``pooled``: those of Django's own middlewares that only look at headers run where they are called, on the event loop. What may
read or write a session, a message or a body does it on the thread, as before. An instance of a derived class is none of
Django's own.

``one-hop``: moreover, where a path leads to a synchronous view, all middlewares and the view run as Django's own synchronous
chain, the one that WSGI has, in one go on the thread. Each middleware is made a second time for it, and all of them run to
their end when a client leaves. Everything else goes the other way: asynchronous views, paths that lead nowhere before a
middleware has changed ``request.urlconf``, and every request where a middleware can only be asynchronous.

``django``: nothing is replaced.
"""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import asgiref.sync
from asgiref.sync import SyncToAsync, sync_to_async

from .patch import Patch

PATCH = Patch(
    package="Django",
    versions="3.2 to 6.1",
    why="each method of a synchronous middleware is a change of threads",
    without="pages cost more CPU",
    upstream="https://code.djangoproject.com/ticket/31224",
)

SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")
SESSIONS = "django.contrib.sessions.backends."
MESSAGES = "django.contrib.messages.storage."

log = logging.getLogger("channels_stack.handler")

Condition = Callable[[Any, Any], bool]
"""Of a middleware and a request: whether a method of the middleware only looks at what is there."""


class Quiet(NamedTuple):
    """When a middleware's methods wait for nothing."""

    request: Condition
    response: Condition


def apply(handler: str) -> None:
    """Replace what ``handler``, the setting HTTP_HANDLER, says. Django must be set up, and no handler made yet."""
    if handler == "django":
        return
    from django.core.handlers.asgi import ASGIHandler
    from django.utils.deprecation import MiddlewareMixin

    uses = ("sync_to_async", "process_request", "process_response", "get_response")
    PATCH.replace(MiddlewareMixin, "__acall__", _where_it_is_called, arguments=2, uses=uses)
    PATCH.replace(
        ASGIHandler, "load_middleware", _loading(handler == "one-hop"), arguments=2, uses=["_view_middleware"]
    )
    if handler == "one-hop":
        PATCH.replace(ASGIHandler, "get_response_async", _in_one_go, arguments=2, uses=["_middleware_chain"])


def _always(_middleware: Any, _request: Any) -> bool:
    return True


def _in_cookie(_middleware: Any, _request: Any) -> bool:
    from django.conf import settings

    return not settings.CSRF_USE_SESSIONS


def _of_django(middleware: Any, _request: Any) -> bool:
    return str(middleware.SessionStore.__module__).startswith(SESSIONS)


def _not_to_save(middleware: Any, request: Any) -> bool:
    from django.conf import settings

    session: Any = getattr(request, "session", None)
    return (
        type(session) is middleware.SessionStore
        and _of_django(middleware, request)
        and not session.modified
        and not settings.SESSION_SAVE_EVERY_REQUEST
    )


def _stored_by_django(_middleware: Any, _request: Any) -> bool:
    from django.conf import settings

    return str(settings.MESSAGE_STORAGE).startswith(MESSAGES)


def _not_used(_middleware: Any, request: Any) -> bool:
    messages: Any = getattr(request, "_messages", None)
    return type(messages).__module__.startswith(MESSAGES) and not messages.used and not messages.added_new


CSRF = "django.middleware.csrf.CsrfViewMiddleware"
QUIET = {
    "django.middleware.security.SecurityMiddleware": Quiet(_always, _always),
    "django.contrib.sessions.middleware.SessionMiddleware": Quiet(_of_django, _not_to_save),
    "django.middleware.common.CommonMiddleware": Quiet(_always, _always),
    CSRF: Quiet(_in_cookie, _in_cookie),
    "django.contrib.auth.middleware.AuthenticationMiddleware": Quiet(_always, _always),
    "django.contrib.messages.middleware.MessageMiddleware": Quiet(_stored_by_django, _not_used),
    "django.middleware.clickjacking.XFrameOptionsMiddleware": Quiet(_always, _always),
}
"""Django's own middlewares whose methods wait for nothing, and when. By name: a project need not be able to import each."""


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _where_it_is_called(stock: Any) -> Any:
    known: dict[type, Quiet | None] = {}

    async def __acall__(self: Any, request: Any) -> Any:
        kind = type(self)
        if kind not in known:
            known[kind] = QUIET.get(_name(kind))
        when = known[kind]
        if when is None:
            return await stock(self, request)
        response = None
        if hasattr(self, "process_request"):
            if when.request(self, request):
                response = self.process_request(request)
            else:
                response = await sync_to_async(self.process_request, thread_sensitive=True)(request)
        response = response or await self.get_response(request)
        if hasattr(self, "process_response"):
            if when.response(self, request):
                response = self.process_response(request, response)
            else:
                response = await sync_to_async(self.process_response, thread_sensitive=True)(
                    request, response
                )
        return response

    return __acall__


def _loading(one_hop: bool) -> Callable[[Any], Any]:
    def make(stock: Any) -> Any:
        def load_middleware(self: Any, is_async: bool = False) -> None:
            stock(self, is_async)
            if is_async:
                self._view_middleware = [_quiet_view(method) for method in self._view_middleware]
                if one_hop and _can_be_synchronous():
                    # A copy, so that what a derived class does otherwise is done there too.
                    synchronous = copy.copy(self)
                    stock(synchronous, False)
                    self.channels_stack_synchronous = synchronous

        return load_middleware

    return make


def _quiet_view(method: Any) -> Any:
    """``method``; where it is the look of Django's own middleware for a token, without a thread for who needs none."""
    look = method.func if isinstance(method, SyncToAsync) else None
    middleware = getattr(look, "__self__", None)
    if look is None or _name(type(middleware)) != CSRF:
        return method

    async def process_view(request: Any, *arguments: Any) -> Any:
        if request.method in SAFE_METHODS:
            return look(request, *arguments)
        return await method(request, *arguments)  # it may read the body

    return process_view


def _can_be_synchronous() -> bool:
    from django.conf import settings
    from django.utils.module_loading import import_string

    for name in settings.MIDDLEWARE:
        if not getattr(import_string(name), "sync_capable", True):
            log.warning(
                "HTTP_HANDLER=one-hop is pooled here: the middleware %s can only be asynchronous", name
            )
            return False
    return True


def _in_one_go(stock: Any) -> Any:
    async def get_response_async(self: Any, request: Any) -> Any:
        synchronous = getattr(self, "channels_stack_synchronous", None)
        if synchronous is None or not _leads_to_a_synchronous_view(request):
            return await stock(self, request)
        return await sync_to_async(synchronous.get_response, thread_sensitive=True)(request)

    return get_response_async


def _leads_to_a_synchronous_view(request: Any) -> bool:
    from django.urls import get_resolver

    try:
        view = get_resolver().resolve(request.path_info).func
    except Exception:  # no such page, or one that only a middleware makes: the other way finds out
        return False
    # asgiref below 3.6 has none of its own.
    is_coroutine_function = getattr(asgiref.sync, "iscoroutinefunction", asyncio.iscoroutinefunction)
    return not is_coroutine_function(view)
