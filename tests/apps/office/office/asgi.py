import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "office.settings")
http = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path
from office.consumers import Desk

application = ProtocolTypeRouter({"http": http, "websocket": URLRouter([path("desk", Desk.as_asgi())])})
