from django.urls import path

from .consumers import Stall

routes = [path("ws/stalls/", Stall.as_asgi())]
