"""uv's workspaces: several projects below one root, with one lock. A member is built from there."""

from __future__ import annotations

import contextlib
import fnmatch
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from . import tables
from .tree import Tree

Names = Callable[[str], str]


def root_above(folder: Path) -> Path | None:
    """The root of the workspace that FOLDER is a member of; None where it is in none, or is the root itself."""
    for root in folder.parents:
        table = _toml(root / "pyproject.toml").get("tool", {}).get("uv", {}).get("workspace")
        if isinstance(table, dict):
            place = str(folder.relative_to(root))

            def is_one(patterns: Iterable[str], place: str = place) -> bool:
                return any(
                    fnmatch.fnmatch(place, pattern.removeprefix("./").rstrip("/")) for pattern in patterns
                )

            is_member = folder in _members(root, table) and not is_one(table.get("exclude", []))
            return root if is_member else None
    return None


def _members(root: Path, table: dict[str, Any]) -> Iterator[Path]:
    """As the build sees them: `*` is for one folder and none below it."""
    for pattern in table.get("members", []):
        with contextlib.suppress(NotImplementedError, IndexError, ValueError):
            yield from root.glob(pattern)


def locked(tree: Tree, path: str, canonical: Names) -> tuple[str, list[str]] | None:
    """(lock, packages) of the member whose pyproject.toml is at PATH, with what those need; None where it is no member."""
    folder = (tree.root / path).parent
    root = root_above(folder)
    if root is None or not root.is_relative_to(tree.root) or not (root / "uv.lock").is_file():
        return None
    lock = str((root / "uv.lock").relative_to(tree.root))
    entries: dict[str, list[dict[str, Any]]] = {}
    for entry in _toml(root / "uv.lock", tables.UV_LOCK).get("package", []):
        entries.setdefault(canonical(entry.get("name", "")), []).append(entry)
    waiting = [canonical(_toml(tree.root / path).get("project", {}).get("name", ""))]
    names: dict[str, None] = {}
    while waiting:
        name = waiting.pop()
        if name not in names:
            names[name] = None
            for entry in entries.get(name, []):
                extras = entry.get("optional-dependencies", {}).values()
                asked = [*entry.get("dependencies", []), *(each for extra in extras for each in extra)]
                waiting += [canonical(each.get("name", "")) for each in asked]
    return lock, list(names)


def _toml(path: Path, form: dict[str, Any] = tables.DECLARED) -> dict[str, Any]:
    try:
        return tables.read(path.read_text(encoding="utf-8"), form)
    except (OSError, ValueError):
        return {}
