from django.urls import path

from .consumers import Counter

websocket_urlpatterns = [path("ws/orders/", Counter.as_asgi())]
