"""Computes what a settings module says, following its imports, without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .composed import DYNACONF, INCLUDE, configurations, dynaconf, included
from .evaluate import Evaluator, Names
from .files import Files, Module
from .findings import Place
from .settings_modules import for_production, rank
from .values import Constant, Items, Mapping, Unknown, Value, get

DEEPEST_IMPORTS = 20


@dataclass
class Settings:
    """The settings of one module; ``complete`` is False when it takes names from where the doctor cannot look."""

    path: str
    values: Names
    complete: bool = True
    files: list[str] = field(default_factory=list)  # all that were read for it
    imported: bool = False  # the values are those of the running project

    def __contains__(self, name: object) -> bool:
        return name in self.values

    def __getitem__(self, name: str) -> Value | None:
        return self.values.get(name)

    def get(self, name: str, *path: object) -> Value | None:
        """The value below these keys of a setting; None where it is not there or not known."""
        return get(self.values.get(name), *path)

    def lacks(self, name: str) -> bool:
        """Whether the setting is certainly not there."""
        return self.complete and name not in self.values

    @property
    def place(self) -> Place:
        """The file as a whole."""
        return Place(self.path)

    @property
    def debug(self) -> bool:
        """Whether DEBUG is on; in sources always False, because they are judged as in production."""
        found = self.values.get("DEBUG")
        return self.imported and isinstance(found, Constant) and bool(found.value)


def read(files: Files, module: Module, chosen: str = "") -> Settings:
    """What ``module`` says; of classes of django-configurations the one that is ``chosen``, else the one for production."""
    settings = Settings(module.path, {})
    _Reader(files, settings, chosen).run(module, settings.values, [])
    settings.values = {name: value for name, value in settings.values.items() if name.isupper()}
    return settings


class _Reader:
    """Goes through the statements of a module and of those it takes all names from."""

    def __init__(self, files: Files, settings: Settings, chosen: str) -> None:
        self.files, self.settings, self.chosen = files, settings, chosen

    def run(self, module: Module, names: Names, above: list[str]) -> None:
        if module.path in above or len(above) > DEEPEST_IMPORTS:
            return
        if module.path not in self.settings.files:
            self.settings.files.append(module.path)
        names.setdefault("__name__", Constant("settings", Place(module.path)))
        try:
            self._block(module.tree.body, module, names, [*above, module.path])
            if not above:
                self._configuration(module, names)
        except RecursionError:
            self.settings.complete = False

    def _configuration(self, module: Module, names: Names) -> None:
        """The attributes of the class of django-configurations that production uses are settings."""
        found = configurations(self.files, module)
        name = self.chosen if self.chosen in found else for_production(found)
        for owner, node in found.get(name, ()):
            if owner.path not in self.settings.files:
                self.settings.files.append(owner.path)
            self._block(node.body, owner, names, [owner.path])

    def _block(self, body: Iterable[ast.stmt], module: Module, names: Names, above: list[str]) -> None:
        for statement in body:
            self._statement(statement, module, names, above)

    def _statement(self, node: ast.stmt, module: Module, names: Names, above: list[str]) -> None:
        if isinstance(node, ast.ImportFrom):
            self._import(node, module, names, above)
        elif isinstance(node, ast.If):
            self._if(node, module, names, above)
        elif isinstance(node, ast.Try):
            self._block([*node.body, *node.orelse, *node.finalbody], module, names, above)
        elif isinstance(node, ast.With):
            self._block(node.body, module, names, above)
        elif isinstance(node, (ast.For, ast.While, ast.AsyncFor, ast.AsyncWith)):
            self._forget(node, module, names)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            self._call(node.value, module, names, above)
        elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            self._assignment(node, Evaluator(module, names))
        elif isinstance(node, ast.Delete):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    names.pop(target.id, None)

    def _assignment(self, node: ast.Assign | ast.AnnAssign | ast.AugAssign, evaluator: Evaluator) -> None:
        module, names = evaluator.module, evaluator.names
        if isinstance(node, ast.Assign):
            value = evaluator.value(node.value)
            if isinstance(value, Unknown) and value.call.startswith(DYNACONF):
                self.settings.complete = False  # it fills the module from files and variables of its own
                if isinstance(node.value, ast.Call):
                    names.update(dynaconf(self.files, module, node.value))
            for target in node.targets:
                self._assign(target, value, evaluator)
        elif isinstance(node, ast.AnnAssign):
            if node.value is not None:
                self._assign(node.target, evaluator.value(node.value), evaluator)
        elif isinstance(node.target, ast.Name):
            both = ast.BinOp(ast.Name(node.target.id, ast.Load()), node.op, node.value)
            ast.fix_missing_locations(ast.copy_location(both, node))
            names[node.target.id] = evaluator.value(both)
        else:
            self._assign(node.target, Unknown(module.place(node)), evaluator)

    def _call(self, node: ast.Call, module: Module, names: Names, above: list[str]) -> None:
        """A call whose result is not kept: include() of django-split-settings, or a method that changes a setting."""
        if module.dotted(node.func) == INCLUDE:
            for some in included(self.files, module):
                self.run(min(some, key=lambda one: rank(one, set())), names, above)
        else:
            _call_method(node, Evaluator(module, names))

    def _import(self, node: ast.ImportFrom, module: Module, names: Names, above: list[str]) -> None:
        source = self.files.module("." * node.level + (node.module or ""), module)
        for alias in node.names:
            if alias.name == "*":
                if source:
                    self.run(source, names, above)
                elif not module.is_guarded(node):
                    self.settings.complete = False
            elif source and alias.name.isupper():
                found: Names = {}
                self.run(source, found, above)
                if alias.name in found:
                    names[alias.asname or alias.name] = found[alias.name]
            elif alias.name.isupper():
                names[alias.asname or alias.name] = Unknown(module.place(node))

    def _if(self, node: ast.If, module: Module, names: Names, above: list[str]) -> None:
        truth = Evaluator(module, names).production_truth(node.test)
        if truth is not None:
            return self._block(node.body if truth else node.orelse, module, names, above)
        # Either may happen: a name has a value afterwards only where both agree.
        before, others = dict(names), dict(names)
        self._block(node.body, module, names, above)
        self._block(node.orelse, module, others, above)
        for name in {*names, *others}:
            one, other = names.get(name), others.get(name)
            if one is not other:
                known = one or other or before[name]
                names[name] = Unknown(known.at, call="if")

    def _forget(self, node: ast.stmt, module: Module, names: Names) -> None:
        """What a loop assigns is not known."""
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                names[part.id] = Unknown(module.place(part))

    def _assign(self, target: ast.expr, value: Value, evaluator: Evaluator) -> None:
        if isinstance(target, ast.Name):
            evaluator.names[target.id] = value
        elif isinstance(target, ast.Subscript):
            holder, key = evaluator.value(target.value), evaluator.value(target.slice)
            if isinstance(key, Constant):
                _set(holder, key.value, value)
        elif isinstance(target, (ast.Tuple, ast.List)):
            for number, element in enumerate(target.elts):
                part = get(value, number) or Unknown(evaluator.module.place(element))
                self._assign(element, part, evaluator)


def _set(holder: Value, key: Any, value: Value) -> None:
    if isinstance(holder, (Mapping, Unknown)) or (
        isinstance(holder, Items) and isinstance(key, int) and 0 <= key < len(holder.items)
    ):
        holder.items[key] = value


def _call_method(node: ast.Call, evaluator: Evaluator) -> Value | None:
    """Do what a statement such as ``INSTALLED_APPS.append("x")`` does; the value that the call returns."""
    if not isinstance(node.func, ast.Attribute):
        return None
    inner = node.func.value
    holder = _call_method(inner, evaluator) if isinstance(inner, ast.Call) else None
    holder = holder or evaluator.value(inner)
    arguments = [evaluator.value(one) for one in node.args]
    if isinstance(holder, Items):
        _change_items(holder, node.func.attr, arguments)
        return None
    if isinstance(holder, (Mapping, Unknown)):
        keywords = {one.arg: evaluator.value(one.value) for one in node.keywords if one.arg}
        return _change_mapping(holder, node.func.attr, arguments, keywords)
    return None


def _change_items(holder: Items, method: str, arguments: list[Value]) -> None:
    first = arguments[0] if arguments else None
    if method == "append" and first:
        holder.items.append(first)
    elif method == "insert" and len(arguments) == 2 and isinstance(first, Constant):
        holder.items.insert(first.value, arguments[1])
    elif method == "extend":
        holder.items += first.items if isinstance(first, Items) else []
        holder.complete = holder.complete and isinstance(first, Items) and first.complete
    elif method == "remove" and isinstance(first, Constant):
        kept = [one for one in holder.items if not (isinstance(one, Constant) and one.value == first.value)]
        holder.items[:] = kept


def _change_mapping(
    holder: Mapping | Unknown, method: str, arguments: list[Value], keywords: dict[str, Value]
) -> Value | None:
    first = arguments[0] if arguments else None
    if method == "update":
        if isinstance(first, Mapping):
            holder.items.update(first.items)
        holder.items.update(keywords)
    elif method == "setdefault" and len(arguments) == 2 and isinstance(first, Constant):
        return holder.items.setdefault(first.value, arguments[1])
    elif method == "pop" and isinstance(first, Constant):
        return holder.items.pop(first.value, None)
    return None
