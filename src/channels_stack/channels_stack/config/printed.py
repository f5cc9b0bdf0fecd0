"""What a project prints while its settings are imported: some print what they read, and a log is for many eyes."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TextIO
from urllib.parse import unquote, urlsplit

HIDDEN = "***"
SHORTEST = 6
"""A text so short may be a word as well."""


class _Stream:
    """STREAM, to which no secret is written."""

    def __init__(self, stream: TextIO, secrets: Iterable[str]) -> None:
        self.stream = stream
        self.secrets = sorted(secrets, key=len, reverse=True)

    def write(self, text: str) -> int:
        for secret in self.secrets:
            text = text.replace(secret, HIDDEN)
        return self.stream.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextlib.contextmanager
def without(values: Iterable[str]) -> Iterator[None]:
    """Within the block standard output and error hold none of VALUES, nor the passwords of those that are URLs."""
    secrets = {secret for value in values for secret in _secrets(value) if len(secret) >= SHORTEST}
    if not secrets:
        yield
        return
    with (
        contextlib.redirect_stdout(_Stream(sys.stdout, secrets)),
        contextlib.redirect_stderr(_Stream(sys.stderr, secrets)),
    ):
        yield


def _secrets(value: str) -> Iterator[str]:
    yield value
    try:
        password = urlsplit(value).password
    except ValueError:
        return
    if password:
        yield from (password, unquote(password))
