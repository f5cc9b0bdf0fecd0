# ruff: noqa
import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ChannelNameRouter, ProtocolTypeRouter, URLRouter
from channels.security.websocket import OriginValidator
from django.core.asgi import get_asgi_application

import orders.routing  # planted: E202

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings.production")

inner = AuthMiddlewareStack(URLRouter(orders.routing.websocket_urlpatterns))  # planted: W512
application = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": OriginValidator(
            inner,
            [
                "https://shop.example",
                "http://shop.example",  # planted: W503
                "*",  # planted: E502
            ],
        ),
        "channel": ChannelNameRouter(orders.routing.channels),
    }
)
