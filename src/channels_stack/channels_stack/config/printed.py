"""What a project prints, and raises, while its settings are imported: some of it holds what they read, and a log is for many
eyes.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TextIO
from urllib.parse import unquote, urlsplit

HIDDEN = "***"
SHORTEST = 6
"""A text so short may be a word as well."""

PART = 8
"""So many characters of a secret in a row are that secret, shortened: libraries print ``redis://ap...Y9tqhe5vg@redis``."""

_secret: list[str] = []
"""What is hidden at the moment, the longest first; parts of those that are no URL are hidden too."""


def masked(text: str) -> str:
    """TEXT without the secrets that ``without`` was given, and without parts of them."""
    for secret in _secret:
        text = text.replace(secret, HIDDEN)
    parts = {
        secret[at : at + PART]
        for secret in _secret
        if "://" not in secret
        for at in range(len(secret) - PART + 1)
    }
    if not any(part in text for part in parts):
        return text
    starts = [at for at in range(len(text)) if text[at : at + PART] in parts]
    hidden = {place for at in starts for place in range(at, at + PART)}
    return "".join(
        HIDDEN if at in hidden and at - 1 not in hidden else "" if at in hidden else letter
        for at, letter in enumerate(text)
    )


class _Stream:
    """STREAM, to which no secret is written."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        return self.stream.write(masked(text))

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextlib.contextmanager
def without(values: Iterable[str]) -> Iterator[None]:
    """Within the block standard output and error hold none of VALUES, nor the passwords of those that are URLs.

    What is raised in it is for who reports it to pass through ``masked``, there.
    """
    secrets = {secret for value in values for secret in _secrets(value) if len(secret) >= SHORTEST}
    if not secrets:
        yield
        return
    before = _secret[:]
    _secret[:] = sorted({*before, *secrets}, key=len, reverse=True)
    try:
        with (
            contextlib.redirect_stdout(_Stream(sys.stdout)),
            contextlib.redirect_stderr(_Stream(sys.stderr)),
        ):
            yield
    finally:
        _secret[:] = before


def _secrets(value: str) -> Iterator[str]:
    yield value
    try:
        password = urlsplit(value).password
    except ValueError:
        return
    if password:
        yield from (password, unquote(password))
