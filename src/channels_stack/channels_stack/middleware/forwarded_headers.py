"""Who asks, over which scheme and port: X-Forwarded-For, -Proto and -Port, believed from trusted peers only.

The edge overwrites the three headers with a single value each. From any other peer the headers are removed, so that an
application which reads them itself (SECURE_PROXY_SSL_HEADER, a limit by address) cannot be fooled either.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Awaitable, Sequence

from ..asgi.types import FORWARDING, App, Receive, Scope, Send
from ..config.settings import Network

PORT = re.compile(r"^[1-9][0-9]{0,4}$")
REMEMBERED = 1000  # peers
SET_BY_EDGE = frozenset((b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-port"))
SECURE_SCHEME = {"http": "https", "websocket": "wss"}
PLAIN_SCHEME = {"http": "http", "websocket": "ws"}


class ForwardedHeaders:
    """Sets ``client``, ``scheme`` and the port of ``server`` in each scope for ``app`` from what a peer in ``trusted`` says."""

    def __init__(self, app: App, trusted: Sequence[Network]) -> None:
        self.app = app
        self.trusted = tuple(trusted)
        self._peers: dict[str, bool] = {}  # whether they are trusted: nearly always the few edges

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] in PLAIN_SCHEME:
            scope = dict(scope)
            # Daphne gives the addresses as lists, and no scheme for websockets.
            scope["client"] = tuple(scope["client"]) if scope.get("client") else None
            scope.setdefault("scheme", PLAIN_SCHEME[scope["type"]])
            if self._is_trusted(scope["client"]):
                self._apply(scope)
            else:
                scope["headers"] = [pair for pair in scope["headers"] if pair[0].lower() not in FORWARDING]
        return self.app(scope, receive, send)

    def _is_trusted(self, client: tuple[str, int] | None) -> bool:
        if client is None:
            return False
        peer = client[0]
        known = self._peers.get(peer)
        if known is None:
            if len(self._peers) >= REMEMBERED:
                self._peers.clear()
            known = self._peers[peer] = self._is_in_a_network(peer)
        return known

    def _is_in_a_network(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self.trusted)

    def _apply(self, scope: Scope) -> None:
        headers = {
            name: value.decode("latin-1").strip()
            for name, value in ((name.lower(), value) for name, value in scope["headers"])
            if name in SET_BY_EDGE
        }
        address = headers.get(b"x-forwarded-for", "")
        with contextlib.suppress(ValueError):  # absent, or not the single address that the edge writes
            scope["client"] = (str(ipaddress.ip_address(address)), 0)
        scheme = headers.get(b"x-forwarded-proto", "").lower()
        if scheme == "https":
            scope["scheme"] = SECURE_SCHEME[scope["type"]]
        elif scheme == "http":
            scope["scheme"] = PLAIN_SCHEME[scope["type"]]
        port = headers.get(b"x-forwarded-port", "")
        if PORT.match(port):
            # Django makes SERVER_PORT of it. The name is used only without a Host header, which every request has.
            scope["server"] = ((scope.get("server") or ("",))[0], int(port))
