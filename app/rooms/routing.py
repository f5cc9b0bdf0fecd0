"""Which consumer serves which socket, and which channel of the worker."""

from django.urls import path

from .consumers import RoomConsumer
from .reports import ReportConsumer

websocket_urlpatterns = [path("ws/rooms/<slug:slug>/", RoomConsumer.as_asgi())]
channel_consumers = {"reports": ReportConsumer.as_asgi()}
