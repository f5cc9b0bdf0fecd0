import os

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
pages = get_asgi_application()

from .consumers import Stage  # noqa: E402


async def lifespan(scope, receive, send):
    await receive()
    scope["state"]["piano"] = "tuned"
    await send({"type": "lifespan.startup.complete"})
    await receive()
    print("the piano is closed", flush=True)
    await send({"type": "lifespan.shutdown.complete"})


application = ProtocolTypeRouter(
    {"http": pages, "websocket": URLRouter([path("stage/", Stage.as_asgi())]), "lifespan": lifespan}
)
