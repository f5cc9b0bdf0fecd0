"""What websockets may take, in one process: sockets in all, of one address, of one user; messages of one socket.

Too many sockets are refused before the upgrade, with Retry-After: 503 when the process is full, 429 when one asks
for too much. Messages that come too fast close their socket with 1008.
"""

from __future__ import annotations

import ipaddress
import time
from collections import Counter
from collections.abc import Awaitable, Hashable
from typing import Callable

from ..asgi.types import SOCKET, App, Message, Receive, Scope, Send
from ..config.settings import Settings
from ..lifecycle import users
from ..lifecycle.sockets import Refusal, Socket

RETRY_SECONDS = 5
FULL = Refusal(503, "Too many open websockets.", RETRY_SECONDS, "full")
ADDRESS = Refusal(429, "Too many open websockets from this address.", RETRY_SECONDS, "address")
USER = Refusal(429, "Too many open websockets of this user.", RETRY_SECONDS, "user")

BURST_SECONDS = 10  # what a socket may send in this time, it may send at once
POLICY = 1008
HOST_BITS = 64  # of an IPv6 address; one customer has at least so many


class Limits:
    """Holds the websockets of ``app`` to the limits of ``settings``. A limit of 0 is none.

    They are counted from the handshake on, those of a user from when the application accepts: only then it is
    known who that is.
    """

    def __init__(self, app: App, settings: Settings) -> None:
        self.app = app
        self.max_sockets = settings.ws_max_sockets
        self.max_of_address = settings.ws_max_sockets_per_address
        self.max_of_user = settings.ws_max_sockets_per_user
        self.messages_per_second = settings.ws_messages_per_second
        self.sockets = 0
        self.of_address: Counter[Hashable] = Counter()
        self.of_user: Counter[Hashable] = Counter()

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "websocket":
            return self.app(scope, receive, send)
        address = network(scope)
        if self.sockets >= self.max_sockets:
            return FULL.answer(scope, send)
        if 0 < self.max_of_address <= self.of_address[address]:
            return ADDRESS.answer(scope, send)
        return self._serve(address, scope[SOCKET], scope, receive, send)

    async def _serve(
        self, address: Hashable, socket: Socket, scope: Scope, receive: Receive, send: Send
    ) -> None:
        user: Hashable | None = None

        async def counted_send(message: Message) -> None:
            nonlocal user
            if message["type"] == "websocket.accept" and user is None:
                user = users.user(socket)
                if user is not None:
                    self.of_user[user] += 1
                    if 0 < self.max_of_user < self.of_user[user]:
                        await socket.close(POLICY, "too many sockets", USER)
            await send(message)

        self.sockets += 1
        self.of_address[address] += 1
        try:
            await self.app(scope, self._rate_limited(socket, receive), counted_send)
        finally:
            self.sockets -= 1
            _release(self.of_address, address)
            if user is not None:
                _release(self.of_user, user)

    def _rate_limited(self, socket: Socket, receive: Receive) -> Receive:
        if not self.messages_per_second:
            return receive
        bucket = TokenBucket(self.messages_per_second)

        async def limited() -> Message:
            message = await receive()
            if message["type"] == "websocket.receive" and not bucket.take():
                await socket.close(POLICY, "too many messages")
                return await receive()  # that it is closed
            return message

        return limited


class TokenBucket:
    """Lets ``rate`` events per second through in the long run, and BURST_SECONDS of them at once."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self.burst = self.tokens = rate * BURST_SECONDS
        self._clock = clock
        self._counted = clock()

    def take(self) -> bool:
        """Whether one more event may pass now."""
        now = self._clock()
        self.tokens = min(self.burst, self.tokens + (now - self._counted) * self.rate)
        self._counted = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


def network(scope: Scope) -> Hashable:
    """Whom the client's address stands for: itself, or in IPv6 the network of one customer."""
    host = scope["client"][0] if scope.get("client") else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return host if address.version == 4 else int(address) >> HOST_BITS


def _release(counted: Counter[Hashable], key: Hashable) -> None:
    """One less of ``key``; who has none leaves no trace."""
    counted[key] -= 1
    if counted[key] <= 0:
        del counted[key]
