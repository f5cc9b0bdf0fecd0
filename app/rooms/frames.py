"""The JSON that goes over a room's socket: reading what a client sends, writing what the server says.

A client sends
    {"type": "message", "text": str, "nonce": str}      say something; "/report" orders a report
    {"type": "typing"}
    {"type": "history", "before": int}                  the messages before that sequence
and hears
    welcome, message, typing, history, report, error, presence      (one function each, below)
The page speaks the subprotocol recoverable.v1, whose envelopes carry these frames, and in which who is present comes by
itself; any other client gets them bare, and one frame of presence when it comes.
"""

import json
import unicodedata
from dataclasses import dataclass

from .models import LONGEST_NONCE, LONGEST_TEXT, Message, Report

LARGEST_FRAME = 32 * 1024  # characters; the longest text fits, even if each character is \uXXXX\uXXXX
LARGEST_SEQUENCE = 2**63 - 1  # what the database can hold
KEPT_CONTROLS = "\n\t"
# Characters that turn the direction of the text after them: they can make one message look like another.
DIRECTION_CONTROLS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


class FrameError(Exception):
    """A frame is refused. ``code`` is for programs, ``detail`` for people."""

    def __init__(self, code: str, detail: str, nonce: str | None = None):
        super().__init__(detail)
        self.code, self.detail, self.nonce = code, detail, nonce


@dataclass(frozen=True)
class Say:
    """A message to store and to pass on."""

    text: str
    nonce: str


@dataclass(frozen=True)
class Typing:
    """The user is writing."""


@dataclass(frozen=True)
class HistoryWanted:
    """The page of messages before a sequence is asked for."""

    before: int


def parse(text: str | None) -> Say | Typing | HistoryWanted:
    """Read one frame of a client (None: it was binary); raises FrameError for all that is not as above."""
    frame = _decode(text)
    kind = frame.get("type")
    if kind == "message":
        return _say(frame)
    if kind == "typing":
        _only(frame, "type")
        return Typing()
    if kind == "history":
        _only(frame, "type", "before")
        return HistoryWanted(_sequence(frame.get("before")))
    raise FrameError("unknown_type", 'type must be "message", "typing" or "history"')


def clean(text: str) -> str:
    """``text`` with plain line ends, without control characters and without space around it."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    kept = (char for char in text if char in KEPT_CONTROLS or not _is_control(char))
    return "".join(kept).strip()


def welcome(user: str, room: str, last: int, after: int) -> dict:
    """The first frame: ``last`` is the room's newest sequence; those sent next begin after ``after``."""
    return {"type": "welcome", "user": user, "room": room, "last": last, "after": after}


def message(row: Message, ordered: Report | None = None) -> dict:
    """One message, with the report that it ordered."""
    frame = {
        "type": "message",
        "sequence": row.sequence,
        "user": row.author.get_username(),
        "text": row.text,
        "at": row.created.isoformat(timespec="milliseconds"),
        "nonce": row.nonce,
    }
    if ordered is not None:
        frame["report"] = report(ordered, row)
    return frame


def report(row: Report, ordered_by: Message) -> dict:
    """The state of a report, which belongs to the message ``ordered_by``."""
    return {
        "type": "report",
        "id": row.pk,
        "sequence": ordered_by.sequence,
        "state": row.state,
        "progress": row.progress,
        "result": row.result or None,
        "user": ordered_by.author.get_username(),
    }


def presence(users: list[str]) -> dict:
    """Everyone who is in the room now, for a client that gets no presence events."""
    return {"type": "presence", "users": users}


def typing(user: str) -> dict:
    """A person is writing."""
    return {"type": "typing", "user": user}


def history(messages: list[dict], more: bool) -> dict:
    """A page of older messages, oldest first; ``more``: there are older ones still."""
    return {"type": "history", "messages": messages, "more": more}


def error(code: str, detail: str, nonce: str | None = None) -> dict:
    """What was wrong; ``nonce`` names the message it is about, if it is about one."""
    return {"type": "error", "code": code, "detail": detail, "nonce": nonce}


def _decode(text: str | None) -> dict:
    if text is None:
        raise FrameError("not_text", "send text frames, not binary ones")
    if len(text) > LARGEST_FRAME:
        raise FrameError("too_long", f"a frame holds at most {LARGEST_FRAME} characters")
    try:
        frame = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):  # ValueError also for an integer of more than 4300 digits
        raise FrameError("not_json", "the frame is not JSON") from None
    if not isinstance(frame, dict):
        raise FrameError("not_an_object", 'the frame must be an object like {"type": "typing"}')
    return frame


def _refuse_constant(name: str):
    raise ValueError(f"{name} is not JSON")


def _only(frame: dict, *fields: str, nonce: str | None = None) -> None:
    extra = sorted(set(frame) - set(fields))
    if extra:
        named = ", ".join(field[:40] for field in extra[:3]).encode(errors="replace").decode()
        raise FrameError("unknown_field", f"this type of frame has no {named}", nonce)


def _say(frame: dict) -> Say:
    nonce = frame.get("nonce")
    if not isinstance(nonce, str) or not 1 <= len(nonce) <= LONGEST_NONCE or not nonce.isprintable():
        raise FrameError("bad_nonce", f"nonce must be a text of 1 to {LONGEST_NONCE} printable characters")
    _only(frame, "type", "text", "nonce", nonce=nonce)
    text = frame.get("text")
    if not isinstance(text, str):
        raise FrameError("bad_text", "text must be a text", nonce)
    text = clean(text)
    if not any(unicodedata.category(char)[0] not in "ZC" for char in text):
        raise FrameError("empty", "there is nothing to read in this message", nonce)
    if len(text) > LONGEST_TEXT:
        detail = f"a message has at most {LONGEST_TEXT} characters, this one has {len(text)}"
        raise FrameError("too_long", detail, nonce)
    return Say(text, nonce)


def _sequence(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LARGEST_SEQUENCE:
        raise FrameError("bad_before", "before must be a sequence: an integer from 1")
    return value


def _is_control(char: str) -> bool:
    """Controls, half of a surrogate pair (it cannot be stored), and what turns the direction of text."""
    return unicodedata.category(char) in ("Cc", "Cs") or char in DIRECTION_CONTROLS
