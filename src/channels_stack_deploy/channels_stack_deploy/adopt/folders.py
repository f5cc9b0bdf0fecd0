"""What a project writes to in its own folder, where an image is read-only."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator

from channels_stack.doctor import settings as doctor_settings
from channels_stack.doctor.files import Module

from .findings import Findings
from .modules import Found
from .tree import Tree

PLACEHOLDERS = {".gitkeep", ".gitignore", ".keep", "README", "README.md"}
"""Files that keep an empty folder in a repository."""

OURS = {"STATIC_ROOT", "MEDIA_ROOT", "STATICFILES_DIRS", "TEMPLATES", "LOCALE_PATHS", "FIXTURE_DIRS"}
"""Settings whose folders are volumes already, or are only read."""


def find(tree: Tree, found: Found, overlay: set[str]) -> Findings:
    """APP_VOLUMES, for the folders that are kept empty for what the project writes.

    OVERLAY names the parts that are off.
    """
    assert found.settings is not None
    findings = Findings()
    values = doctor_settings.read(tree.files, found.settings)
    volumes = _written(tree, found, values, OURS | (set() if "database" in overlay else {"DATABASES"}))
    if volumes:
        why = ", ".join(f"{folder}: {place}" for folder, place in volumes.items())
        findings.line("APP_VOLUMES", " ".join(volumes), why)
    return findings


def _written(tree: Tree, found: Found, values: doctor_settings.Settings, ours: set[str]) -> dict[str, str]:
    """Folder that is kept empty, or made -> file:line; without those of the settings OURS."""
    volumes: dict[str, str] = {}
    for path in values.files:
        module = tree.files.modules[path]
        for statement in module.tree.body:
            target = statement.targets[0] if isinstance(statement, ast.Assign) else None
            if isinstance(target, ast.Name) and target.id in ours:
                continue
            for part in ast.walk(statement):
                for folder in _named(tree, found, part):
                    if _is_empty(tree, folder):
                        volumes.setdefault(folder, str(module.place(part)))
            for call, folder in _made(module, statement):
                folder = os.path.normpath(os.path.join(found.folder, folder))
                if not tree.exists(folder):  # where it is, nothing is made
                    volumes.setdefault(folder, str(module.place(call)))
    return volumes


def _made(module: Module, statement: ast.stmt) -> Iterator[tuple[ast.Call, str]]:
    """(call, folder below the project's) of each that a statement of the settings makes, when it is imported."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return
    for call in ast.walk(statement):
        if not isinstance(call, ast.Call):
            continue
        target: ast.expr | None = None
        if module.dotted(call.func) in ("os.makedirs", "os.mkdir") and call.args:
            target = call.args[0]
        elif isinstance(call.func, ast.Attribute) and call.func.attr == "mkdir":
            target = call.func.value
        parts = _parts(target, module)
        if parts and not any(".." in part or part.startswith("/") for part in parts):
            yield call, os.path.join(*parts)


def _parts(node: ast.expr | None, module: Module | None = None, depth: int = 0) -> list[str]:
    """The last parts of a path such as BASE_DIR / "papers" or os.path.join(BASE_DIR, "papers"), as far as they are texts.

    Names are looked up in MODULE.
    """
    if depth > 5:
        return []
    if isinstance(node, ast.Name) and module:
        return _parts(module.assigned.get(node.id), module, depth + 1)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        if not (isinstance(node.right, ast.Constant) and isinstance(node.right.value, str)):
            return []
        return [*_parts(node.left, module, depth + 1), node.right.value]
    if not isinstance(node, ast.Call):
        return []
    if isinstance(node.func, ast.Name) and node.func.id in ("str", "Path") and node.args:
        return _parts(node.args[0], module, depth + 1)
    if isinstance(node.func, ast.Attribute) and node.func.attr in ("join", "joinpath"):
        texts = [
            each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)
        ]
        first = node.args[0] if node.args and node.func.attr == "join" else node.func.value
        return [*_parts(first, module, depth + 1), *texts]
    return []


def _named(tree: Tree, found: Found, node: ast.AST) -> list[str]:
    """The folders of the project that an expression such as BASE_DIR / "papers" can mean."""
    parts = _parts(node) if isinstance(node, (ast.BinOp, ast.Call)) else []
    if not parts or any(".." in part or part.startswith("/") for part in parts):
        return []
    homes = dict.fromkeys([found.folder, *found.roots, ""])
    paths = [os.path.normpath(os.path.join(home, *parts)) for home in homes]
    # The last part may be a file that is not there yet: data/db.sqlite3.
    folders = [path if (tree.root / path).is_dir() else os.path.dirname(path) for path in paths]
    return [
        folder for folder in folders if folder not in ("", ".", *homes) and (tree.root / folder).is_dir()
    ][:1]


def _is_empty(tree: Tree, folder: str) -> bool:
    return all(path.name in PLACEHOLDERS for path in (tree.root / folder).iterdir())
