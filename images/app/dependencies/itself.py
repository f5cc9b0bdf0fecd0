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

MOST_CHARACTERS = 200
"""Of a name and a version, which the name of a folder is made of."""

GROUP = re.compile(r"[\w.-]+")
ENTRY = re.compile(r"[\w.-]([\w .:/@+-]*[\w.+-])?")
OBJECT = re.compile(r"[\w.]+( *: *[\w.]+)? *(\[[\w ,.-]*\])?")
"""What an entry point consists of: one that breaks its line makes all of its group unreadable, for everyone."""


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
        folder.mkdir(exist_ok=True)
        (folder / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {self.name}\nVersion: {self.version}\n", encoding="utf-8"
        )
        (folder / "INSTALLER").write_text("channels-stack\n", encoding="utf-8")
        lines = []
        for group, entries in self.entry_points.items():
            lines += [f"[{group}]", *(f"{name} = {where}" for name, where in entries.items()), ""]
        if lines:
            (folder / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")


def projects(folder: Path, roots: list[Path], notices: list[str]) -> Iterator[Itself]:
    """Each project whose sources are in one of ROOTS, the application's folders on Python's path, once.

    What describes it is there, or above (a `src` layout), up to the application's FOLDER. Templates, samples and copies of
    libraries elsewhere below it are not installed. NOTICES get a line for each file that cannot be read.
    """
    readers = {"pyproject.toml": _pyproject, "setup.cfg": _setup_cfg, "setup.py": _setup_py}
    places = [place for root in roots for place in (root, *root.parents) if place.is_relative_to(folder)]
    seen = set()
    for place in dict.fromkeys(places):
        for path in (place / name for name in readers if (place / name).is_file()):
            try:
                itself = readers[path.name](path)
            except Exception as error:  # whatever a file holds, the application may do without its metadata
                reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
                notices.append(
                    f"{path.relative_to(folder)}: nothing can be read from it ({reason}): correct it where the application "
                    "asks for its own version or entry points"
                )
                continue
            if itself and canonical(itself.name) not in seen:
                seen.add(canonical(itself.name))
                yield itself


def _pyproject(path: Path) -> Itself | None:
    content = toml(path)
    project, poetry = content.get("project", {}), content.get("tool", {}).get("poetry", {})
    groups = {
        "console_scripts": {**poetry.get("scripts", {}), **project.get("scripts", {})},
        "gui_scripts": project.get("gui-scripts", {}),
        **poetry.get("plugins", {}),
        **project.get("entry-points", {}),
    }
    return _of(
        project.get("name") or poetry.get("name"), project.get("version") or poetry.get("version"), groups
    )


def _setup_cfg(path: Path) -> Itself | None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(path, encoding="utf-8")
    return _of(
        parser.get("metadata", "name", fallback=None), parser.get("metadata", "version", fallback=None), {}
    )


def _setup_py(path: Path) -> Itself | None:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "setup":
            words = {
                keyword.arg: keyword.value.value
                for keyword in node.keywords
                if isinstance(keyword.value, ast.Constant)
            }
            return _of(words.get("name"), words.get("version"), {})
    return None


def _of(name: object, version: object, groups: dict[str, object]) -> Itself | None:
    """The project of that NAME and VERSION, with what of its GROUPS of entry points metadata can hold."""
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", name):
        return None
    itself = Itself(name, _version(version))
    if len(itself.name + itself.version) > MOST_CHARACTERS:
        raise ValueError("its name and version are longer than the name of a file may be")
    for group, entries in groups.items():
        if GROUP.fullmatch(group) and isinstance(entries, dict):
            kept = {
                entry: where
                for entry, where in entries.items()
                if ENTRY.fullmatch(entry) and isinstance(where, str) and OBJECT.fullmatch(where)
            }
            itself.entry_points.update({group: kept} if kept else {})
    return itself


def _version(version: object) -> str:
    """VERSION in its one spelling: pip refuses an environment with one that has none."""
    from pip._vendor.packaging.version import InvalidVersion, Version

    try:
        return str(Version(version)) if isinstance(version, str) else UNKNOWN
    except InvalidVersion:
        return UNKNOWN
