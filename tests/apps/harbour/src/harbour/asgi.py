import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "harbour.settings")
pages = get_asgi_application()

from channels.routing import ChannelNameRouter, ProtocolTypeRouter, URLRouter
from django.urls import path

from harbour.ships.consumers import LOADING, Crane, Quay

application = ProtocolTypeRouter(
    {
        "http": pages,
        "websocket": URLRouter([path("quay/", Quay.as_asgi())]),
        "channel": ChannelNameRouter({LOADING: Crane.as_asgi()}),
    }
)
