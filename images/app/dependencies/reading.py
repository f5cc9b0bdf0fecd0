"""What all readers of a project's files have in common."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any


class Unreadable(Exception):
    """A file says nothing that can be installed; the text is one line with the fix."""


def canonical(name: str) -> str:
    """The one spelling of a package name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file; the standard library reads them from Python 3.11 on, pip brings a reader before."""
    try:
        import tomllib
    except ModuleNotFoundError:
        from pip._vendor import tomli as tomllib  # type: ignore[no-redef]
    return tomllib.loads(path.read_text(encoding="utf-8"))


def text_of(path: Path) -> str:
    """The text of PATH: PowerShell's `>` writes UTF-16."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Unreadable(f"{path.name} cannot be read: {error.strerror}") from None
    return content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")


def outside(what: str) -> str:
    return f"{what}, which is outside of APP_DIR, so no image has it: make adopt P=FOLDER with the folder that holds both"
