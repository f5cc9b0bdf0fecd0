# ruff: noqa
"""Left behind since Channels 1."""

from channels import Group  # planted: E106
from channels.asgi import get_channel_layer  # planted: E107
from channels.hacks import monkeypatch_django  # planted: E104
from channels.routing import route  # planted: E106
from channels.sessions import channel_session  # planted: E106


@channel_session
def ws_connect(message):
    monkeypatch_django()
    Group("all").add(message.reply_channel)


channel_routing = [route("websocket.connect", ws_connect)]
layer = get_channel_layer()
