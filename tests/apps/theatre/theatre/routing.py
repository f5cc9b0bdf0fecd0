from django.urls import path

from .consumers import Stage

routes = [path("stage/", Stage.as_asgi())]
