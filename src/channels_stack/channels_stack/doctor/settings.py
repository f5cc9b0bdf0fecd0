"""Computes what a settings module says, following its imports, without running it."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .composed import DYNACONF, INCLUDE, configurations, dynaconf, included
from .evaluate import Evaluator, Names
from .files import Files, Module
from .findings import Place
from .values import Constant, Items, Mapping, Unknown, Value, get

# Words in the name of a settings module, best first: the one for production is judged.
PRODUCTION_WORDS = ("production", "prod", "live", "deploy", "heroku", "docker", "staging")
EXAMPLE_WORDS = ("example", "sample", "template", "dist")
OTHER_WORDS = ("test", "tests", "testing", "ci", "dev", "development", "local", *EXAMPLE_WORDS)
# Folders with settings of their own, for the project's tests or to show how it is used.
OTHER_FOLDERS = re.compile(
    r"(^|.*/)(tests?|testing|examples?|samples?|demos?|docs?|sandbox|testproject|test_project)/"
)
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


def find(files: Files, name: str = "") -> list[Module]:
    """The settings modules to judge: the module ``name``, or the one for production of each project.

    Examples and settings for tests are judged only where there are no others. Empty when there is none.
    """
    if name:
        named = files.module(name)
        return [named] if named else []
    judged: dict[str, Module] = {}
    usual = _named_by_entry_points(files)
    candidates = whole(files, files.unique_modules())
    own = [
        module for module in candidates if not OTHER_FOLDERS.match(module.path) and not _is_example(module)
    ]
    for module in own or candidates:
        folder = _project_of(module)
        if folder not in judged or _rank(module, usual) < _rank(judged[folder], usual):
            judged[folder] = module
    return list(judged.values())


def whole(files: Files, modules: Iterable[Module]) -> list[Module]:
    """Those of ``modules`` that look like settings, without the parts that another one of them includes."""
    candidates = [module for module in modules if is_settings(module, files)]
    parts = {one.path for module in candidates for some in included(files, module) for one in some}
    return [module for module in candidates if module.path not in parts]


def _project_of(module: Module) -> str:
    """Folder that the settings modules of one project have in common."""
    folder = os.path.dirname(module.path)
    return os.path.dirname(folder) if os.path.basename(folder) in ("settings", "config", "conf") else folder


def _rank(module: Module, usual: set[str]) -> tuple[int, int, str]:
    kind, place = _rank_of_words(_words(module))
    return 1 if kind == 2 and module.path in usual else kind, place, module.path


def _rank_of_words(words: list[str]) -> tuple[int, int]:
    for rank, word in enumerate(PRODUCTION_WORDS):
        if word in words:
            return 0, rank
    return (3, 0) if any(word in words for word in OTHER_WORDS) else (2, 0)


def for_production(classes: Iterable[str]) -> str:
    """The one of these names of classes that is meant for production; "" where there is none."""
    return min(classes, key=_rank_of_name, default="")


def _rank_of_name(name: str) -> tuple[int, int]:
    """The same of a class: Production, ProdSettings."""
    return _rank_of_words([word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)])


def _words(module: Module) -> list[str]:
    """The words of a module's name."""
    stem = os.path.splitext(os.path.basename(module.path))[0].lower()
    return re.split(r"[-_.]", stem)


def _is_example(module: Module) -> bool:
    """Whether the module is a template that people copy and fill in: settings_production_example.py."""
    return any(word in EXAMPLE_WORDS for word in _words(module))


def is_settings(module: Module, files: Files | None = None) -> bool:
    """Whether the module looks like settings of Django, by what it assigns or by its name and what it imports.

    With ``files`` also what is put together from them: by include(), or from classes of django-configurations.
    """
    if files and (any(True for _ in included(files, module)) or configurations(files, module)):
        return True
    if "INSTALLED_APPS" in module.assigned or "ROOT_URLCONF" in module.assigned:
        return True
    # settings/production.py, which takes nearly everything from base.py
    near = os.path.basename(os.path.dirname(module.path)) == "settings" or "settings" in os.path.basename(
        module.path
    )
    stars = any(imported.name == "*" for imported in module.imports)
    return near and (stars or bool({"DATABASES", "SECRET_KEY", "CHANNEL_LAYERS"} & set(module.assigned)))


def _named_by_entry_points(files: Files) -> set[str]:
    """Paths of the settings modules that manage.py, asgi.py and wsgi.py name."""
    named = set()
    for module in files.unique_modules():
        if os.path.basename(module.path) not in ("manage.py", "asgi.py", "wsgi.py", "routing.py"):
            continue
        for node in module.nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "settings" in node.value:
                target = (
                    files.module(node.value, module) if node.value.replace(".", "a").isidentifier() else None
                )
                if target:
                    named.add(target.path)
    return named


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
        evaluator = Evaluator(module, names)
        if isinstance(node, ast.ImportFrom):
            self._import(node, module, names, above)
        elif isinstance(node, ast.Assign):
            value = evaluator.value(node.value)
            if isinstance(value, Unknown) and value.call.startswith(DYNACONF):
                self.settings.complete = False  # it fills the module from files and variables of its own
                if isinstance(node.value, ast.Call):
                    names.update(dynaconf(self.files, module, node.value))
            for target in node.targets:
                self._assign(target, value, evaluator)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            self._assign(node.target, evaluator.value(node.value), evaluator)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            both = ast.BinOp(ast.Name(node.target.id, ast.Load()), node.op, node.value)
            ast.fix_missing_locations(ast.copy_location(both, node))
            names[node.target.id] = evaluator.value(both)
        elif isinstance(node, ast.AugAssign):
            self._assign(node.target, Unknown(module.place(node)), evaluator)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            if module.dotted(node.value.func) == INCLUDE:
                for some in included(self.files, module):
                    self.run(min(some, key=lambda one: _rank(one, set())), names, above)
            else:
                _call_method(node.value, evaluator)
        elif isinstance(node, ast.If):
            self._if(node, module, names, above)
        elif isinstance(node, ast.Try):
            self._block([*node.body, *node.orelse, *node.finalbody], module, names, above)
        elif isinstance(node, ast.With):
            self._block(node.body, module, names, above)
        elif isinstance(node, (ast.For, ast.While, ast.AsyncFor, ast.AsyncWith)):
            self._forget(node, module, names)
        elif isinstance(node, ast.Delete):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    names.pop(target.id, None)

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
    first = arguments[0] if arguments else None
    method = node.func.attr
    if isinstance(holder, Items):
        if method == "append" and first:
            holder.items.append(first)
        elif method == "insert" and len(arguments) == 2 and isinstance(first, Constant):
            holder.items.insert(first.value, arguments[1])
        elif method == "extend":
            holder.items += first.items if isinstance(first, Items) else []
            holder.complete = holder.complete and isinstance(first, Items) and first.complete
        elif method == "remove" and isinstance(first, Constant):
            kept = [
                one for one in holder.items if not (isinstance(one, Constant) and one.value == first.value)
            ]
            holder.items[:] = kept
        return None
    if isinstance(holder, (Mapping, Unknown)):
        if method == "update":
            if isinstance(first, Mapping):
                holder.items.update(first.items)
            holder.items.update({one.arg: evaluator.value(one.value) for one in node.keywords if one.arg})
        elif method == "setdefault" and len(arguments) == 2 and isinstance(first, Constant):
            return holder.items.setdefault(first.value, arguments[1])
        elif method == "pop" and isinstance(first, Constant):
            return holder.items.pop(first.value, None)
    return None
