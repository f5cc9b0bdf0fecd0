"""The Origin of a websocket, held to ALLOWED_ORIGINS: for projects that have no OriginValidator.

Browsers send cookies with every handshake, from whatever page, and Channels checks nothing by default. Only
browsers send an Origin, and they always do: a handshake without one is no forgery, and passes.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Iterable

from ..asgi.responses import respond
from ..asgi.types import App, Receive, Scope, Send
from ..observability import metrics

log = logging.getLogger("channels_stack.origins")


def check(app: App, allowed: Iterable[str]) -> App:
    """Wrap ``app``: a websocket from a page of any other origin is answered 403."""
    known = frozenset(origin.lower() for origin in allowed)

    def checked(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "websocket":
            origin = dict(scope["headers"]).get(b"origin")
            if origin is not None and origin.decode("latin-1").lower() not in known:
                log.warning("websocket refused: an Origin that ALLOWED_ORIGINS does not name")
                metrics.refused("origin")
                return respond(scope, send, 403, "Pages of this origin may not open a websocket here.")
        return app(scope, receive, send)

    return checked
