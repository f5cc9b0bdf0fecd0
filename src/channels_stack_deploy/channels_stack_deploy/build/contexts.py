"""An image and what goes into it: its tag is the hash of that.

The same content is therefore never built twice, a changed one never hides behind an old name, and a deploy or a
rollback names exactly what runs.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from ..paths import IMAGES

IGNORED = {
    "__pycache__",
    ".env",
    ".git",
    ".hg",
    ".svn",
    ".tox",
    ".venv",
    "venv",
    "node_modules",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
}
"""Names that never reach an image, whatever a project's `.dockerignore` says: caches, histories, and its `.env`."""

DEPENDENCIES = ("*.txt", "*.in", "*.toml", "*.lock", "*.cfg", "*.whl", "*.tar.gz", "setup.py", "Pipfile")
"""Names of what says which packages to install: only a change of such a file installs them again."""

LARGE_BYTES = 50_000_000
"""A file over this size is hardly source: a dump, uploads of a developer's. It is named, because each image carries it."""

STEPS = IMAGES / "steps"
"""The build context of the steps that images share: packages in, and at the end out with what an image no longer needs."""

SUITE = "trixie"
"""Debian release of the stack's own images; the application may need another (APP_DEBIAN)."""


@dataclass(frozen=True)
class Image:
    """One image to build.

    `name` without tag; `context` the folder with its Dockerfile; `target` a stage of it; `arguments` and `contexts`
    (name -> folder) are handed to the build. `project` is the application's folder, of which the build gets a copy
    without what is IGNORED; `suite` the Debian release it is based on; `parent` another image of ours that it is made from, in
    the place of the base. STEPS are at hand in all of them.
    """

    name: str
    context: Path
    target: str = ""
    arguments: dict[str, str] = field(default_factory=dict)
    contexts: dict[str, Path] = field(default_factory=lambda: {"steps": STEPS})
    project: Path | None = None
    suite: str = SUITE
    parent: Image | None = None

    def tag(self, base: str, contents: dict[Path, bytes] | None = None) -> str:
        """The full name: the tag is the hash of the files, the arguments and the BASE image's id.

        CONTENTS are the digests of folders that are known already; those that were made are added.
        """
        contents = {} if contents is None else contents
        digest = hashlib.sha256(json.dumps([base, self.target, self.arguments], sort_keys=True).encode())
        for folder in [self.context, *self.contexts.values(), *filter(None, [self.project])]:
            if folder not in contents:
                contents[folder] = content(folder)
            digest.update(b"\0\0" + contents[folder])
        return f"{self.name}:{digest.hexdigest()[:12]}"


def content(folder: Path) -> bytes:
    """The digest of what is in FOLDER and can reach an image: names, contents, who may execute it."""
    digest = hashlib.sha256()
    for path in files(folder):
        mode = "x" if path.stat().st_mode & 0o100 else "-"
        digest.update(f"{path.relative_to(folder)}\0{mode}\0".encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.digest()


def files(folder: Path) -> list[Path]:
    """The files below FOLDER that can reach an image, sorted. Links are followed, but not into a folder on the way to them."""
    paths = []
    ways = {folder: {folder.resolve()}}
    for place, folders, names in os.walk(folder, followlinks=True):
        here = Path(place)
        folders[:] = [
            name for name in folders if name not in IGNORED and (here / name).resolve() not in ways[here]
        ]
        for name in folders:
            ways[here / name] = ways[here] | {(here / name).resolve()}
        kept = [here / name for name in names if name not in IGNORED and not name.endswith(".pyc")]
        paths += [path for path in kept if path.is_file()]
    return sorted(paths)


def oddities(project: Path) -> list[str]:
    """What of PROJECT an operator would not expect of an image: one line each."""
    lines = []
    for path in files(project):
        size = path.stat().st_size
        if size > LARGE_BYTES:
            lines.append(
                f"{path.relative_to(project)} ({size / 1e6:,.0f} MB) goes into the application's image: "
                "move it out of APP_DIR if nothing needs it there"
            )
    for path in project.rglob("*"):
        if path.is_symlink() and not path.exists() and not IGNORED & set(path.relative_to(project).parts):
            lines.append(
                f"{path.relative_to(project)} is a link to {os.readlink(path)}, which is not there: it is left out"
            )
    return lines


def copy(project: Path, into: Path) -> dict[str, Path]:
    """Copy what of PROJECT may reach an image: the contexts `project` and `dependencies` of a build, below INTO."""
    contexts = {name: into / name for name in ("project", "dependencies")}
    for folder in contexts.values():
        folder.mkdir()
    for path in files(project):
        described = any(fnmatch.fnmatch(path.name, pattern) for pattern in DEPENDENCIES)
        names = ["project", *(["dependencies"] if described else [])]
        for name in names:
            target = contexts[name] / path.relative_to(project)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    return contexts
