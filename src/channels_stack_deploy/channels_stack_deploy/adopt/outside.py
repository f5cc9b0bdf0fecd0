"""Requirements that are folders above the project: no image holds them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

from . import tables
from .requirements import Installed
from .tree import Tree


def find(tree: Tree, installed: Installed) -> str:
    """Why nothing of the project can be built, and the fix; "" where all that it installs is below its root."""
    for what, folder in _folders(tree, installed):
        place = os.path.normpath(tree.root / folder)
        root = os.path.normpath(tree.root)
        if os.path.commonpath([place, root]) != root:
            return (
                f"{what}, which is outside of {root}, so no image has it: "
                f"make adopt P={os.path.commonpath([place, root])}"
            )
    return ""


def _folders(tree: Tree, installed: Installed) -> Iterator[tuple[str, str]]:
    """(what asks for it, folder seen from the root) of each requirement that is a folder."""
    base = os.path.dirname(installed.file)
    if os.path.basename(installed.file) in ("uv.lock", "poetry.lock", "pdm.lock"):
        for entry in _packages(tree.text(installed.file)):
            source = entry.get("source") or entry
            # pdm's `editable` says only that the folder of `path` is linked.
            places = (source.get(key) for key in ("editable", "directory", "path"))
            folder = next((each for each in places if isinstance(each, str)), "")
            if not folder and source.get("type") == "directory":
                folder = source.get("url", "")
            if folder:
                yield f"{installed.file} takes {entry.get('name')} from {folder}", os.path.join(base, folder)
    for path in {place.rpartition(":")[0] for place in installed.packages.values()}:
        if path.endswith(".txt"):
            for number, line in enumerate(tree.text(path).splitlines(), 1):
                match = re.match(r"\s*(?:-e\s+|--editable[\s=]+)?(\.\.[\w./-]*)", line)
                if match:  # pip sees it from where it runs, which is the project's folder
                    yield f"{path}:{number} asks for {match[1]}", match[1]


def _packages(text: str) -> list[dict[str, Any]]:
    try:
        return list(tables.read(text, tables.LOCK).get("package", []))
    except ValueError:
        return []
