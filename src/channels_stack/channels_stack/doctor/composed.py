"""Settings that are put together otherwise than by imports: django-split-settings, django-configurations."""

from __future__ import annotations

import ast
import fnmatch
import os
from collections.abc import Iterator

from .files import Files, Module

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
