import os

import django
from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path

os.environ["DJANGO_SETTINGS_MODULE"] = "museum.settings"
django.setup()

from .consumers import Guide  # noqa: E402

application = ProtocolTypeRouter({"websocket": URLRouter([path("guide", Guide.as_asgi())])})
