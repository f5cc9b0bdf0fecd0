"""What a client that recovers and a ``RecoverableConsumer`` say to each other, over the WebSocket subprotocol PROTOCOL.

The client's first frame is its *hello*: ``{"positions": {GROUP: POSITION, …}}``, what it has seen of which groups; empty for one
that comes for the first time. All its other frames are the application's own, as they are.

Every frame of the server is a JSON object, an *envelope*:

- ``{"e": TEXT}`` or ``{"b": BASE64}``: a frame of the application. With ``"g"`` and ``"p"`` it belongs to a group, and the client
  has seen everything of that group up to that position;
- ``{"s": GROUP, "p": POSITION, "r": true | false | null}``: subscribed. What the client has missed since this position comes
  next (true), or cannot be recovered (false), or it has presented no position (null); then what is new;
- ``{"l": GROUP, "p": POSITION}``: events of this group are lost, those after this position follow;
- ``{"w": GROUP, "i": {IDENTITY: DATA, …}, "n": COUNT}``: who is present, COUNT in all;
- ``{"w": GROUP, "j": {IDENTITY: DATA, …}, "x": [IDENTITY, …], "n": COUNT}``: who has joined, or says something else of
  itself, and who has left;
- ``{"a": 1}``: the answer to PING, a frame that the client may send after its hello to see whether the line lives.

A position is null in a group without history. A client without the subprotocol gets the application's frames alone.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from .positions import Position, parse

PROTOCOL = "recoverable.v1"
# Exactly this text; no frame of the application.
PING, PONG = '{"recoverable":"ping"}', '{"a":1}'
# Of a hello: its length in characters, and the groups that it may name. 500 groups are some 60 KB.
HELLO_LENGTH, HELLO_GROUPS = 64 * 1024, 500
TOO_LARGE, MALFORMED = 1009, 1002


class Unwelcome(Exception):
    """A hello that is none; ``code`` is what the socket is closed with."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


def positions(text: object) -> dict[str, Position | None]:
    """What a hello presents: by group, its position, or None where that is nothing that we have given. Raises Unwelcome."""
    if not isinstance(text, str):
        raise Unwelcome(MALFORMED, "the first frame must be a JSON object with positions")
    if len(text) > HELLO_LENGTH:
        raise Unwelcome(TOO_LARGE, f"the first frame must not be longer than {HELLO_LENGTH} characters")
    try:
        hello = json.loads(text)
    except (ValueError, RecursionError):
        hello = None
    presented = hello.get("positions") if isinstance(hello, dict) else None
    if not isinstance(presented, dict):
        raise Unwelcome(MALFORMED, "the first frame must be a JSON object with positions")
    if len(presented) > HELLO_GROUPS:
        raise Unwelcome(TOO_LARGE, f"the first frame must not name more than {HELLO_GROUPS} groups")
    return {group: parse(position) for group, position in presented.items()}


def frame(content: str | bytes, group: str = "", position: Position | None = None) -> str:
    """The envelope of an application's frame."""
    envelope: dict[str, Any] = (
        {"e": content} if isinstance(content, str) else {"b": base64.b64encode(content).decode("ascii")}
    )
    if group:
        envelope["g"] = group
        envelope["p"] = _text(position)
    return _written(envelope)


def subscribed(group: str, position: Position | None, recovered: bool | None) -> str:
    """The envelope that says what becomes of what the client has missed."""
    return _written({"s": group, "p": _text(position), "r": recovered})


def lost(group: str, position: Position | None) -> str:
    """The envelope that says that events are lost."""
    return _written({"l": group, "p": _text(position)})


def present(group: str, entries: dict[str, Any], count: int) -> str:
    """The envelope with who is present."""
    return _written({"w": group, "i": entries, "n": count})


def presence_changed(group: str, joined: dict[str, Any], left: list[str], count: int) -> str:
    """The envelope with who has joined and who has left since."""
    return _written({"w": group, "j": joined, "x": left, "n": count})


def _text(position: Position | None) -> str | None:
    return None if position is None else str(position)


def _written(envelope: dict[str, Any]) -> str:
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":"))
