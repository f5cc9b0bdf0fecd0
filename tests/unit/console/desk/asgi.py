"""Pages, a talk, and the console."""

from channels.auth import AuthMiddlewareStack
from channels.consumer import AsyncConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ChannelNameRouter, ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

pages = get_asgi_application()

from channels_stack.console.routing import websocket_urlpatterns as console


class Talk(AsyncWebsocketConsumer):
    """A member of the group of its path; says when it is in."""

    async def connect(self):
        await self.channel_layer.group_add(self.scope["url_route"]["kwargs"]["group"], self.channel_name)
        await self.accept()
        await self.send("in")

    async def say(self, event):
        await self.send(event["text"])


class Mail(AsyncConsumer):
    async def mail_send(self, message):
        raise LookupError(f"nobody takes {message['text']}")


sockets = URLRouter([path("talk/<str:group>/", Talk.as_asgi()), path("ops/console/", URLRouter(console))])

application = ProtocolTypeRouter(
    {
        "http": pages,
        "websocket": AuthMiddlewareStack(sockets),
        "channel": ChannelNameRouter({"mail": Mail.as_asgi()}),
    }
)
