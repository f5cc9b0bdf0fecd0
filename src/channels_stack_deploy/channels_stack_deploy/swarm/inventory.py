"""What an inventory says, on the controller: a deployment that is made from its variables."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..config import schema
from ..console import Failure
from ..local import compose
from ..paths import Deployment
from .render import Release


@contextlib.contextmanager
def place(folder: Path, *, check: bool) -> Iterator[Deployment]:
    """The deployment in FOLDER, or for a CHECK run in a copy that is removed."""
    if not check:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        yield Deployment(folder)
        return
    with tempfile.TemporaryDirectory(prefix="channels-stack-") as copy:
        target = Path(copy) / "environment"
        if folder.exists():
            shutil.copytree(folder, target)
        else:
            target.mkdir()
        yield Deployment(target)


def lines(values: dict[str, Any], name: str) -> str:
    """VALUES as NAME=value lines, as Compose's env files take them."""
    found = []
    for key, value in values.items():
        text = word(value, key)
        if "\n" in text or "'" in text:
            raise Failure(
                f"{name}.{key} holds a line break or a quote ('), which no env file can carry; a file or secret can"
            )
        found.append(f"{key}={compose.quoted(text)}\n")
    return "".join(found)


def word(value: Any, name: str) -> str:
    """VALUE of a variable as the setting NAME is written: true for YAML's yes, and on where it takes that word."""
    if not isinstance(value, bool):
        return str(value)
    if "on" in schema.CHOICES.get(name, ()):
        return "on" if value else "off"
    return str(value).lower()


def save(release: Release, folder: Path) -> None:
    """Write the files of RELEASE, and nothing else, to FOLDER."""
    write(folder, {**release.files, "objects.json": json.dumps(release.objects)})


def write(folder: Path, texts: dict[str, str]) -> None:
    """Write TEXTS, file by file, and nothing else to FOLDER, for this user's eyes only."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for path in folder.iterdir():
        if path.name not in texts:
            path.unlink()
    for name, text in texts.items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(text)
