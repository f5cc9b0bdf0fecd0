import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "forum.settings")
http = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path
from forum.consumers import Thread

application = ProtocolTypeRouter({"http": http, "websocket": URLRouter([path("thread/", Thread.as_asgi())])})
