# ruff: noqa
from channels.sessions import InstanceSessionWrapper


class LoggingSessionWrapper(InstanceSessionWrapper):
    def save_session(self):  # planted: E113
        super().save_session()


def tracing(app):
    """Logs every connection."""

    async def traced(scope, receive, send):
        print(scope["type"])
        await app(scope, receive, send)

    return traced


def legacy(scope):  # planted: E111
    async def instance(receive, send):
        await send({"type": "websocket.close"})

    return instance
