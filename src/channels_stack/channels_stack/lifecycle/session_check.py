"""Whether the users of open websockets are still signed in.

Channels looks once, at the handshake: who signs out, changes the password or is disabled goes on listening for as
long as the socket lives. Here each process looks again every WS_SESSION_CHECK_SECONDS at the sessions and users of
its own sockets, all of them with one query for the sessions and one for the users, in a thread of its own, and
closes with 4401 what belongs to no signed-in user any more. A check that fails closes nothing.

Sessions are looked at where they are stored in the database (``db``, ``cached_db``) or in a cache; a signed cookie
cannot be taken back, so there the users alone count.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar

from . import users as identity
from .sockets import Socket

logger = logging.getLogger("channels_stack.signed_in")

T = TypeVar("T")

SIGNED_OUT = 4401
PROBE = "channels-stack:sign-in-check"  # a key in the cache of the sessions
# Closed at once, and the pause before the next ones: their clients all ask for the same page then.
CLOSED_AT_ONCE, PAUSE_SECONDS = 20, 0.1
CHUNK = 500  # rows of a query: the least that a database allows for its parameters is 999


class Claim(NamedTuple):
    """What a socket was accepted with: a user, and a session if one of Django's identified the user."""

    user: str
    session: str | None


class Check:
    """Looks again at the sockets in ``sockets``, every ``seconds`` (0: never), from ``start`` until ``stop``."""

    def __init__(self, sockets: Iterable[Socket], seconds: float) -> None:
        self.sockets = sockets
        self.seconds = seconds
        self._failing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, where the project has users."""
        from django.apps import apps

        if self.seconds and apps.is_installed("django.contrib.auth"):
            self._task = asyncio.ensure_future(self._run())

    async def stop(self) -> None:
        """End; a look under way is finished without its result."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self.seconds)
            try:
                await self._look()
                self._failing = False
            except Exception as error:
                if not self._failing:  # once, not every time
                    logger.warning("whether users are still signed in cannot be looked up: %r", error)
                self._failing = True

    async def _look(self) -> None:
        claims = {socket: claim(socket) for socket in self.sockets if socket.accepted and not socket.over}
        held = {socket: held for socket, held in claims.items() if held is not None}
        if not held:
            return
        void = await _in_thread(look_up, set(held.values()))
        closing = [socket for socket, held in held.items() if held in void]
        if closing:
            logger.info("closing %d websockets of users who are no longer signed in", len(closing))
        for start in range(0, len(closing), CLOSED_AT_ONCE):
            if start:
                await asyncio.sleep(PAUSE_SECONDS)
            some = closing[start : start + CLOSED_AT_ONCE]
            await asyncio.gather(*(socket.close(SIGNED_OUT, "signed out") for socket in some))


async def _in_thread(step: Callable[..., T], *arguments: Any) -> T:
    """What ``step`` returns or raises, in a thread that keeps no process from ending: a database may hang."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()  # whoever stops waiting does not end it

    def run() -> None:
        try:
            future.set_result(step(*arguments))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="sign-in-check", daemon=True).start()
    return await asyncio.wrap_future(future)


def claim(socket: Socket) -> Claim | None:
    """What ``socket`` was let in with; None when no user is signed in on it, or not by a user of this project."""
    from django.contrib.auth import SESSION_KEY, get_user_model

    account = identity.account(socket)
    if not isinstance(account, get_user_model()):
        return None
    user = account._meta.pk.value_to_string(account)
    lazy: Any = (socket.inner or {}).get("session")
    session = getattr(lazy, "_wrapped", lazy)
    # Only what was loaded at the handshake: to load it here would be a query in the event loop.
    loaded = getattr(session, "_session_cache", None) or {}
    return Claim(user, session.session_key if loaded.get(SESSION_KEY) == user else None)


def look_up(claims: set[Claim]) -> set[Claim]:
    """Those of ``claims`` that do not hold any more. For a thread."""
    from django.db import connections

    try:
        users = _users({held.user for held in claims})
        keys = {held.session for held in claims if held.session}
        sessions = _sessions(keys) if keys else {}
        return {held for held in claims if not _holds(held, users, sessions)}
    finally:
        connections.close_all()  # those of this thread, which ends


def _holds(held: Claim, users: Mapping[str, Any], sessions: Mapping[str, Mapping[str, Any]] | None) -> bool:
    from django.contrib.auth import BACKEND_SESSION_KEY, SESSION_KEY

    from ..patches.channels_auth import session_is_of

    user = users.get(held.user)
    if user is None:
        return False
    if held.session is None or sessions is None:
        return bool(getattr(user, "is_active", True))
    session = sessions.get(held.session, {})
    return session.get(SESSION_KEY) == held.user and session_is_of(
        session, user, session.get(BACKEND_SESSION_KEY)
    )


def _users(keys: set[str]) -> dict[str, Any]:
    """Users by primary key, as text."""
    from django.contrib.auth import get_user_model

    model = get_user_model()
    users: dict[str, Any] = {}
    for some in _chunks(keys):
        for user in model._default_manager.filter(pk__in=some):
            users[model._meta.pk.value_to_string(user)] = user
    return users


def _sessions(keys: set[str]) -> dict[str, Mapping[str, Any]] | None:
    """The content of those sessions that exist, by key; None where that cannot be known."""
    from importlib import import_module

    from django.conf import settings
    from django.contrib.sessions.backends import cache, db
    from django.utils import timezone

    store = import_module(settings.SESSION_ENGINE).SessionStore
    sessions: dict[str, Mapping[str, Any]] = {}
    if issubclass(store, db.SessionStore):
        decode = store().decode
        model = store.get_model_class()
        for some in _chunks(keys):
            rows = model._default_manager.filter(session_key__in=some, expire_date__gt=timezone.now())
            sessions.update((row.session_key, decode(row.session_data)) for row in rows)
        return sessions
    if issubclass(store, cache.SessionStore):
        from django.core.cache import caches

        prefix, cache_of_sessions = store.cache_key_prefix, caches[settings.SESSION_CACHE_ALIAS]
        # Many caches return nothing, and raise nothing, when they are unavailable.
        cache_of_sessions.set(PROBE, True, 60)
        stored = cache_of_sessions.get_many([PROBE, *(prefix + key for key in keys)])
        if not stored.pop(PROBE, False):
            raise RuntimeError("the cache of the sessions keeps nothing")
        return {key[len(prefix) :]: content for key, content in stored.items()}
    return None


def _chunks(keys: set[str]) -> Iterable[list[str]]:
    every = sorted(keys)
    return (every[start : start + CHUNK] for start in range(0, len(every), CHUNK))
