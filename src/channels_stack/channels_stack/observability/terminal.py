"""What a line for people may hold: text of strangers gives their terminal no orders, and begins no line of its own."""

from __future__ import annotations

import re

# What a terminal obeys, what ends a line for some, what changes the direction of writing, and what is no text.
_UNSHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """``text`` with its lines, without what a terminal obeys: that is shown as \\x1b."""
    return _UNSHOWN.sub(_escaped, text)


def indented(text: str) -> str:
    """The same with each line but the first indented."""
    return printable(text).replace("\n", "\n    ")


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    return repr(character)[1:-1] if character < "\x7f" else f"\\u{ord(character):04x}"
