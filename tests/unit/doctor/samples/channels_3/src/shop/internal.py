# ruff: noqa
"""A second application, for the staff, served on another port."""

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

django_application = get_asgi_application()

from orders.consumers import OrderConsumer
from orders.sessions import tracing

application = ProtocolTypeRouter(
    {
        "http": django_application,
        "websocket": tracing(  # planted: E501
            AuthMiddlewareStack(URLRouter([path("staff/", OrderConsumer.as_asgi())]))
        ),
    }
)
