"""Who may open a socket: the pages of our own origins."""

from urllib.parse import urlsplit

from channels.security.websocket import OriginValidator, WebsocketDenier


class StrictOriginValidator(OriginValidator):
    """Channels' validator, which also refuses what it would fail on: an Origin that is no URL, or two."""

    async def __call__(self, scope, receive, send):
        """Refuse a malformed Origin; let Channels decide about any other."""
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        if len(origins) > 1 or not all(_is_url(origin) for origin in origins):
            return await WebsocketDenier()(scope, receive, send)
        return await super().__call__(scope, receive, send)


def _is_url(origin: bytes) -> bool:
    try:
        return urlsplit(origin.decode("ascii")).port != 0
    except ValueError:
        return False
