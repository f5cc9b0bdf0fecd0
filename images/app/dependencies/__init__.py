"""What an application asks for, read from the files of whatever tool it is kept with, as lines of a requirements file.

Understood: requirements files (with the files they include), uv.lock, poetry.lock, pdm.lock, Pipfile.lock, pyproject.toml (of
any standard tool, and Poetry's), setup.cfg and setup.py. A lock is taken before what it was made from. The project itself
(`-e .`) is on Python's path already (APP_PATH): of it, and of other folders, only what they depend on is installed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from . import locks, poetry, projects, requirements
from .reading import Unreadable


def read(path: Path, group: str, root: Path) -> tuple[list[str], list[str]]:
    """(lines of a requirements file, notices) for PATH and its GROUP, "" for none; ROOT is the project's folder.

    Relative paths in the lines are seen from ROOT. Raises Unreadable.
    """
    locks.keep_inside(path, root)
    readers: dict[str, Callable[[Path, str], list[str]]] = {
        "uv.lock": locks.uv,
        "poetry.lock": poetry.locked,
        "pdm.lock": locks.pdm,
        "Pipfile.lock": locks.pipfile_lock,
        "Pipfile": locks.pipfile,
        "pyproject.toml": projects.pyproject,
        "setup.cfg": projects.setup_cfg,
        "setup.py": projects.setup_py,
    }
    if path.name in readers:
        lines = readers[path.name](path, group)
    elif path.suffix in (".lock", ".py", ".yml", ".yaml"):
        raise Unreadable(
            f"{path.name} is not understood: export it to a requirements file and name that in APP_REQUIREMENTS"
        )
    elif group:
        raise Unreadable(
            f"{path.name} has no groups: [{group}] belongs to a lock, a pyproject.toml, a setup.cfg or a setup.py"
        )
    else:
        lines = list(requirements.lines_of(path))
    notices: list[str] = []
    if path.name.endswith(".lock") and {"--hash=" in line for line in lines} == {True, False}:
        # pip wants a hash for everything as soon as one thing has one, and what comes from a repository has none.
        bare = [line.split()[0] for line in lines if "--hash=" not in line]
        notices.append(
            f"installed without the hashes of {path.name}, because it has none for {', '.join(bare)}"
        )
        lines = [line.partition(" --hash=")[0] for line in lines]
    return list(requirements.installable(lines, root, notices)), notices
