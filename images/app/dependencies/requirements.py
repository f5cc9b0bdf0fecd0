"""Requirements files, with what they include; and what of the lines of any file can be installed here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from . import projects
from .reading import Unreadable, canonical, outside, text_of

WINDOWS = {"twisted-iocpsupport", "pywin32", "pypiwin32", "pywinpty", "win-inet-pton", "wincertstore"}
"""Packages that exist for Windows only: `pip freeze` on a developer's machine writes them into the file."""

FILE = re.compile(r"^([\w.-]+)(\[[\w,\s.-]*\])?\s*@\s*(file:///[^\s#;?]*)[^\s;]*\s*(;.*)?")
CONDA = re.compile(r"/[\w.-]+_\d{13}/work(/|$)")
"""Where conda builds its packages, by name and milliseconds; they have the names of the index. A file of any other place may
be the project's own, and the package of its name a stranger's."""

INCLUDED = re.compile(r"^(?:-r|--requirement)[\s=]*(\S+)")
CONSTRAINED = re.compile(r"^(-c|--constraint)[\s=]*(\S+)")
EDITABLE = re.compile(r"^(?:-e|--editable)[\s=]*")
EXTRAS = re.compile(r"^(.*?)(?:\[([\w\s,.-]*)\])?$")
VERSION_CONTROL = re.compile(r"^(?:[\w.-]+(?:\[[\w,\s.-]*\])?\s*@\s*)?(?:git|hg|svn|bzr)\+")


def lines_of(path: Path, above: tuple[Path, ...] = ()) -> Iterator[str]:
    """The lines of PATH and of what it includes, each whole, with the paths of constraints made absolute."""
    if path in above:
        return
    for line in re.sub(r"\s*\\\r?\n\s*", " ", text_of(path)).splitlines():
        line = re.sub(r"(^|\s)#.*$", "", line).strip()
        included, constrained = INCLUDED.match(line), CONSTRAINED.match(line)
        if included:
            yield from lines_of(path.parent / included[1], (*above, path))
        elif constrained and "://" not in constrained[2]:
            yield f"{constrained[1]} {path.parent / constrained[2]}"
        elif line:
            yield line


def installable(
    lines: Iterable[str], root: Path, notices: list[str], project: Path | None = None
) -> Iterator[str]:
    """LINES without what cannot be installed here or need not be; NOTICES get a line for each kind that was left out.

    Paths in LINES are seen from ROOT, which is in PROJECT.
    """
    project = project or root
    foreign, folders, built = [], [], []
    for line in lines:
        target = EDITABLE.sub("", line)
        if VERSION_CONTROL.match(target):
            yield target  # a copy of its own: the folder of an editable one would be gone with the build
        elif target.startswith("..") and not (root / target).resolve().is_relative_to(project.resolve()):
            raise Unreadable(outside(f"{target} is a requirement"))
        elif (folder := _folder(target, root)) is not None:
            folders.append(target)
            yield from installable(_of_folder(folder, EXTRAS.match(target)), folder, notices, project)
        elif canonical(re.split(r"[\s=<>!~;\[@]", line, maxsplit=1)[0]) in WINDOWS and ";" not in line:
            foreign.append(line.partition(" --hash")[0])
        elif (file := FILE.match(target)) and CONDA.search(file[3]):
            built.append(file[1])
            yield f"{file[1]}{file[2] or ''} {file[4] or ''}".rstrip()
        elif file:
            raise Unreadable(
                f"{target} is a file of the machine that it was written on: write {file[1]}==VERSION, or copy it into the project"
            )
        else:
            yield target
    if foreign:
        notices.append(f"left out, being for Windows only: {', '.join(foreign)}")
    if built:
        notices.append(
            f"taken without a version, since the file says where conda built them: {', '.join(built)}; "
            f"to choose one: {built[0]}==VERSION"
        )
    if folders:
        notices.append(
            f"of {', '.join(folders)} what it depends on was installed; itself it is found by APP_PATH, "
            "which names the folders on Python's path"
        )


def _folder(target: str, root: Path) -> Path | None:
    """The folder that TARGET names; None where it is a package or a file."""
    match = EXTRAS.match(target)
    place = (match[1] if match else target).strip()
    path = root / place
    return path if (place.startswith(".") or "/" in place) and "://" not in place and path.is_dir() else None


def _of_folder(folder: Path, match: re.Match[str] | None) -> list[str]:
    """What the project in FOLDER depends on, with the extras that MATCH of EXTRAS names."""
    extras = [word.strip() for word in ((match[2] if match else "") or "").split(",") if word.strip()]
    for name in ("pyproject.toml", "setup.cfg", "setup.py"):
        path = folder / name
        if path.exists() and projects.describes(path):
            reader = {
                "pyproject.toml": projects.pyproject,
                "setup.cfg": projects.setup_cfg,
                "setup.py": projects.setup_py,
            }[name]
            found = reader(path, "")
            for extra in extras:
                found += [line for line in reader(path, extra) if line not in found]
            return found
    raise Unreadable(
        f"{folder.name or folder} has neither a pyproject.toml, a setup.cfg nor a setup.py: it cannot be installed"
    )
