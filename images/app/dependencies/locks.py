"""What locks hold: of uv, PDM, Pipenv; Poetry's: poetry.py."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .reading import Unreadable, outside, text_of, toml


def keep_inside(path: Path, root: Path) -> None:
    """Raise Unreadable where the lock at PATH takes a package from a folder above the project's own, which is ROOT."""
    if path.suffix != ".lock" or path.name == "Pipfile.lock" or not path.exists():
        return
    for entry in toml(path).get("package", []):
        source = entry.get("source") or entry
        folder = next((source[key] for key in ("editable", "directory", "path") if key in source), "")
        if not folder and source.get("type") == "directory":
            folder = source.get("url", "")
        if folder and not (path.parent / folder).resolve().is_relative_to(root.resolve()):
            raise Unreadable(outside(f"{path.name} takes {entry['name']} from {folder}"))


def uv(path: Path, group: str, member: Path | None = None) -> list[str]:
    """The requirements, with hashes, that a uv.lock holds: without development, with GROUP if one is named.

    MEMBER is the pyproject.toml of a member of its workspace, whose requirements are taken instead of the root's.
    Nothing is asked of an index. Packages that are folders of the project are on Python's path (APP_PATH).
    """
    command = ["export", "--frozen", "--offline", "--no-dev", "--no-emit-workspace", "--no-emit-local"]
    command += ["--no-header", "--no-annotate", "--python", sys.executable, "--project", str(path.parent)]
    described = member or path.with_name("pyproject.toml")
    if member:
        command += ["--package", toml(member)["project"]["name"]]
    if group:
        project = toml(described)
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


def pinned(name: str, version: str, marker: str, hashes: Iterable[str]) -> str:
    """One line of a requirements file."""
    line = f"{name}=={version}" + (f" ; {marker}" if marker else "")
    return " ".join([line, *(f"--hash={each}" for each in hashes)])


def hashes_of(files: Iterable[dict[str, Any]]) -> list[str]:
    return [each["hash"] for each in files if "hash" in each]


def line_of_source(entry: dict[str, Any]) -> str:
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


def pdm(path: Path, group: str) -> list[str]:
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
            line = pinned(
                entry["name"], entry["version"], entry.get("marker", ""), hashes_of(entry.get("files", []))
            )
            lines[entry["name"]] = line_of_source(entry) or line
    return list(lines.values())


def pipfile_lock(path: Path, group: str) -> list[str]:
    """Pipenv's lock: `default`, and the category GROUP if one is named."""
    lock = json.loads(text_of(path))
    if group and group not in lock:
        names = sorted(set(lock) - {"_meta", "default"})
        raise Unreadable(f"{path.name} has no category {group!r}; it has: {', '.join(names)}")
    lines = []
    for name, entry in {**lock.get("default", {}), **(lock[group] if group else {})}.items():
        version = str(entry.get("version", "")).removeprefix("==")
        line = pinned(name, version, entry.get("markers", ""), entry.get("hashes", []))
        lines.append(line_of_source({"name": name, **entry}) or line)
    return lines


def pipfile(path: Path, group: str) -> list[str]:
    """What the lock next to a Pipfile holds."""
    lock = path.with_name("Pipfile.lock")
    if not lock.exists():
        raise Unreadable(
            f"{path.name} has no {lock.name} next to it: make it (pipenv lock), or name a requirements file"
        )
    return pipfile_lock(lock, group)
