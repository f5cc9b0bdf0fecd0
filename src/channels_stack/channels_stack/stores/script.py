"""A script that Redis runs in one step."""

from __future__ import annotations

import hashlib


class Script:
    """A Lua text and the name under which Redis keeps it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
