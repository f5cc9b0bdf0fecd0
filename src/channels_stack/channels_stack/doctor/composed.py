"""Settings that are put together otherwise than by imports: django-split-settings, django-configurations, dynaconf."""

from __future__ import annotations

import ast
import fnmatch
import os
import re
from collections.abc import Iterator
from typing import Any

from .files import Files, Module
from .findings import Place
from .values import Value, from_python

tomllib: Any
try:
    import tomllib
except ModuleNotFoundError:  # before Python 3.11: such files are not read
    tomllib = None

DYNACONF = "dynaconf."
DYNACONF_SECTIONS = (
    "default",
    "production",
    "global",
)  # in the order in which they are read; names are case-blind
INCLUDE = "split_settings.tools.include"
OPTIONAL = "split_settings.tools.optional"


def included(files: Files, module: Module) -> Iterator[list[Module]]:
    """What each argument of include() in ``module`` names; of `f"environments/{ENV}.py"` one of those has to be chosen."""
    for call in module.calls(INCLUDE):
        for node in _arguments(module, call):
            pattern = _pattern(module, node)
            if pattern:
                whole = os.path.normpath(os.path.join(os.path.dirname(module.path), pattern))
                found = [path for path in sorted(files.modules) if fnmatch.fnmatchcase(path, whole)]
                modules = [files.modules[path] for path in found]
                yield from [modules] if isinstance(node, ast.JoinedStr) else [[one] for one in modules]


def choices(files: Files, module: Module) -> Iterator[tuple[str, list[str]]]:
    """(name, words) of each `f"environments/{ENV}.py"` in ``module``: what its name may say, by the files that are there."""
    for call in module.calls(INCLUDE):
        for node in _arguments(module, call):
            inner = node.args[0] if isinstance(node, ast.Call) and node.args else node
            parts = inner.values if isinstance(inner, ast.JoinedStr) else []
            filled = [part.value for part in parts if isinstance(part, ast.FormattedValue)]
            if len(filled) != 1 or not isinstance(filled[0], ast.Name):
                continue
            start, _, end = _pattern(module, inner).partition("*")
            start = os.path.join(os.path.dirname(module.path), start)
            found = [path for path in files.modules if path.startswith(start) and path.endswith(end)]
            yield filled[0].id, [path[len(start) : -len(end) or None] for path in sorted(found)]


def _arguments(module: Module, call: ast.Call) -> Iterator[ast.expr]:
    for node in call.args:
        inner = node.value if isinstance(node, ast.Starred) else None
        held = module.assigned.get(inner.id) if isinstance(inner, ast.Name) else inner
        if inner is None:
            yield node
        elif isinstance(held, (ast.List, ast.Tuple)):
            yield from held.elts


def _pattern(module: Module, node: ast.expr) -> str:
    """The files that an argument names, with `*` for what is not known; "" where nothing is."""
    if isinstance(node, ast.Call) and module.dotted(node.func) == OPTIONAL and node.args:
        return _pattern(module, node.args[0])
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def configurations(files: Files, module: Module) -> dict[str, list[tuple[Module, ast.ClassDef]]]:
    """Class of django-configurations in ``module`` -> itself and those it inherits from, the furthest first."""
    found = {}
    for name, node in module.classes.items():
        line = _line(files, module, node, 0)
        if line and any(_is_base(owner, base) for owner, one in line for base in one.bases):
            found[name] = line
    return found


def _line(files: Files, module: Module, node: ast.ClassDef, depth: int) -> list[tuple[Module, ast.ClassDef]]:
    line: list[tuple[Module, ast.ClassDef]] = []
    for base in reversed(node.bases):
        path, _, name = module.dotted(base).rpartition(".")
        source = module if path in ("", ".") and name in module.classes else files.module(path, module)
        inherited = source.classes.get(name) if source else None
        if source and inherited and inherited is not node and depth < 10:
            line += _line(files, source, inherited, depth + 1)
    return [*line, (module, node)]


def _is_base(module: Module, base: ast.expr) -> bool:
    return module.dotted(base).startswith("configurations.")


def dynaconf(files: Files, module: Module, call: ast.Call) -> dict[str, Value]:
    """What the settings.toml of dynaconf gives production: the nearest one, at or above the module that starts it."""
    named = [
        part.value
        for one in call.keywords
        if one.arg in ("settings_files", "settings_file", "preload")
        for part in ast.walk(one.value)
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value.endswith(".toml")
    ]
    folder = os.path.dirname(module.path)
    while True:
        values: dict[str, Value] = {}
        for name in named or ["settings.toml"]:
            values.update(_toml(files, os.path.normpath(os.path.join(folder, name))))
        if values or not folder:
            return values
        folder = os.path.dirname(folder)


def _toml(files: Files, path: str) -> dict[str, Value]:
    """The settings in one file of dynaconf's, each at its line."""
    lines = next((plan.lines for plan in files.plans if plan.path == path), [])
    try:
        tables = tomllib.loads("\n".join(lines)) if tomllib else {}
    except ValueError:
        return {}
    sections = {name.lower(): (name, table) for name, table in tables.items() if isinstance(table, dict)}
    values = {}
    for section in DYNACONF_SECTIONS:
        written, table = sections.get(section, ("", {}))
        for key, value in table.items():
            # DATABASES__default__HOST changes a part of another one.
            if "__" not in key:
                values[key.upper()] = from_python(value, Place(path, _line_of(lines, written, key)))
    return values


def _line_of(lines: list[str], section: str, key: str) -> int:
    """The line of KEY in a table; that of a table below it, [production.CACHES], where it has none."""
    inside = False
    for number, line in enumerate(lines, start=1):
        header = re.match(r"\s*\[+\s*([^\]]+?)\s*\]", line)
        if header:
            names = [part.strip().strip("\"'") for part in header[1].split(".")]
            inside = names == [section]
            if names[:2] == [section, key]:
                return number
        elif inside and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]", line):
            return number
    return 0
