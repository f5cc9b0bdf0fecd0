"""What projects declare: pyproject.toml of any standard tool, and Poetry's; setup.cfg; setup.py."""

from __future__ import annotations

import configparser
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from . import locks, poetry, sources
from .reading import Unreadable, toml


def describes(path: Path) -> bool:
    """Whether PATH says what its project depends on; a pyproject.toml may hold settings of tools alone."""
    if path.name == "pyproject.toml":
        content = toml(path)
        return "project" in content or "poetry" in content.get("tool", {})
    if path.name == "setup.cfg":
        parser = configparser.ConfigParser(interpolation=None)
        parser.read(path, encoding="utf-8")
        return parser.has_option("options", "install_requires") or not path.with_name("setup.py").exists()
    return True


def pyproject(path: Path, group: str) -> list[str]:
    """The dependencies of a pyproject.toml, with those of GROUP (a group or an extra) if one is named.

    Those of Poetry come from its lock, if there is one, and those of a member of uv's workspace from the lock of that.
    """
    workspace = sources.workspace(path.parent)
    if workspace and (workspace / "uv.lock").exists():
        return locks.uv(workspace / "uv.lock", group, path)
    project = toml(path)
    table = project.get("project", {})
    is_poetry = "poetry" in project.get("tool", {})
    if is_poetry and path.with_name("poetry.lock").exists():
        return poetry.locked(path.with_name("poetry.lock"), group)
    if is_poetry and "dependencies" not in table:
        return [poetry.line_of(name, wish) for name, wish in poetry.asked(project, group)]
    if "dependencies" in table.get("dynamic", []):
        for name, reader in (("setup.cfg", setup_cfg), ("setup.py", setup_py)):
            other = path.with_name(name)
            if other.exists() and describes(other):
                return reader(other, group)
    if "dependencies" not in table and not group:
        raise Unreadable(
            "pyproject.toml has no [project] dependencies: export the lock of your tool to a requirements file "
            "and name that in APP_REQUIREMENTS"
        )
    found = list(table.get("dependencies", []))
    if group:
        groups = {**table.get("optional-dependencies", {}), **project.get("dependency-groups", {})}
        found += grouped(groups, group)
    return list(sources.lines(path, found))


def grouped(groups: dict[str, Any], name: str) -> list[str]:
    """The requirements of the group NAME and of the groups that it includes (PEP 735)."""
    if name not in groups:
        raise Unreadable(
            f"pyproject.toml has no group {name!r}; it has: {', '.join(sorted(groups)) or 'none'}"
        )
    found = []
    for each in groups[name]:
        found += [each] if isinstance(each, str) else grouped(groups, each["include-group"])
    return found


def setup_cfg(path: Path, group: str) -> list[str]:
    """The install_requires of a setup.cfg, with the extra GROUP if one is named."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(path, encoding="utf-8")
    found = parser.get("options", "install_requires", fallback="").splitlines()
    if not any(found) and path.with_name("setup.py").exists():
        return setup_py(path.with_name("setup.py"), group)
    if group:
        if not parser.has_option("options.extras_require", group):
            raise Unreadable(f"{path.name} has no extra {group!r}")
        found += parser.get("options.extras_require", group).splitlines()
    return [line.strip() for line in found if line.strip() and not line.strip().startswith("#")]


ASK_SETUP = """
import json, runpy, sys
import setuptools
def setup(**keywords):
    print("\\n" + json.dumps({name: keywords.get(name) for name in ("install_requires", "extras_require")}))
setuptools.setup = setup
try:
    import distutils.core
    distutils.core.setup = setup
except ImportError:
    pass
sys.argv = ["setup.py", "--name"]
sys.path.insert(0, "")
runpy.run_path("setup.py", run_name="__main__")
"""


def setup_py(path: Path, group: str) -> list[str]:
    """What a setup.py hands to setuptools, which is the only way to know it."""
    done = subprocess.run(
        [sys.executable, "-c", ASK_SETUP], cwd=path.parent, capture_output=True, text=True, check=False
    )
    try:
        metadata = json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        last_line = (done.stderr.strip().splitlines() or ["it never calls setup()"])[-1]
        raise Unreadable(
            f"setup.py does not run by itself ({last_line}): name a requirements file in APP_REQUIREMENTS"
        ) from None
    extras = metadata["extras_require"] or {}
    if group and group not in extras:
        raise Unreadable(f"setup.py has no extra {group!r}; it has: {', '.join(sorted(extras)) or 'none'}")
    wanted = metadata["install_requires"] or []
    lines = wanted.splitlines() if isinstance(wanted, str) else list(wanted)
    return [*lines, *(extras[group] if group else [])]
