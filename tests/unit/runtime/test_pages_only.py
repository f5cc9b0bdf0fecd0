"""An application without Channels: Django's own, which has pages and event streams and no websockets."""

from __future__ import annotations

import pytest
from serving import SERVERS, serve

from channels_stack.project import dispatch


@pytest.fixture(params=SERVERS)
def serving(request, redis, tmp_path):
    serving = serve(tmp_path, redis, request.param, APP_ASGI="conformance.asgi:pages")
    yield serving
    serving.kill()


def test_a_handshake_finds_no_websocket(serving):
    refusal = serving.refusal("/anywhere/")
    status = getattr(refusal, "status_code", None) or refusal.status
    assert status == 404
    assert "Traceback" not in serving.says("websocket refused: no consumer")


def test_only_what_surely_has_no_websockets_is_said_to_have_none():
    from channels.routing import ProtocolTypeRouter
    from django.core.handlers.asgi import ASGIHandler

    async def other(scope, receive, send): ...

    pages = ASGIHandler.__new__(ASGIHandler)
    assert not dispatch.routes_websockets(pages)
    assert not dispatch.routes_websockets(ProtocolTypeRouter({"http": pages}))
    assert dispatch.routes_websockets(ProtocolTypeRouter({"websocket": other}))
    assert dispatch.routes_websockets(other)
