"""Channels' and Django's check of a session: a rotated SECRET_KEY signs no user out.

``channels.auth.get_user`` compares the session with the current key alone and deletes it when they differ. After a
rotation Django itself still accepts what SECRET_KEY_FALLBACKS have signed, but the first websocket of a user would
sign that user out everywhere. The function that takes its place asks as Django does, and only ever reads.

``django.contrib.auth.get_user`` signs such a session again and gives it another name. Requests that are on their way
with the former name find no session, are answered as to a stranger, and take the new cookie away from the browser;
open sockets of the former name are signed out. Here the session is signed again and keeps its name.

Without SECRET_KEY_FALLBACKS nothing is replaced.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from .patch import Patch, uses

PATCH = Patch(
    package="channels",
    versions="4.0 to 4.3",
    why="get_user deletes a session that a key of SECRET_KEY_FALLBACKS has signed",
    without="the first websocket after a rotation of SECRET_KEY signs its user out",
    upstream="https://github.com/django/channels/blob/main/channels/auth.py",
)
NAMES = Patch(
    package="Django",
    versions="4.1.8 to 6.1",
    why="get_user gives a session another name when a fallback has signed it",
    without="requests that are on their way during a rotation of SECRET_KEY may sign their user out",
    upstream="https://code.djangoproject.com/ticket/34384",
)


def apply() -> None:
    """Put the patched functions in their places, where there are fallbacks; Channels' unless it has learnt of them.

    Django must be set up. Code that has already imported a function by its name keeps the old one.
    """
    from django.apps import apps
    from django.conf import settings

    if not (getattr(settings, "SECRET_KEY_FALLBACKS", None) and apps.is_installed("django.contrib.auth")):
        return
    import channels.auth
    from channels.db import database_sync_to_async
    from django.contrib.auth.base_user import AbstractBaseUser

    if not hasattr(AbstractBaseUser, "get_session_auth_fallback_hash"):  # Django before 4.1.8
        return
    _keep_names()
    if not uses(getattr(channels.auth, "get_user", None), "get_session_auth_fallback_hash"):
        own = database_sync_to_async(get_user)
        PATCH.replace(channels.auth, "get_user", lambda _: own, arguments=1, uses=["get_session_auth_hash"])


def _keep_names() -> None:
    """Let Django's two functions leave a session its name. What they do else is theirs."""
    import django.contrib.auth as django_auth

    def make(stock: Any) -> Any:
        @functools.wraps(stock)
        def get_user(request: Any) -> Any:
            with _named(request.session):
                return stock(request)

        return get_user

    def amake(stock: Any) -> Any:
        @functools.wraps(stock)
        async def aget_user(request: Any) -> Any:
            with _named(request.session):
                return await stock(request)

        return aget_user

    NAMES.replace(django_auth, "get_user", make, arguments=1, uses=["cycle_key"])
    if hasattr(django_auth, "aget_user"):  # Django 5.0
        NAMES.replace(django_auth, "aget_user", amake, arguments=1)


# Whether the code that runs is such a check: in this task or thread, and not in others that have the same session.
_looking: ContextVar[bool] = ContextVar("channels_stack_looking_at_the_user", default=False)


@contextlib.contextmanager
def _named(session: Any) -> Iterator[None]:
    """What runs within gives ``session`` no other name."""
    _patch_store(session.__class__)
    token = _looking.set(True)
    try:
        yield
    finally:
        _looking.reset(token)


def _patch_store(store: Any) -> None:
    """Let the methods of the class ``store`` that give a session another name do nothing while the user is asked for."""

    def make(stock: Any) -> Any:
        @functools.wraps(stock)
        def cycle_key(self: Any) -> None:
            if not _looking.get():
                stock(self)

        return cycle_key

    def amake(stock: Any) -> Any:
        @functools.wraps(stock)
        async def acycle_key(self: Any) -> None:
            if not _looking.get():
                await stock(self)

        return acycle_key

    NAMES.replace(store, "cycle_key", make, arguments=1)
    if hasattr(store, "acycle_key"):  # Django 5.1
        NAMES.replace(store, "acycle_key", amake, arguments=1)


def get_user(scope: Mapping[str, Any]) -> Any:
    """The user of the session in ``scope``, or AnonymousUser. Raises ValueError when there is no session in it."""
    from django.contrib.auth import BACKEND_SESSION_KEY, SESSION_KEY, get_user_model, load_backend
    from django.contrib.auth.models import AnonymousUser

    if "session" not in scope:
        raise ValueError("there is no session in the scope: put SessionMiddleware around AuthMiddleware")
    session = scope["session"]
    if SESSION_KEY not in session:
        return AnonymousUser()
    backend = session.get(BACKEND_SESSION_KEY)
    if not _is_backend(backend):
        return AnonymousUser()
    user = load_backend(backend).get_user(get_user_model()._meta.pk.to_python(session[SESSION_KEY]))
    return user if user is not None and hash_matches(session, user) else AnonymousUser()


def session_is_of(session: Mapping[str, Any], user: Any, backend: str | None) -> bool:
    """Whether ``session`` still signs ``user`` in by ``backend``, without another look at the database."""
    from django.contrib.auth import load_backend

    if not _is_backend(backend):
        return False
    may = getattr(load_backend(backend), "user_can_authenticate", None)
    return (may(user) if may else True) and hash_matches(session, user)


def hash_matches(session: Mapping[str, Any], user: Any) -> bool:
    """Whether the session was made with the user's present password, and the key or one of its fallbacks."""
    from django.contrib.auth import HASH_SESSION_KEY
    from django.utils.crypto import constant_time_compare

    if not hasattr(user, "get_session_auth_hash"):
        return True
    stored = session.get(HASH_SESSION_KEY) or ""
    return any(constant_time_compare(stored, known) for known in _hashes(user))


def _hashes(user: Any) -> Iterator[str]:
    yield user.get_session_auth_hash()
    if hasattr(user, "get_session_auth_fallback_hash"):
        yield from user.get_session_auth_fallback_hash()


def _is_backend(path: str | None) -> bool:
    from django.conf import settings

    return path in settings.AUTHENTICATION_BACKENDS
