"""Who may see the console and act in it: staff with the permission, and superusers."""

from __future__ import annotations

import functools
from importlib import import_module
from typing import Any, Callable

from channels.auth import get_user
from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_deny
from django.views.decorators.csrf import csrf_protect

from ..asgi.types import Scope

VIEW, ACT, REVEAL = "view", "act", "reveal"


def may(user: Any, action: str = VIEW) -> bool:
    """Whether ``user`` may do that. For a thread: it may ask the database."""
    if not (user.is_active and getattr(user, "is_staff", False)):
        return False
    return bool(user.has_perm(f"channels_stack_console.{action}"))


def required(action: str) -> Callable[[Any], Any]:
    """A view for those alone who may see the console, and do ``action``.

    It is kept by no cache, shown in no frame and takes no form of another site, whatever middlewares the project has.
    """

    def decorate(view: Any) -> Any:
        @never_cache
        @xframe_options_deny
        @csrf_protect
        @functools.wraps(view)
        def guarded(request: Any, *args: Any, **options: Any) -> Any:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if not (may(request.user) and may(request.user, action)):
                raise PermissionDenied("The console is for staff who have its permissions.")
            return view(request, *args, **options)

        return guarded

    return decorate


async def still_allowed(scope: Scope) -> bool:
    """Whether the session of a websocket may still see the console, by the database as it is now."""
    key = scope["session"].session_key
    if not key:
        return False
    # What the handshake has loaded may have changed since.
    store: Any = import_module(settings.SESSION_ENGINE).SessionStore
    user = await get_user({"session": store(key)})
    return await database_sync_to_async(may)(user) if user.is_authenticated else False


def same_site(scope: Scope) -> bool:
    """Whether a handshake comes from a page of this site: a browser adds cookies to those of any page."""
    headers = [(name, value.decode("latin-1")) for name, value in scope["headers"]]
    origins = [value for name, value in headers if name == b"origin"]
    hosts = [value for name, value in headers if name == b"host"]
    if len(origins) != 1 or len(hosts) != 1:
        return False
    if origins[0] in settings.CSRF_TRUSTED_ORIGINS:
        return True
    scheme, _, host = origins[0].partition("://")
    # TLS may end at a proxy that does not say so. Where it is known, a page without it is not ours.
    schemes = ("https",) if scope.get("scheme") == "wss" else ("https", "http")
    return scheme in schemes and host == hosts[0]
