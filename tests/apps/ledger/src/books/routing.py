from channels.routing import URLRouter
from django.urls import path

from .consumers import Entries

sockets = URLRouter([path("books/<int:book>/", Entries.as_asgi())])
