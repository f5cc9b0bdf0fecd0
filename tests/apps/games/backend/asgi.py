from channels.routing import ChannelNameRouter, ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path
from scores.consumers import Counter, Game  # imports models before Django is set up

game_server = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": URLRouter([path("play", Game.as_asgi())]),
        "channel": ChannelNameRouter({"scores": Counter.as_asgi()}),
    }
)
