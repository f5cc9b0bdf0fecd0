import os

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
pages = get_asgi_application()

from books.routing import sockets

application = ProtocolTypeRouter({"http": pages, "websocket": URLRouter([path("ws/", sockets)])})
