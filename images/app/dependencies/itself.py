"""The application's own projects as packages that are installed: their sources are on Python's path, not in the venv.

`importlib.metadata.version("mysite")` in settings, and entry points that a project declares for its own plugins, want
metadata that only an installation writes. What pyproject.toml, setup.cfg or setup.py say is enough for both.
"""

from __future__ import annotations

import ast
import configparser
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .reading import canonical, toml

UNKNOWN = "0+unknown"
"""The version of a project whose own tool finds it in a repository or in a module, which the build does not have."""


@dataclass(frozen=True)
class Itself:
    """A project of the application."""

    name: str
    version: str = UNKNOWN
    entry_points: dict[str, dict[str, str]] = field(default_factory=dict)
    """Group -> name -> object."""

    def write(self, site_packages: Path) -> None:
        """Put its metadata into SITE_PACKAGES."""
        folder = site_packages / f"{re.sub(r'[-_.]+', '_', self.name)}-{self.version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {self.name}\nVersion: {self.version}\n", encoding="utf-8"
        )
        (folder / "INSTALLER").write_text("channels-stack\n", encoding="utf-8")
        lines = []
        for group, entries in self.entry_points.items():
            lines += [f"[{group}]", *(f"{name} = {where}" for name, where in entries.items()), ""]
        if lines:
            (folder / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")


def projects(root: Path) -> Iterator[Itself]:
    """Each project below ROOT that has a name, once."""
    seen = set()
    for kind, read in (("pyproject.toml", _pyproject), ("setup.cfg", _setup_cfg), ("setup.py", _setup_py)):
        for path in sorted(root.rglob(kind), key=lambda path: (len(path.parts), path)):
            itself = read(path)
            if itself and canonical(itself.name) not in seen:
                seen.add(canonical(itself.name))
                yield itself


def _pyproject(path: Path) -> Itself | None:
    try:
        content = toml(path)
    except ValueError:
        return None  # of another tool's making; what is installed is read elsewhere
    project, poetry = content.get("project", {}), content.get("tool", {}).get("poetry", {})
    groups = {
        "console_scripts": {**poetry.get("scripts", {}), **project.get("scripts", {})},
        "gui_scripts": project.get("gui-scripts", {}),
        **poetry.get("plugins", {}),
        **project.get("entry-points", {}),
    }
    return _of(
        project.get("name") or poetry.get("name"),
        project.get("version") or poetry.get("version"),
        {group: entries for group, entries in groups.items() if entries},
    )


def _setup_cfg(path: Path) -> Itself | None:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(path, encoding="utf-8")
    except configparser.Error:
        return None
    return _of(
        parser.get("metadata", "name", fallback=None), parser.get("metadata", "version", fallback=None), {}
    )


def _setup_py(path: Path) -> Itself | None:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "setup":
            words = {
                keyword.arg: keyword.value.value
                for keyword in node.keywords
                if isinstance(keyword.value, ast.Constant)
            }
            return _of(words.get("name"), words.get("version"), {})
    return None


def _of(name: object, version: object, entry_points: dict[str, dict[str, str]]) -> Itself | None:
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", name):
        return None
    known = isinstance(version, str) and re.fullmatch(r"v?\d[A-Za-z0-9.+!_-]*", version)
    return Itself(name, str(version).replace("-", ".") if known else UNKNOWN, entry_points)
