"""Who may open a socket: the page it comes from, and the user of the session."""

from urllib.parse import urlsplit

from channels.auth import AuthMiddleware
from channels.db import database_sync_to_async
from channels.security.websocket import OriginValidator, WebsocketDenier
from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
    load_backend,
)
from django.contrib.auth.models import AnonymousUser
from django.utils.crypto import constant_time_compare


class StrictOriginValidator(OriginValidator):
    """Channels' validator, which also refuses what it would fail on: an Origin that is no URL, or two."""

    async def __call__(self, scope, receive, send):
        """Refuse a malformed Origin; let Channels decide about any other."""
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        if len(origins) > 1 or not all(_is_url(origin) for origin in origins):
            return await WebsocketDenier()(scope, receive, send)
        return await super().__call__(scope, receive, send)


class SessionUserMiddleware(AuthMiddleware):
    """Channels' middleware, but SECRET_KEY_FALLBACKS count and a session is only ever read.

    Channels compares the session with the current key alone and deletes it when they differ: after a rotation
    of the key, the first socket would sign its user out everywhere.
    """

    async def resolve_scope(self, scope):
        """Put the user of the session, or AnonymousUser, into the scope."""
        scope["user"]._wrapped = await session_user(scope["session"])


@database_sync_to_async
def session_user(session):
    """The active user whom ``session`` belongs to, or AnonymousUser."""
    if session.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS or SESSION_KEY not in session:
        return AnonymousUser()
    user_id = get_user_model()._meta.pk.to_python(session[SESSION_KEY])
    user = load_backend(session[BACKEND_SESSION_KEY]).get_user(user_id)
    if user is None:
        return AnonymousUser()
    stored = session.get(HASH_SESSION_KEY) or ""
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return user if any(constant_time_compare(stored, known) for known in hashes) else AnonymousUser()


def _is_url(origin: bytes) -> bool:
    try:
        return urlsplit(origin.decode("ascii")).port != 0
    except ValueError:
        return False
