"""The ASGI application: pages, websockets and the worker's channels."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# First, because it sets Django up: the imports below need models.
django_application = get_asgi_application()

from channels.auth import AuthMiddlewareStack
from channels.routing import ChannelNameRouter, ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.urls import path
from rooms.routing import channel_consumers, websocket_urlpatterns
from rooms.sockets import StrictOriginValidator

from channels_stack.console.routing import websocket_urlpatterns as console

sockets = URLRouter([*websocket_urlpatterns, path("console/", URLRouter(console))])

application = ProtocolTypeRouter(
    {
        "http": django_application,
        "websocket": StrictOriginValidator(
            AuthMiddlewareStack(sockets),
            settings.ALLOWED_ORIGINS,
        ),
        "channel": ChannelNameRouter(channel_consumers),
    }
)
