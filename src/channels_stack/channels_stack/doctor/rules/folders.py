"""Folders that settings name and no image holds."""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Iterator

from ..files import Module
from ..findings import SETTINGS, Found, rule
from ..project import Project

READ = ("STATICFILES_DIRS", "TEMPLATES", "FIXTURE_DIRS", "LOCALE_PATHS")
"""Settings whose folders are only read, so that one that is not there is just empty."""

LEFT_OUT = {"node_modules", ".venv", "venv", ".git", ".tox"}
"""Of what never reaches an image (channels_stack_deploy.build.images), the folders that settings are seen to name."""

BUNDLER = re.compile(r"VITE|WEBPACK|BUNDLE|MANIFEST_PATH", re.IGNORECASE)
"""In the name of a setting that says where a bundler of scripts has put its files."""


@rule("W707", SETTINGS)
def left_out(project: Project) -> Found:
    """Settings name a folder that is left out of images

    In production: it is not there, and what pages take from it is a 404. node_modules and virtual environments never reach an
    image.

    Instead: copy what pages need (npm run build, or a line in package.json's "scripts") to a static folder of another name, and
    name that.
    """
    for settings in project.settings:
        for path in settings.files:
            module = project.files.modules[path]
            for statement in module.nodes:
                targets = statement.targets if isinstance(statement, ast.Assign) else []
                if isinstance(statement, ast.AugAssign):
                    targets = [statement.target]
                names = {target.id for target in targets if isinstance(target, ast.Name)} & set(READ)
                for part in ast.walk(statement) if names else ():
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        folder = next((each for each in part.value.split("/") if each in LEFT_OUT), "")
                        if folder:
                            yield (
                                module.place(part),
                                f"{', '.join(names)} names {part.value}, and no image holds a {folder}",
                            )


@rule("W709", SETTINGS)
def not_built(project: Project) -> Found:
    """Scripts or styles that package.json builds are not built

    In production: the image holds what is in the folder of the project, and no Node.js. What the build would have written is a
    404, and a page that asks a manifest for it fails.

    Instead: build before each release, on the machine that runs `make up`.
        npm ci && npm run build
    """
    builds = {os.path.dirname(path): path for path, text in project.files.scripted.items() if _builds(text)}
    for settings in project.settings if builds else ():
        for path in settings.files:
            module = project.files.modules[path]
            for node, parts in _named(module):
                place = os.path.join(*parts)
                folder = next((each for each in builds if each and each in place), min(builds))
                if not _is_there(project, path, place):
                    yield (
                        module.place(node),
                        f"{place} is not there, and {builds[folder]} has a script that builds: in "
                        f"{folder or 'the folder of the project'}, npm ci && npm run build",
                    )


def _builds(text: str) -> bool:
    """Whether a package.json has a script `build`."""
    try:
        package = json.loads(text)
    except (ValueError, RecursionError):
        return False
    scripts = package.get("scripts") if isinstance(package, dict) else None
    return isinstance(scripts, dict) and "build" in scripts


def _named(module: Module) -> Iterator[tuple[ast.AST, list[str]]]:
    """(node, the parts that are known) of each path that the settings read files from which a build may write."""
    for statement in module.nodes:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if isinstance(statement, ast.AugAssign):
            targets = [statement.target]
        names = [ast.unparse(target) for target in targets]
        if not any(name.split("[")[0] == "STATICFILES_DIRS" or BUNDLER.search(name) for name in names):
            continue
        inner: set[ast.AST] = set()
        for node in ast.walk(statement):
            parts = [] if node in inner else _parts(module, node)
            if parts and not any(part.startswith(("/", "..")) for part in parts):
                inner.update(ast.walk(node))
                yield node, parts


def _parts(module: Module, node: ast.AST) -> list[str]:
    """The texts of ``BASE_DIR / "frontend" / "dist"`` or ``os.path.join(BASE_DIR, "frontend/dist")``; none of another node."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        last = node.right.value if isinstance(node.right, ast.Constant) else None
        before = _parts(module, node.left)
        known = before or not isinstance(node.left, (ast.BinOp, ast.Call))
        return [*before, last] if isinstance(last, str) and known else []
    if isinstance(node, ast.Call) and module.dotted(node.func) == "os.path.join":
        texts = [each.value if isinstance(each, ast.Constant) else None for each in node.args[1:]]
        return [each for each in texts if isinstance(each, str)] if texts and None not in texts else []
    return []


def _is_there(project: Project, path: str, place: str) -> bool:
    """Whether there is anything at PLACE, seen from any folder above the settings at PATH."""
    folders = [""]
    while path := os.path.dirname(path):
        folders.append(path)
    return any(os.path.exists(os.path.join(project.files.root, folder, place)) for folder in folders)
