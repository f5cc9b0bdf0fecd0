import os

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path
from protocol.transport import GraphQLTransport, Undecided

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "api.settings")

application = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": URLRouter(
            [path("graphql", GraphQLTransport.as_asgi()), path("undecided", Undecided.as_asgi())]
        ),
    }
)
