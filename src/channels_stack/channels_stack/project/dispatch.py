"""What a project's ProtocolTypeRouter passes connections to, and the pages that it forgot.

Channels 3 added the route for HTTP by itself, Channels 4 does not: a project that has served its pages over WSGI
until now routes websockets only.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Iterator
from typing import Any

from ..asgi.types import App, Receive, Scope, Send

DEEPEST = 10
INNER = ("inner", "application", "app")
"""Where a middleware keeps what it wraps."""


def routes(app: Any) -> dict[str, App] | None:
    """The applications of the router in APP or in what APP wraps, by type of connection; None without a router."""
    from channels.routing import ProtocolTypeRouter

    for _ in range(DEEPEST):
        if isinstance(app, ProtocolTypeRouter):
            mapping: dict[str, App] = app.application_mapping
            return mapping
        if inspect.isclass(app) or not hasattr(app, "__dict__"):
            return None
        app = next((vars(app)[name] for name in INNER if callable(vars(app).get(name))), None)
    return None


def routes_websockets(app: Any) -> bool:
    """Whether APP may have websockets; False only for what surely has none: Django's own application, a router without them."""
    from django.core.handlers.asgi import ASGIHandler

    found = routes(app)
    return not isinstance(app, ASGIHandler) if found is None else "websocket" in found


def leaves(app: Any) -> Iterator[App]:
    """The applications for pages that APP, a router or a middleware of Channels', comes to in the end.

    Without Django's own and Channels' consumers.
    """
    from channels.routing import URLRouter
    from django.core.handlers.asgi import ASGIHandler

    if app is None or isinstance(app, ASGIHandler) or hasattr(app, "consumer_class"):
        return
    if isinstance(app, URLRouter):
        for route in app.routes:
            yield from leaves(getattr(route, "callback", None))
    elif type(app).__module__.startswith("channels."):
        yield from leaves(getattr(app, "inner", None))
    else:
        yield app


def below(app: App, prefix: str) -> App:
    """APP, whose websockets may come below PREFIX too, as Django's pages do where FORCE_SCRIPT_NAME says so."""
    prefix = prefix.rstrip("/")
    if not prefix:
        return app

    def stripped(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "websocket" and scope["path"].startswith(f"{prefix}/"):
            # `path_remaining` is what every version of Channels' URLRouter goes by.
            scope = {**scope, "root_path": prefix, "path_remaining": scope["path"][len(prefix) :]}
        return app(scope, receive, send)

    return stripped


def add_pages(app: App) -> bool:
    """Route HTTP to Django's own application where the router in APP has no route for it; whether it lacked one."""
    found = routes(app)
    if found is None or "http" in found:
        return False
    from django.core.asgi import get_asgi_application

    found["http"] = get_asgi_application()
    return True
