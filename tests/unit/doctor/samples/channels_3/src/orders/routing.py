# ruff: noqa
from django.urls import include, path, re_path
from channels.routing import URLRouter

from . import consumers

more = [path("", include("orders.more"))]  # planted: E204
websocket_urlpatterns = [
    re_path(r"orders/(?P<number>\d+)/$", consumers.OrderConsumer.as_asgi()),
    path("more/", URLRouter(more)),
]
channels = {"invoices": consumers.InvoiceConsumer.as_asgi()}
