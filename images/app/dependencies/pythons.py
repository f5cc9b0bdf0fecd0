"""Which Python a project asks for."""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator
from pathlib import Path

from . import poetry
from .reading import toml


def wanted_pythons(root: Path, path: Path) -> Iterator[tuple[str, str]]:
    """(file:line, specifiers) of what the project in ROOT, and the folder of its requirements PATH, say of their Python."""
    for folder in dict.fromkeys([path.parent, root]):
        place = folder / "pyproject.toml"
        if place.exists():
            content = toml(place)
            asked = content.get("tool", {}).get("poetry", {}).get("dependencies", {}).get("python")
            wanted = content.get("project", {}).get("requires-python")
            if isinstance(asked, str) and not wanted:
                # "^3.11 || ^4.0": one of them is enough, and there is no Python 4.
                wanted = poetry.versions(asked.partition("||")[0])
            if wanted:
                yield _line_of(place, root, r"^[ \t]*(requires-python|python)\s*="), wanted
        place = folder / "setup.cfg"
        if place.exists():
            parser = configparser.ConfigParser(interpolation=None)
            parser.read(place, encoding="utf-8")
            wanted = parser.get("options", "python_requires", fallback="").strip()
            if wanted:
                yield _line_of(place, root, r"^python_requires"), wanted


def _line_of(path: Path, root: Path, pattern: str) -> str:
    """file:line of PATH, seen from ROOT, where PATTERN is."""
    text = path.read_text(encoding="utf-8")
    match = re.search(pattern, text, re.M)
    return f"{path.relative_to(root)}:{text.count(chr(10), 0, match.start()) + 1 if match else 1}"
