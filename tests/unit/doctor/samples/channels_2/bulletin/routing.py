# ruff: noqa
from channels.auth import AuthMiddlewareStack
from channels.http import AsgiHandler  # planted: E101
from channels.routing import ChannelNameRouter, ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.conf.urls import url

from bulletin.feed import consumers
from bulletin.feed.middleware import TokenAuthMiddleware

application = ProtocolTypeRouter(  # planted: E201
    {
        "websocket": AllowedHostsOriginValidator(
            TokenAuthMiddleware(
                AuthMiddlewareStack(
                    URLRouter(
                        [
                            url(r"^feed/(?P<board>\w+)/$", consumers.FeedConsumer),  # planted: E203
                            url(r"^ticker/$", consumers.TickerConsumer),  # planted: E203
                        ]
                    )
                )
            )
        ),
        "channel": ChannelNameRouter({"digest": consumers.DigestConsumer}),  # planted: E203
    }
)
