"""Environments of servers, on the controller: inventories of Ansible, each a folder of `ansible/inventory/`."""

from __future__ import annotations

import os
from pathlib import Path

from ..paths import ENVIRONMENTS, ROOT

INVENTORIES = ROOT / "ansible/inventory"


def find(name: str) -> Path | None:
    """The inventory of ENV=NAME: a folder of ansible/inventory, or a path from there. None: there is none."""
    path = Path(os.path.normpath(INVENTORIES / name))
    return path if name and path.is_dir() else None


def chosen(name: str) -> Path | None:
    """The inventory that ENV=NAME means. None: an environment of this machine, which wins unless NAME has a slash."""
    inventory = find(name)
    return inventory if inventory and ("/" in name or not (ENVIRONMENTS / name).is_dir()) else None


def names() -> list[str]:
    """Those that there are, sorted."""
    found = INVENTORIES.iterdir() if INVENTORIES.is_dir() else ()
    return sorted(path.name for path in found if path.is_dir())


def shown(path: Path) -> str:
    """What to write after ENV= for the inventory in PATH."""
    return os.path.relpath(path, INVENTORIES)
