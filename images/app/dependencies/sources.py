"""Where a pyproject.toml of uv takes packages from that are on no index, and uv's workspaces: members of one lock.

A name that stands for a folder or a repository must never be asked of an index, where it is a stranger's package.
"""

from __future__ import annotations

import contextlib
import fnmatch
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .reading import Unreadable, canonical, outside, toml

REQUIREMENT = re.compile(r"\s*(?P<name>[A-Za-z0-9][\w.-]*)\s*(?P<extras>\[[^\]]*\])?[^;]*(?P<marker>;.*)?")


def workspace(folder: Path) -> Path | None:
    """The root of the workspace that FOLDER is a member of; None where it is in none, or is the root itself."""
    for root in folder.parents:
        table = _table(root).get("workspace")
        if table is not None:
            return root if folder in members(root) else None
    return None


def members(root: Path) -> list[Path]:
    """The folders of the workspace at ROOT."""
    table = _table(root).get("workspace", {})
    found = []
    for pattern in table.get("members", []):
        # A pattern that no folder below the root can have, such as an absolute one, has no members.
        with contextlib.suppress(NotImplementedError, IndexError, ValueError, TypeError):
            found += sorted(root.glob(pattern))
    left_out = [pattern.rstrip("/") for pattern in table.get("exclude", [])]
    return [
        path
        for path in found
        if (path / "pyproject.toml").is_file()
        and not any(fnmatch.fnmatch(str(path.relative_to(root)), pattern) for pattern in left_out)
    ]


def lines(path: Path, requirements: Iterable[str]) -> Iterator[str]:
    """REQUIREMENTS of the pyproject.toml at PATH, each from where its sources say. Raises Unreadable."""
    root = workspace(path.parent) or path.parent
    sources = {
        canonical(name): source
        for folder in (root, path.parent)
        for name, source in _table(folder).get("sources", {}).items()
    }
    for line in requirements:
        match = REQUIREMENT.fullmatch(line)
        source = sources.get(canonical(match["name"])) if match else None
        choices = source if isinstance(source, list) else [source]
        source = next((each for each in choices if isinstance(each, dict) and _applies(each)), None)
        yield _line(path, root, match, source) or line if match and source else line


def _applies(source: dict[str, Any]) -> bool:
    """Whether SOURCE is no index, and is for the Python that this builds with."""
    from pip._vendor.packaging.markers import InvalidMarker, Marker

    try:
        return "index" not in source and Marker(source.get("marker") or "python_version > '0'").evaluate()
    except InvalidMarker:
        return False


def _line(path: Path, root: Path, match: re.Match[str], source: dict[str, Any]) -> str:
    """The line for a requirement whose SOURCE is a folder, a repository or an address; "" for one on an index."""
    name, extras, marker = (
        match["name"],
        match["extras"] or "",
        f" {match['marker']}" if match["marker"] else "",
    )
    if source.get("workspace"):
        for folder in members(root):
            if canonical(toml(folder / "pyproject.toml").get("project", {}).get("name", "")) == canonical(
                name
            ):
                return f"{folder}{extras}"
        raise Unreadable(outside(f"{path.name} takes {name} from the workspace that it belongs to"))
    if "path" in source:
        folder = (path.parent / source["path"]).resolve()
        if not folder.exists():
            raise Unreadable(outside(f"{path.name} takes {name} from {source['path']}"))
        return f"{folder}{extras}"
    if "git" in source:
        at = next((source[key] for key in ("rev", "tag", "branch") if key in source), "")
        below = f"#subdirectory={source['subdirectory']}" if "subdirectory" in source else ""
        return f"{name}{extras} @ git+{source['git']}{f'@{at}' if at else ''}{below}{marker}"
    return f"{name}{extras} @ {source['url']}{marker}" if "url" in source else ""


def _table(folder: Path) -> dict[str, Any]:
    path = folder / "pyproject.toml"
    table = toml(path).get("tool") if path.is_file() else None
    own = table.get("uv") if isinstance(table, dict) else None
    return own if isinstance(own, dict) else {}
