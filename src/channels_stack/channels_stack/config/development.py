"""Settings that switch development on by a constant, read as in production.

The overlay sets DEBUG when the settings have been imported. What they make of it on the way (``if DEBUG:``, ``CORS_ALLOW_ALL =
DEBUG``, the queue that runs jobs in the page, scripts from a developer's machine) would stay as in development. So where the
project's own modules say ``DEBUG = True``, what is compiled says False.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.machinery
import importlib.util
import os
import re
import sys
from collections.abc import Iterator, Sequence
from types import CodeType, ModuleType

MAYBE = re.compile(rb"^[^\n#]*\bDEBUG\b[^\n=]*=", re.MULTILINE)
"""In what may have that constant, in any form; only such files are parsed."""

places: list[tuple[str, int]] = []
"""(file, line) of each constant that was read as False."""


@contextlib.contextmanager
def switched_off(foreign: Sequence[str], wanted: bool = True) -> Iterator[None]:
    """Inside, where that is WANTED, modules are imported so, but for those below FOREIGN, which are not the project's."""
    if not wanted:
        yield
        return
    finder = _Finder(foreign)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Finder:
    """Finds what Python's own path finder finds, and gives modules with that constant a loader that changes it."""

    def __init__(self, foreign: Sequence[str]) -> None:
        self.foreign = tuple(os.path.join(folder, "") for folder in foreign)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if path is not None and all(f"{place}/".startswith(self.foreign) for place in path):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or type(spec.loader) is not importlib.machinery.SourceFileLoader:
            return None
        if spec.loader.path.startswith(self.foreign):
            return None
        try:
            source = spec.loader.get_data(spec.loader.path)
        except OSError:
            return None
        if not MAYBE.search(source):
            return None
        spec.loader = _Loader(name, spec.loader.path)
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    """Compiles the source itself: what is compiled alongside it has the constant."""

    def get_code(self, fullname: str) -> CodeType | None:
        path = self.get_filename(fullname)
        tree = ast.parse(self.get_data(path), path)
        for node in _at_import(tree.body):
            targets = (
                node.targets
                if isinstance(node, ast.Assign)
                else [node.target]
                if isinstance(node, ast.AnnAssign)
                else []
            )
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            value = getattr(node, "value", None)
            if "DEBUG" in names and isinstance(value, ast.Constant) and value.value in (True, 1):
                node.value = ast.copy_location(ast.Constant(False), value)  # type: ignore[attr-defined]
                places.append((path, node.lineno))
        code: CodeType = compile(tree, path, "exec", dont_inherit=True)
        return code


def _at_import(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of BODY that run when the module is imported, those in branches as well."""
    for node in body:
        yield node
        for field in ("body", "orelse", "finalbody") if isinstance(node, (ast.If, ast.Try, ast.With)) else ():
            yield from _at_import(getattr(node, field, []))
        for handler in getattr(node, "handlers", []):
            yield from _at_import(handler.body)
