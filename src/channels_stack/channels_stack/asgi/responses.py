"""Short answers of the stack's own: of probes, and in place of the application."""

from __future__ import annotations

from collections.abc import Iterable

from .types import Scope, Send

Headers = Iterable[tuple[bytes, bytes]]

RETRY_AFTER = b"5"
"""Seconds after which to try again: Redis and PostgreSQL restart within, and a queue of requests is worked off."""


async def respond(
    scope: Scope, send: Send, status: int, reason: str, headers: Headers = (), *, kind: str = "text/plain"
) -> None:
    """Answer an HTTP request, or a websocket that is not accepted yet, with a short response.

    A server without the extension ``websocket.http.response`` can only say 403.
    """
    body = reason.encode() + b"\n"
    sent = [(b"cache-control", b"no-store"), *headers]
    prefix = "http.response"
    if scope["type"] == "websocket":
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": 1000})
            return
        prefix = "websocket.http.response"  # here servers give the type, text/plain, and the length
    else:
        sent.append((b"content-type", f"{kind}; charset=utf-8".encode()))
        sent.append((b"content-length", str(len(body)).encode()))
    await send({"type": f"{prefix}.start", "status": status, "headers": sent})
    await send({"type": f"{prefix}.body", "body": b"" if scope.get("method") == "HEAD" else body})
