# ruff: noqa
from channels.middleware import BaseMiddleware


class TokenAuthMiddleware:
    """Takes a token from the query string."""

    def __init__(self, inner):
        self.inner = inner

    def __call__(self, scope):  # planted: E112
        query = dict(pair.split("=") for pair in scope["query_string"].decode().split("&") if pair)
        scope["token"] = query.get("token")  # planted: W519
        return self.inner(scope)


class LocaleMiddleware(BaseMiddleware):
    """Remembers the language of a socket."""

    def populate_scope(self, scope):  # planted: E112
        scope.setdefault("locale", "en")

    async def resolve_scope(self, scope):
        scope["locale"] = "en"
