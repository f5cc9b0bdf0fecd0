"""The websockets of the console: ``path("console/", URLRouter(websocket_urlpatterns))``, under the path of its pages."""

from __future__ import annotations

from channels.auth import AuthMiddlewareStack
from django.urls import path

from .live import Live

# With the sign-in by Django's session of its own: the project's sockets may have another.
_live = AuthMiddlewareStack(Live.as_asgi())

websocket_urlpatterns = [path("", _live, {"page": "overview"}), path("<slug:page>/", _live)]
