"""The operator's files as text."""

from __future__ import annotations

from pathlib import Path

from ..console import Failure


def read(path: Path) -> str:
    """The text of the file at PATH. Raises Failure where it is not UTF-8, which an editor may have written."""
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Failure(f"{path}:{line}: it is not UTF-8: save the file as UTF-8") from None
