"""What a project prints, and raises, while its settings are imported: some of it holds what they read, and a log is for many
eyes.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
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
    return _hidden(text, _secret)


def cleared(text: str, config: Any) -> str:
    """TEXT on one line, without any text in CONFIG: what a stranger's code raises may repeat all of it.

    Of the passwords in its URLs each word is hidden too, as one with a slash is read as a port.
    """
    values = set(_texts(config, set()))
    passwords = {password for value in values for password in _passwords(value)}
    words = {word for password in passwords for word in re.split(r"\W+", password)}
    written = {repr(value)[1:-1] for value in values}
    for each in sorted({*values, *written, *passwords, *words} - {""}, key=len, reverse=True):
        border = ("", "") if len(each) >= SHORTEST else (r"(?<!\w)", r"(?!\w)")
        text = re.sub(re.escape(each).join(border), HIDDEN, text)
    return " ".join(_hidden(text, [each for each in passwords if len(each) >= SHORTEST]).split())


def _texts(config: Any, seen: set[int]) -> Iterator[str]:
    """Each text in CONFIG but the names, which may contain itself."""
    if isinstance(config, (str, bytes)):
        yield config if isinstance(config, str) else config.decode(errors="replace")
    elif isinstance(config, (Mapping, list, tuple, set, frozenset)) and id(config) not in seen:
        seen.add(id(config))
        for each in config.values() if isinstance(config, Mapping) else config:
            yield from _texts(each, seen)


def _passwords(value: str) -> Iterator[str]:
    """What may be the password of VALUE, where that is a URL, also of one that cannot be parsed."""
    user, at, _ = value.partition("://")[2].rpartition("@")
    if at:
        password = user.partition(":")[2] or user
        yield from (password, unquote(password))


def _hidden(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    parts = {
        secret[at : at + PART]
        for secret in secrets
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
