"""A project as the rules see it: its modules, its settings, its packages, and who is who among its classes."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator, Sequence
from functools import cached_property

from . import settings_modules
from .files import Files, Function, Module, Plan
from .findings import Place
from .packages import Packages
from .settings import Settings, read
from .values import texts

ASYNC_CONSUMERS = {
    "channels.consumer.AsyncConsumer",
    "channels.generic.websocket.AsyncWebsocketConsumer",
    "channels.generic.websocket.AsyncJsonWebsocketConsumer",
    "channels.generic.http.AsyncHttpConsumer",
}
SYNC_CONSUMERS = {
    "channels.consumer.SyncConsumer",
    "channels.generic.websocket.WebsocketConsumer",
    "channels.generic.websocket.JsonWebsocketConsumer",
}
ROUTER = "channels.routing.ProtocolTypeRouter"
CHANNEL_ROUTER = "channels.routing.ChannelNameRouter"
TEST_FILE = re.compile(r"(^|/)(tests?/|test_[^/]*\.py$|[^/]*_tests?\.py$|tests?\.py$|conftest\.py$)")


class NotAProjectError(Exception):
    """There is nothing to examine; the text says why and what to do."""


class Project:
    """What was read below ``root``. ``settings_name`` names the settings module; "" lets the doctor choose. With
    django-configurations it may name the class too, as ``module:class``.

    ``roots`` are the folders below it that are on Python's path, as APP_PATH has them. Raises NotAProjectError.
    """

    def __init__(self, root: str, settings_name: str = "", roots: Sequence[str] = ()) -> None:
        root = os.path.abspath(root)
        if not os.path.exists(root):
            raise NotAProjectError(f"{root} is not there")
        if not os.path.isdir(root):
            raise NotAProjectError(f"{root} is a file: name the folder that holds manage.py")
        if not os.access(root, os.R_OK | os.X_OK):
            raise NotAProjectError(f"{root} cannot be read (as uid {os.getuid()})")
        self.files = Files(root, roots)
        module_name, _, chosen = settings_name.partition(":")
        found = settings_modules.find(self.files, module_name)
        if settings_name and not found:
            raise NotAProjectError(f"{root} holds no module {module_name}: name the settings with --settings")
        if not found and not self._looks_like_channels():
            why = "no settings module and nothing that imports channels"
            raise NotAProjectError(
                f"{root} holds no Django project ({why}): name the folder that holds manage.py"
            )
        self.settings: list[Settings] = [read(self.files, module, chosen) for module in found]
        self.packages = Packages(self.files.texts)

    def _looks_like_channels(self) -> bool:
        return bool(self.files.problems) or any(
            imported.module.partition(".")[0] == "channels"
            for module in self.files.unique_modules()
            for imported in module.imports
        )

    @cached_property
    def all_modules(self) -> list[Module]:
        """Every module."""
        return self.files.unique_modules()

    @cached_property
    def modules(self) -> list[Module]:
        """Every module that runs in production: all but the tests."""
        return [module for module in self.all_modules if not self._is_test(module.path)]

    def _is_test(self, path: str) -> bool:
        """Whether a file is a test: by its name, or its folder, unless that is an application of this name."""
        for folder in self._applications_called_tests:
            if f"/{path}".startswith(f"/{folder}/") or f"/{folder}/" in f"/{path}":
                path = path.rpartition(f"{folder}/")[2]
        return bool(TEST_FILE.search(path))

    @cached_property
    def _applications_called_tests(self) -> set[str]:
        """Folders of applications whose name looks like one of tests: a school's exams in `tests/`."""
        folders = set()
        for settings in self.settings:
            for name, _ in texts(settings["INSTALLED_APPS"]):
                folder = name.partition(".apps.")[0].replace(".", "/")
                if TEST_FILE.search(f"{folder}/") and any(
                    f"/{module.path}".endswith((f"/{folder}/models.py", f"/{folder}/apps.py"))
                    for module in self.all_modules
                ):
                    folders.add(folder)
        return folders

    @property
    def plans(self) -> list[Plan]:
        """The files that say how processes are started."""
        return self.files.plans

    def calls(self, *names: str) -> Iterator[tuple[Module, ast.Call]]:
        """Every call of one of these dotted names."""
        for module in self.modules:
            for call in module.calls(*names):
                yield module, call

    def uses(self, *roots: str) -> bool:
        """Whether a module imports one of these packages."""
        return any(
            imported.module.startswith(tuple(f"{root}." for root in roots)) or imported.module in roots
            for module in self.modules
            for imported in module.imports
        )

    def definition(self, module: Module, node: ast.AST | None) -> tuple[Module, ast.AST] | None:
        """The class, function or expression of the project that an expression in ``module`` names."""
        return self._defined(module, module.dotted(node), 0)

    def _defined(self, module: Module, dotted: str, depth: int) -> tuple[Module, ast.AST] | None:
        if not dotted or depth > 10:
            return None
        bare = dotted.lstrip(".")
        level = len(dotted) - len(bare)
        path, _, name = bare.rpartition(".")
        if level == 1 and not path and _top_level(module, name) is not None:
            return module, _top_level(module, name)  # type: ignore[return-value]
        source = self.files.module("." * level + path, module)
        if source is None or source is module:
            return None
        found = _top_level(source, name)
        if found is not None:
            return source, found
        if name in source.names:
            return self._defined(source, source.names[name], depth + 1)
        for imported in source.imports:  # from .consumers import *
            if imported.name == "*":
                dot = "" if imported.module.endswith(".") else "."
                below = self._defined(source, f"{imported.module}{dot}{name}", depth + 1)
                if below:
                    return below
        return None

    def bases(self, module: Module, node: ast.ClassDef, depth: int = 0) -> set[str]:
        """Dotted names of all classes that a class inherits from, as far as they are known."""
        ancestors: set[str] = set()
        for base in node.bases:
            dotted = module.dotted(base)
            ancestors.add(dotted)
            own = self.definition(module, base)
            if own and isinstance(own[1], ast.ClassDef) and own[1] is not node and depth < 10:
                ancestors |= self.bases(own[0], own[1], depth + 1)
        return ancestors

    @cached_property
    def consumers(self) -> list[tuple[Module, ast.ClassDef]]:
        """Every consumer class."""
        return [
            (module, node)
            for module in self.modules
            for node in module.nodes
            if isinstance(node, ast.ClassDef) and self.is_consumer(module, node)
        ]

    def is_consumer(self, module: Module, node: ast.ClassDef) -> bool:
        """Whether the class is a consumer, by what it inherits."""
        bases = self.bases(module, node)
        return bool(bases & (ASYNC_CONSUMERS | SYNC_CONSUMERS)) or any(
            base.endswith(("WebsocketConsumer", "AsyncConsumer", "SyncConsumer")) for base in bases
        )

    def is_async_consumer(self, module: Module, node: ast.ClassDef) -> bool:
        """Whether the consumer runs on the event loop."""
        bases = self.bases(module, node)
        return bool(bases & ASYNC_CONSUMERS) or any("Async" in base.rpartition(".")[2] for base in bases)

    def dictionary(self, module: Module, node: ast.expr | None) -> tuple[Module, ast.Dict] | None:
        """The dictionary literal that an expression is or names."""
        if isinstance(node, ast.Dict):
            return module, node
        definition = self.definition(module, node) if node is not None else None
        return (definition[0], definition[1]) if definition and isinstance(definition[1], ast.Dict) else None

    @cached_property
    def used_at_import(self) -> set[str]:
        """Names that are used while modules are imported (as a decorator, most often), and in no function."""
        now: set[str] = set()
        later: set[str] = set()
        for module in self.modules:
            left: list[tuple[ast.AST, set[str]]] = [(module.tree, now)]
            while left:
                node, uses = left.pop()
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                    uses.add(node.id)
                elif isinstance(node, ast.Attribute):
                    uses.add(node.attr)
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    left += ((each, uses) for each in node.decorator_list)
                    left += ((each, later) for each in node.body)
                else:
                    left += ((each, uses) for each in ast.iter_child_nodes(node))
        return now - later

    @cached_property
    def routers(self) -> list[tuple[Module, ast.Call, tuple[Module, ast.Dict] | None]]:
        """Every ProtocolTypeRouter, with its dictionary where that can be seen."""
        return [
            (module, call, self.dictionary(module, call.args[0] if call.args else None))
            for module, call in self.calls(ROUTER)
        ]

    @cached_property
    def worker_channels(self) -> dict[str, Place] | None:
        """Channel name -> its line in a ChannelNameRouter; None when there is a router with unknown names."""
        channels: dict[str, Place] = {}
        for module, call in self.calls(CHANNEL_ROUTER):
            literal = self.dictionary(module, call.args[0] if call.args else None)
            if literal is None:
                return None
            for key in literal[1].keys:
                if not (isinstance(key, ast.Constant) and isinstance(key.value, str)):
                    return None
                channels[key.value] = literal[0].place(key)
        return channels

    @property
    def has_worker(self) -> bool:
        """Whether the project consumes channels by name."""
        return any(True for _ in self.calls(CHANNEL_ROUTER))


def _top_level(module: Module, name: str) -> ast.AST | None:
    return module.classes.get(name) or module.functions.get(name) or module.assigned.get(name)


def keys(literal: ast.Dict) -> dict[str, ast.expr]:
    """The entries of a dictionary literal whose keys are texts."""
    return {
        key.value: value
        for key, value in zip(literal.keys, literal.values)
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }


def is_open(literal: ast.Dict) -> bool:
    """Whether the literal may have keys that cannot be seen."""
    return any(not isinstance(key, ast.Constant) for key in literal.keys)


def methods(node: ast.ClassDef) -> dict[str, Function]:
    """The methods that a class itself defines."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {child.name: child for child in node.body if isinstance(child, kinds)}


def parameters(function: Function) -> list[str]:
    """The names of the positional parameters of a function."""
    return [one.arg for one in [*function.args.posonlyargs, *function.args.args]]
