"""What an application asks for, read from the files of whatever tool it is kept with, as lines of a requirements file.

Understood: requirements files (with the files they include), uv.lock, poetry.lock, pdm.lock, Pipfile.lock, pyproject.toml (of
any standard tool, and Poetry's), setup.cfg and setup.py. A lock is taken before what it was made from. The project itself
(`-e .`) is on Python's path already (APP_PATH): of it, and of other folders, only what they depend on is installed.
"""

from __future__ import annotations

import configparser
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

WINDOWS = {"twisted-iocpsupport", "pywin32", "pypiwin32", "pywinpty"}
"""Packages that exist for Windows only: `pip freeze` on a developer's machine writes them into the file."""

INCLUDED = re.compile(r"^(?:-r|--requirement)[\s=]*(\S+)")
CONSTRAINED = re.compile(r"^(-c|--constraint)[\s=]*(\S+)")
EDITABLE = re.compile(r"^(?:-e|--editable)[\s=]*")
EXTRAS = re.compile(r"^(.*?)(?:\[([\w\s,.-]*)\])?$")
VERSION_CONTROL = re.compile(r"^(?:[\w.-]+(?:\[[\w,\s.-]*\])?\s*@\s*)?(?:git|hg|svn|bzr)\+")


class Unreadable(Exception):
    """A file says nothing that can be installed; the text is one line with the fix."""


def canonical(name: str) -> str:
    """The one spelling of a package name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file; the standard library reads them from Python 3.11 on, pip brings a reader before."""
    try:
        import tomllib
    except ModuleNotFoundError:
        from pip._vendor import tomli as tomllib  # type: ignore[no-redef]
    return tomllib.loads(path.read_text(encoding="utf-8"))


def read(path: Path, group: str, root: Path) -> tuple[list[str], list[str]]:
    """(lines of a requirements file, notices) for PATH and its GROUP, "" for none; ROOT is the project's folder.

    Relative paths in the lines are seen from ROOT. Raises Unreadable.
    """
    _keep_inside(path, root)
    readers: dict[str, Callable[[Path, str], list[str]]] = {
        "uv.lock": _uv,
        "poetry.lock": _poetry_lock,
        "pdm.lock": _pdm_lock,
        "Pipfile.lock": _pipfile_lock,
        "Pipfile": lambda path, group: _adjacent_lock(path, "Pipfile.lock", group),
        "pyproject.toml": _pyproject,
        "setup.cfg": _setup_cfg,
        "setup.py": _setup_py,
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
        lines = list(_requirements(path))
    notices: list[str] = []
    if path.name.endswith(".lock") and {"--hash=" in line for line in lines} == {True, False}:
        # pip wants a hash for everything as soon as one thing has one, and what comes from a repository has none.
        bare = [line.split()[0] for line in lines if "--hash=" not in line]
        notices.append(
            f"installed without the hashes of {path.name}, because it has none for {', '.join(bare)}"
        )
        lines = [line.partition(" --hash=")[0] for line in lines]
    return list(_installable(lines, root, notices)), notices


def _keep_inside(path: Path, root: Path) -> None:
    """Raise Unreadable where the lock at PATH takes a package from a folder above the project's own, which is ROOT."""
    if path.suffix != ".lock" or path.name == "Pipfile.lock" or not path.exists():
        return
    for entry in toml(path).get("package", []):
        source = entry.get("source") or entry
        folder = next((source[key] for key in ("editable", "directory", "path") if key in source), "")
        if not folder and source.get("type") == "directory":
            folder = source.get("url", "")
        if folder and not (path.parent / folder).resolve().is_relative_to(root.resolve()):
            raise Unreadable(_outside(f"{path.name} takes {entry['name']} from {folder}"))


def _outside(what: str) -> str:
    return f"{what}, which is outside of APP_DIR, so no image has it: make adopt P=FOLDER with the folder that holds both"


def wanted_pythons(root: Path, path: Path) -> Iterator[tuple[str, str]]:
    """(file:line, specifiers) of what the project in ROOT, and the folder of its requirements PATH, say of their Python."""
    for folder in dict.fromkeys([path.parent, root]):
        place = folder / "pyproject.toml"
        if place.exists():
            content = toml(place)
            poetry = content.get("tool", {}).get("poetry", {}).get("dependencies", {}).get("python")
            wanted = content.get("project", {}).get("requires-python")
            if isinstance(poetry, str) and not wanted:
                # "^3.11 || ^4.0": one of them is enough, and there is no Python 4.
                wanted = _poetry_versions(poetry.partition("||")[0])
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


# --- Requirements files -----------------------------------------------------------------------------


def text_of(path: Path) -> str:
    """The text of PATH: PowerShell's `>` writes UTF-16."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Unreadable(f"{path.name} cannot be read: {error.strerror}") from None
    return content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")


def _requirements(path: Path, above: tuple[Path, ...] = ()) -> Iterator[str]:
    """The lines of PATH and of what it includes, each whole, with the paths of constraints made absolute."""
    if path in above:
        return
    for line in re.sub(r"\s*\\\r?\n\s*", " ", text_of(path)).splitlines():
        line = re.sub(r"(^|\s)#.*$", "", line).strip()
        included, constrained = INCLUDED.match(line), CONSTRAINED.match(line)
        if included:
            yield from _requirements(path.parent / included[1], (*above, path))
        elif constrained and "://" not in constrained[2]:
            yield f"{constrained[1]} {path.parent / constrained[2]}"
        elif line:
            yield line


def _installable(
    lines: Iterable[str], root: Path, notices: list[str], project: Path | None = None
) -> Iterator[str]:
    """LINES without what cannot be installed here or need not be; NOTICES get a line for each kind that was left out.

    Paths in LINES are seen from ROOT, which is in PROJECT.
    """
    project = project or root
    foreign, folders = [], []
    for line in lines:
        target = EDITABLE.sub("", line)
        if VERSION_CONTROL.match(target):
            yield target  # a copy of its own: the folder of an editable one would be gone with the build
        elif re.search(r"@\s*file:///", target):
            raise Unreadable(
                f"{target} is a file of the machine that it was written on (conda's pip freeze does so): "
                f"write {target.partition('@')[0].strip()}==VERSION"
            )
        elif target.startswith("..") and not (root / target).resolve().is_relative_to(project.resolve()):
            raise Unreadable(_outside(f"{target} is a requirement"))
        elif (folder := _folder(target, root)) is not None:
            folders.append(target)
            yield from _installable(_of_folder(folder, EXTRAS.match(target)), folder, notices, project)
        elif canonical(re.split(r"[\s=<>!~;\[@]", line, maxsplit=1)[0]) in WINDOWS and ";" not in line:
            foreign.append(line.partition(" --hash")[0])
        else:
            yield target
    if foreign:
        notices.append(f"left out, being for Windows only: {', '.join(foreign)}")
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
        if path.exists() and _describes(path):
            reader = {"pyproject.toml": _pyproject, "setup.cfg": _setup_cfg, "setup.py": _setup_py}[name]
            found = reader(path, "")
            for extra in extras:
                found += [line for line in reader(path, extra) if line not in found]
            return found
    raise Unreadable(
        f"{folder.name or folder} has neither a pyproject.toml, a setup.cfg nor a setup.py: it cannot be installed"
    )


def _describes(path: Path) -> bool:
    """Whether PATH says what its project depends on; a pyproject.toml may hold settings of tools alone."""
    if path.name == "pyproject.toml":
        content = toml(path)
        return "project" in content or "poetry" in content.get("tool", {})
    if path.name == "setup.cfg":
        parser = configparser.ConfigParser(interpolation=None)
        parser.read(path, encoding="utf-8")
        return parser.has_option("options", "install_requires") or not path.with_name("setup.py").exists()
    return True


# --- Locks -------------------------------------------------------------------------------------------


def _uv(path: Path, group: str) -> list[str]:
    """The requirements, with hashes, that a uv.lock holds: without development, with GROUP if one is named.

    Nothing is asked of an index. Packages that are folders of the project are on Python's path (APP_PATH).
    """
    command = ["export", "--frozen", "--offline", "--no-dev", "--no-emit-workspace", "--no-emit-local"]
    command += ["--no-header", "--no-annotate", "--python", sys.executable, "--project", str(path.parent)]
    if group:
        project = toml(path.with_name("pyproject.toml"))
        command += ["--group" if group in project.get("dependency-groups", {}) else "--extra", group]
    done = subprocess.run(
        [str(Path(sys.executable).with_name("uv")), *command, "--cache-dir", "/tmp/uv"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        print(done.stdout.strip(), flush=True)
        raise Unreadable(f"{path.name} could not be read; see uv's message above")
    return re.sub(r"\\\n", " ", done.stdout).splitlines()


def _pin(name: str, version: str, marker: str, hashes: Iterable[str]) -> str:
    """One line of a requirements file."""
    line = f"{name}=={version}" + (f" ; {marker}" if marker else "")
    return " ".join([line, *(f"--hash={each}" for each in hashes)])


def _hashes(files: Iterable[dict[str, Any]]) -> list[str]:
    return [each["hash"] for each in files if "hash" in each]


def _source(entry: dict[str, Any]) -> str:
    """The line for a locked package that comes from no index; "" for one that does."""
    source = entry.get("source", entry)
    kind = source.get("type", "")
    if "git" in source or kind == "git":
        url = source.get("git") or source["url"]
        commit = source.get("resolved_reference") or source.get("revision") or source.get("ref") or ""
        return f"{entry['name']} @ git+{url}" + (f"@{commit}" if commit else "")
    if kind == "url":
        return f"{entry['name']} @ {source['url']}"
    if kind in ("directory", "file"):
        return str(source["url"])
    return str(source["path"]) if "path" in source else ""


def _poetry_lock(path: Path, group: str) -> list[str]:
    """Poetry's lock: what the main group needs, and GROUP (a group or an extra) if one is named."""
    lock = toml(path)
    packages = lock.get("package", [])
    if all("groups" in each for each in packages):  # Poetry 2 says itself who needs what
        wanted = {"main", *([group] if group else [])}
        chosen = [
            (each, _marker_in(each.get("markers", ""), wanted))
            for each in packages
            if wanted & set(each["groups"]) and (group or not each.get("optional"))
        ]
    else:
        project = toml(path.with_name("pyproject.toml"))
        reached = _reached(_poetry_wishes(project, group), packages)
        chosen = [
            (each, reached[canonical(each["name"])])
            for each in packages
            if canonical(each["name"]) in reached
        ]
    older = lock.get("metadata", {}).get("files", {})
    return [
        _source(each)
        or _pin(
            each["name"], each["version"], marker, _hashes(each.get("files") or older.get(each["name"], []))
        )
        for each, marker in chosen
    ]


def _marker_in(markers: Any, groups: set[str]) -> str:
    """The marker of a package, which Poetry may say for each of the GROUPS apart."""
    if isinstance(markers, str):
        return markers
    return _either({markers.get(group, "") for group in groups & set(markers)})


def _either(markers: set[str]) -> str:
    """The marker that holds where one of MARKERS does; "" holds everywhere."""
    if "" in markers or not markers:
        return ""
    return markers.pop() if len(markers) == 1 else " or ".join(f"({each})" for each in sorted(markers))


def _reached(wishes: Iterable[tuple[str, Any]], packages: list[dict[str, Any]]) -> dict[str, str]:
    """Package -> marker for all of PACKAGES that WISHES lead to; "" where one way has no marker."""
    needs = {canonical(each["name"]): each.get("dependencies", {}) for each in packages}
    waiting = [(canonical(name), _marker(wish), bool(_extras_of(wish))) for name, wish in wishes]
    ways: dict[str, set[str]] = {}
    seen = set()
    while waiting:
        name, marker, extras = step = waiting.pop()
        if name not in needs or step in seen:
            continue
        seen.add(step)
        ways.setdefault(name, set()).add(marker)
        for other, wish in needs[name].items():
            each = wish[0] if isinstance(wish, list) else wish
            if extras or not (isinstance(each, dict) and each.get("optional")):
                waiting.append((canonical(other), _marker(each) or marker, bool(_extras_of(each))))
    return {name: _either(markers) for name, markers in ways.items()}


def _poetry_wishes(project: dict[str, Any], group: str) -> Iterator[tuple[str, Any]]:
    """(name, what is asked of it) of the main group of a Poetry project and of GROUP."""
    poetry = project.get("tool", {}).get("poetry", {})
    main = poetry.get("dependencies", {})
    for line in project.get("project", {}).get("dependencies", []):
        yield re.split(r"[\s=<>!~;\[@(]", line, maxsplit=1)[0], line
    extra = {canonical(each) for each in poetry.get("extras", {}).get(group, [])}
    for name, wish in main.items():
        optional = isinstance(wish, dict) and wish.get("optional")
        if canonical(name) != "python" and (not optional or canonical(name) in extra):
            yield name, wish
    groups = poetry.get("group", {})
    if group and group not in poetry.get("extras", {}):
        table = project.get("project", {}).get("optional-dependencies", {})
        if group in table:
            for line in table[group]:
                yield re.split(r"[\s=<>!~;\[@(]", line, maxsplit=1)[0], line
        elif group in groups:
            yield from groups[group].get("dependencies", {}).items()
        else:
            names = sorted({*groups, *poetry.get("extras", {}), *table})
            raise Unreadable(f"pyproject.toml has no group {group!r}; it has: {', '.join(names) or 'none'}")


def _extras_of(wish: Any) -> list[str]:
    if isinstance(wish, dict):
        return list(wish.get("extras", []))
    match = re.search(r"\[([^\]]*)\]", wish) if isinstance(wish, str) else None
    return match[1].split(",") if match else []


def _marker(wish: Any) -> str:
    """The environment marker of what Poetry asks for."""
    if isinstance(wish, str):
        return wish.partition(";")[2].strip()
    return str(wish.get("markers", "")) if isinstance(wish, dict) else ""


def _pdm_lock(path: Path, group: str) -> list[str]:
    """PDM's lock: the default group, and GROUP if one is named."""
    wanted = {"default", *([group] if group else [])}
    packages = toml(path).get("package", [])
    known = {name for each in packages for name in each.get("groups", ["default"])}
    if group and group not in known:
        raise Unreadable(f"{path.name} has no group {group!r}; it has: {', '.join(sorted(known))}")
    lines: dict[str, str] = {}
    for entry in packages:
        if wanted & set(entry.get("groups", ["default"])) and (
            entry["name"] not in lines or not entry.get("extras")
        ):
            pin = _pin(
                entry["name"], entry["version"], entry.get("marker", ""), _hashes(entry.get("files", []))
            )
            lines[entry["name"]] = _source(entry) or pin
    return list(lines.values())


def _pipfile_lock(path: Path, group: str) -> list[str]:
    """Pipenv's lock: `default`, and the category GROUP if one is named."""
    lock = json.loads(text_of(path))
    if group and group not in lock:
        names = sorted(set(lock) - {"_meta", "default"})
        raise Unreadable(f"{path.name} has no category {group!r}; it has: {', '.join(names)}")
    lines = []
    for name, entry in {**lock.get("default", {}), **(lock[group] if group else {})}.items():
        version = str(entry.get("version", "")).removeprefix("==")
        pin = _pin(name, version, entry.get("markers", ""), entry.get("hashes", []))
        lines.append(_source({"name": name, **entry}) or pin)
    return lines


def _adjacent_lock(path: Path, lock: str, group: str) -> list[str]:
    """What the LOCK in the folder of PATH holds."""
    if not path.with_name(lock).exists():
        raise Unreadable(
            f"{path.name} has no {lock} next to it: make it (pipenv lock), or name a requirements file"
        )
    return _pipfile_lock(path.with_name(lock), group)


# --- What projects declare ---------------------------------------------------------------------------


def _pyproject(path: Path, group: str) -> list[str]:
    """The dependencies of a pyproject.toml, with those of GROUP (a group or an extra) if one is named.

    Those of Poetry come from its lock, if there is one.
    """
    project = toml(path)
    table = project.get("project", {})
    poetry = project.get("tool", {}).get("poetry")
    if poetry is not None and path.with_name("poetry.lock").exists():
        return _poetry_lock(path.with_name("poetry.lock"), group)
    if poetry is not None and "dependencies" not in table:
        return [_poetry_line(name, wish) for name, wish in _poetry_wishes(project, group)]
    if "dependencies" in table.get("dynamic", []):
        for name, reader in (("setup.cfg", _setup_cfg), ("setup.py", _setup_py)):
            other = path.with_name(name)
            if other.exists() and _describes(other):
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
    return found


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


def _poetry_line(name: str, wish: Any) -> str:
    """What Poetry asks for, as other tools write it."""
    entry = {"version": wish} if isinstance(wish, str) else dict(wish[0] if isinstance(wish, list) else wish)
    if source := _source(
        {"name": name, "revision": entry.get("rev") or entry.get("tag") or entry.get("branch"), **entry}
    ):
        return source
    extras = f"[{','.join(entry['extras'])}]" if entry.get("extras") else ""
    marker = f" ; {entry['markers']}" if entry.get("markers") else ""
    return f"{name}{extras}{_poetry_versions(str(entry.get('version', '*')))}{marker}"


def _poetry_versions(text: str) -> str:
    """Poetry's `^1.2`, `~1.2`, `*`, `1.2` as PEP 440 has them."""
    found = []
    for part in (each.strip() for each in text.split(",")):
        numbers = re.findall(r"\d+", part)
        if part in ("", "*"):
            continue
        if part[0] in "^~" and not part.startswith("~="):
            keep = 1 if part[0] == "~" and len(numbers) == 1 else 2 if part[0] == "~" else 1
            if part[0] == "^":
                keep = next((place for place, number in enumerate(numbers, 1) if number != "0"), len(numbers))
            upper = [*map(int, numbers[: keep - 1]), int(numbers[keep - 1]) + 1]
            found.append(f">={part.lstrip('^~ ')},<{'.'.join(map(str, upper))}")
        else:
            found.append(part if part[0] in "<>=!~" else f"=={part}")
    return ",".join(found)


def _setup_cfg(path: Path, group: str) -> list[str]:
    """The install_requires of a setup.cfg, with the extra GROUP if one is named."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(path, encoding="utf-8")
    found = parser.get("options", "install_requires", fallback="").splitlines()
    if not any(found) and path.with_name("setup.py").exists():
        return _setup_py(path.with_name("setup.py"), group)
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


def _setup_py(path: Path, group: str) -> list[str]:
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
