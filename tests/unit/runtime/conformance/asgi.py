"""Pages and sockets, with the origin check that every project has."""

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import OriginValidator
from django.core.asgi import get_asgi_application
from django.urls import path

pages = get_asgi_application()

from conformance import sockets

routes = [
    path("echo/", sockets.Echo.as_asgi()),
    path("database/", sockets.Database.as_asgi()),
    path("broken/", sockets.Broken.as_asgi()),
    path("broken-connect/", sockets.BrokenConnect.as_asgi()),
    path("stubborn/", sockets.Stubborn.as_asgi()),
    path("undecided/", sockets.Undecided.as_asgi()),
    path("silent/", sockets.Silent.as_asgi()),
    path("chatty/", sockets.Chatty.as_asgi()),
    path("strict/", sockets.Strict.as_asgi()),
    path("sync/", sockets.Sync.as_asgi()),
    path("flood/", sockets.Flood.as_asgi()),
    path("busy/", sockets.Busy.as_asgi()),
]
application = ProtocolTypeRouter(
    {"http": pages, "websocket": OriginValidator(URLRouter(routes), ["https://localhost"])}
)

sockets_only = ProtocolTypeRouter({"websocket": URLRouter(routes)})


class Middleware:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        await self.app(scope, receive, send)


wrapped_sockets_only = Middleware(ProtocolTypeRouter({"websocket": URLRouter(routes)}))

not_callable = "a text"
