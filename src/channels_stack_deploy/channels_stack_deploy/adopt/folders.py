"""What a project writes to in its own folder, where an image is read-only."""

from __future__ import annotations

import ast
import os

from channels_stack.doctor import settings as doctor_settings
from channels_stack.doctor.values import text, texts

from .found import Findings
from .modules import Found
from .tree import Tree

PLACEHOLDERS = {".gitkeep", ".gitignore", ".keep", "README", "README.md"}
"""Files that keep an empty folder in a repository."""

OURS = {"STATIC_ROOT", "MEDIA_ROOT", "STATICFILES_DIRS", "TEMPLATES", "LOCALE_PATHS", "FIXTURE_DIRS"}
"""Settings whose folders are volumes already, or are only read."""


def find(tree: Tree, found: Found, overlay: set[str]) -> Findings:
    """APP_VOLUMES, for the folders that are kept empty for what the project writes; and what becomes of SQLite.

    OVERLAY names the parts that are off.
    """
    assert found.settings is not None
    findings = Findings()
    values = doctor_settings.read(tree.files, found.settings)
    ours = OURS | (set() if "database" in overlay else {"DATABASES"})
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
    if volumes:
        why = ", ".join(f"{folder}: {place}" for folder, place in volumes.items())
        findings.line("APP_VOLUMES", " ".join(volumes), why)
    engine = values.get("DATABASES", "default", "ENGINE")
    if "sqlite" in (text(engine) or "") and "database" not in overlay:
        findings.notes.append(
            f"SQLite ({engine.at if engine else ''}) becomes the stack's PostgreSQL, which is empty; to keep the file: "
            "APP_OVERLAY=-database, and the file in APP_VOLUMES"
        )
    elif "postgis" in (text(engine) or ""):
        findings.questions.append(
            f"PostGIS ({engine.at if engine else ''}): the stack's PostgreSQL has no PostGIS; DB_NODES=0 and the address of "
            "one that has, in secrets/database_url (docs/how-to/data-stores.md)"
        )
    return findings


def geodjango(values: doctor_settings.Settings) -> str:
    """file:line of django.contrib.gis among the applications; "" where it is not."""
    return next(
        (str(value.at) for name, value in texts(values["INSTALLED_APPS"]) if name == "django.contrib.gis"), ""
    )


def _named(tree: Tree, found: Found, node: ast.AST) -> list[str]:
    """The folders of the project that an expression such as BASE_DIR / "papers" can mean."""
    parts: list[str] = []
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            if not (isinstance(node.right, ast.Constant) and isinstance(node.right.value, str)):
                return []
            parts.insert(0, node.right.value)
            node = node.left
    elif (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("join", "joinpath")
    ):
        parts = [
            each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)
        ]
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
