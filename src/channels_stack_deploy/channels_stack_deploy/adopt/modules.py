"""Where a project's settings and its ASGI application are, and which folders Python has to look in for them."""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

from channels_stack.doctor import settings as doctor_settings
from channels_stack.doctor import settings_modules
from channels_stack.doctor.composed import configurations
from channels_stack.doctor.files import Module
from channels_stack.doctor.values import text

from ..console import Failure
from .findings import Findings
from .tree import Tree, above, dotted_name, resolve

ENTRIES = ("asgi.py", "wsgi.py", "manage.py", "celery.py", "celery_app.py", "routing.py", "passenger_wsgi.py")
"""Modules that name the settings, what serves first."""

BASE_WORDS = ("base", "common", "defaults", "default", "shared", "global")
TEMPLATE_WORDS = ("example", "sample", "template", "dist", "skeleton")
"""In the name of a settings module: what others build on, and what is copied to make one."""

MOST_CHOICES = 4
"""Of several projects in one tree, so many are named."""

TESTS = re.compile(r"\b(test|pytest|coverage|tox)\b")
"""A line that runs tests says nothing of production, which a Makefile and a Procfile are for as well."""

MAKES_ASGI = ("ProtocolTypeRouter", "get_asgi_application", "get_default_application")


@dataclass
class Found:
    """Where a project begins. ROOTS are folders below the tree, the one to work in first; PLACES are file:line."""

    manage: str = ""
    """Path of manage.py; "" where there is none."""
    roots: list[str] = field(default_factory=list)
    settings: Module | None = None
    settings_name: str = ""
    asgi: Module | None = None
    findings: Findings = field(default_factory=Findings)

    @property
    def folder(self) -> str:
        """The folder that the project's other files are in."""
        return os.path.dirname(self.manage) if self.manage else (self.roots or [""])[0]


def find(tree: Tree) -> Found:
    """What TREE holds. Raises Failure where there is no Django project, or more than one."""
    named = list(_named(tree))
    candidates = [
        module for module in settings_modules.whole(tree.files, tree.own()) if _is_whole(tree, module)
    ]
    if not candidates:
        raise Failure(_nothing(tree))
    groups: dict[str, list[tuple[Module, str]]] = {}
    managed = {os.path.dirname(module.path): module.path for module in tree.own() if _is_manage(module)}
    for module in candidates:
        root = _root(tree, module, named)
        home = next((folder for folder in above(module.path) if folder in managed), root)
        groups.setdefault(home, []).append((module, root))
    chosen = {home: group for home, group in groups.items() if home in managed} or groups
    if len(chosen) > 1:
        served = {home: group for home, group in chosen.items() if _asgi_below(tree, home)}
        chosen = served if len(served) == 1 else chosen
    if len(chosen) > 1:
        raise Failure(_several(tree, chosen, managed))
    ((home, group),) = chosen.items()
    found = Found(managed.get(home, ""))
    _choose_settings(tree, found, group, named)
    _choose_asgi(tree, found)
    if found.roots != [""]:
        places = " ".join(root or "." for root in found.roots)
        found.findings.line(
            "APP_PATH", places, "from there Python finds the settings and what the project imports"
        )
    return found


# --- Settings ----------------------------------------------------------------------------------------


def _named(tree: Tree) -> Iterator[tuple[Module, str, str, str]]:
    """(settings module, its root, the entry point's name, file:line) for each that an entry point names."""
    for module in sorted(tree.own(), key=lambda each: each.path):
        name = os.path.basename(module.path)
        if name not in ENTRIES:
            continue
        roots = [*above(module.path), *(os.path.join(each, "src") for each in above(module.path))]
        roots += [root for root, _ in added_roots(tree, module)]
        for node in module.nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _is_dotted(node.value):
                place = resolve(tree.files, node.value, roots)
                if (
                    place
                    and "settings" in f"{node.value} {place[0].text}".lower()
                    and _is_whole(tree, place[0])
                ):
                    yield (*place, name, str(module.place(node)))


def _is_dotted(value: str) -> bool:
    return re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", value) is not None


def added_roots(tree: Tree, module: Module) -> Iterator[tuple[str, str]]:
    """(folder, file:line) of each that a module adds to sys.path by a name below its own folder."""
    for call in module.calls("sys.path.append", "sys.path.insert"):
        names = [
            part.value
            for part in ast.walk(call)
            if isinstance(part, ast.Constant) and isinstance(part.value, str)
        ]
        for folder in above(module.path):
            place = os.path.normpath(os.path.join(folder, *names)) if names else ""
            if place and place != ".." and (tree.root / place).is_dir():
                yield place, str(module.place(call))
                break


def _is_manage(module: Module) -> bool:
    return os.path.basename(module.path) == "manage.py" and "DJANGO_SETTINGS_MODULE" in module.text


def _is_whole(tree: Tree, module: Module) -> bool:
    """Whether the module can be a project's settings by itself, not a part that another one imports."""
    read = doctor_settings.read(tree.files, module)
    return not read.complete or "INSTALLED_APPS" in read or "ROOT_URLCONF" in read


def _root(tree: Tree, module: Module, named: list[tuple[Module, str, str, str]]) -> str:
    """The folder that Python has to look in to find the settings MODULE."""
    for other, root, _, _ in named:
        if other is module:
            return root
    for other, root, _, _ in named:
        package = os.path.relpath(other.path, root or ".").split("/")[0]
        if f"{module.path}/".startswith(os.path.join(root, package, "")):
            return root
    folder = os.path.dirname(module.path)
    while folder and (
        tree.exists(f"{folder}/__init__.py") or os.path.basename(folder) in ("settings", "config")
    ):
        folder = os.path.dirname(folder)
    return folder


def _words(module: Module) -> list[str]:
    stem = module.path.removesuffix(".py").removesuffix("/__init__")
    return re.split(r"[/_.-]", "/".join(stem.lower().split("/")[-2:]))


def _choose_settings(
    tree: Tree, found: Found, group: list[tuple[Module, str]], named: list[tuple[Module, str, str, str]]
) -> None:
    """The settings for production of GROUP, which are one project's."""
    by_plan: dict[str, str] = {}
    for place, match in tree.plans(r"DJANGO_SETTINGS_MODULE[=:\s\"']+([\w.]+)"):
        if TESTS.search(match.string):
            continue
        by_plan.setdefault(match[1], place)
    names = {module.path: dotted_name(module.path, root) for module, root in group}

    def entry(module: Module) -> tuple[int, str]:
        places = [(ENTRIES.index(name), place) for other, _, name, place in named if other is module]
        return min(places, default=(len(ENTRIES), ""))

    def rank(each: tuple[Module, str]) -> tuple[int, int, str]:
        module, _ = each
        words = _words(module)
        other = any(word in words for word in settings_modules.OTHER_WORDS)
        if any(word in words for word in TEMPLATE_WORDS):
            return 9, 0, module.path
        if names[module.path] in by_plan and not other:
            return 0, 0, module.path
        for number, word in enumerate(settings_modules.PRODUCTION_WORDS):
            if word in words:
                return 1, number, module.path
        base = words[-1] in BASE_WORDS
        if entry(module)[1]:
            return 4 if other else 2, entry(module)[0], module.path
        return 6 if other else 5 if base else 3, 0, module.path

    ranked = sorted(group, key=rank)
    module, root = ranked[0]
    if rank(ranked[0])[0] == 9:
        raise Failure(
            f"{tree.root} holds no settings yet, only what they are made from: {module.path}; copy it to the name that "
            "manage.py imports, and adopt again"
        )
    found.settings, found.settings_name = module, names[module.path]
    why = by_plan.get(found.settings_name) or entry(module)[1]
    if chosen := settings_modules.for_production(configurations(tree.files, module)):
        found.settings_name += f":{chosen}"
    found.findings.line(
        "APP_SETTINGS", found.settings_name, f"{module.path}" + (f", named in {why}" if why else "")
    )
    others = [other.path for other, _ in ranked[1:] if rank((other, ""))[0] < 3]
    if rank(ranked[0])[0] in (4, 6):
        found.findings.questions.append(
            f"APP_SETTINGS: {module.path} is for development by its name, and there are none for production; it is taken as it "
            "is, and the overlay sets what production decides"
        )
    elif others:
        found.findings.questions.append(
            f"APP_SETTINGS: {module.path} is taken; {', '.join(others)} could be meant as well"
        )
    found.roots = _roots(tree, found, root)
    found.roots += _imported_from_elsewhere(tree, found)


def _roots(tree: Tree, found: Found, root: str) -> list[str]:
    """Folders on Python's path: where manage.py is, ROOT of the settings, and what manage.py or asgi.py add."""
    roots = [os.path.dirname(found.manage), root] if found.manage else [root]
    for path in filter(None, [found.manage, *(each.path for each in tree.own() if _is_asgi(each))]):
        if above(path)[0] == os.path.dirname(found.manage) or f"{path}/".startswith(os.path.join(root, "")):
            added = [each for each, _ in added_roots(tree, tree.files.modules[path])]
            roots += [each for each in added if not each.startswith("..")]
    return list(dict.fromkeys("" if each == "." else each for each in roots))


def _imported_from_elsewhere(tree: Tree, found: Found) -> list[str]:
    """Further folders that hold what modules below the roots import, and nothing else on the path does."""
    modules = {module.path for module in tree.own()}
    places: dict[str, set[str]] = {}  # top-level name -> folders that have it
    for path in modules:
        parts = path.split("/")
        for depth, part in enumerate(parts):
            if depth < 4:  # libs/common/src/common
                places.setdefault(part.removesuffix(".py"), set()).add("/".join(parts[:depth]))
    wanted = {
        imported.module.partition(".")[0]: None
        for path in sorted(modules)
        if any(path.startswith(os.path.join(root, "")) or not root for root in found.roots)
        for imported in tree.files.modules[path].imports
        if not imported.module.startswith(".")
    }
    added = []
    for name in wanted:
        # A package's own folder is no root: what is inside it is imported by the package's name.
        folders = {
            each for each in places.get(name, set()) if not tree.exists(os.path.join(each, "__init__.py"))
        }
        inside = any(folder in found.roots for folder in folders)
        if len(folders) != 1 or inside or name in sys.stdlib_module_names:
            continue
        added += [folder for folder in folders if folder not in added]
    return added


def _nothing(tree: Tree) -> str:
    inside = sorted(
        {above(module.path)[0] or "." for module in tree.files.unique_modules() if _is_manage(module)}
    )
    if inside:
        return f"{tree.root} holds manage.py in {', '.join(inside)}, but no settings: where are INSTALLED_APPS assigned?"
    return f"{tree.root} holds no Django project (no module assigns INSTALLED_APPS or ROOT_URLCONF): name the folder of one"


def _several(tree: Tree, groups: dict[str, list[tuple[Module, str]]], managed: dict[str, str]) -> str:
    shown = sorted(groups.items())[:MOST_CHOICES]
    choices = [
        f"make adopt P={tree.root / home} ({managed.get(home) or group[0][0].path})" for home, group in shown
    ]
    more = f", and {len(groups) - len(shown)} more" if len(groups) > len(shown) else ""
    return (
        f"{tree.root} holds {len(groups)} Django projects, and a stack runs one: {' or '.join(choices)}{more}"
    )


# --- ASGI --------------------------------------------------------------------------------------------


def _is_asgi(module: Module) -> bool:
    return os.path.basename(module.path) == "asgi.py"


def applications(module: Module) -> dict[str, int]:
    """Name -> line of what the top level of MODULE makes that is an ASGI application, by what it is made of."""
    lines: dict[str, int] = {}
    for node in _top_level(module.tree.body):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            names = [arg.arg for arg in node.args.args]
            if names == ["scope", "receive", "send"]:
                lines[node.name] = node.lineno
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        value = getattr(node, "value", None)
        if not targets or not isinstance(value, ast.expr):
            continue
        made = any(
            module.dotted(part.func).rpartition(".")[2] in MAKES_ASGI
            if isinstance(part, ast.Call)
            else isinstance(part, ast.Name) and part.id in lines
            for part in ast.walk(value)
        )
        for target in targets:
            # The name that Django gives it says so too, where a function makes it.
            if isinstance(target, ast.Name) and (made or (_is_asgi(module) and target.id == "application")):
                lines[target.id] = node.lineno
    for imported in module.imports:
        if _is_asgi(module) and "application" in imported.names and imported.name:
            lines.setdefault("application", imported.node.lineno)
    return lines


def _binds(module: Module, name: str) -> bool:
    """Whether the top level of MODULE has NAME, or may have it from another module of which it takes all."""
    for node in _top_level(module.tree.body):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            bound = {node.name}
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            bound = {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            bound = {target.id for target in targets if isinstance(target, ast.Name)}
        else:
            continue
        if bound & {name, "*"}:
            return True
    return False


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module that belong to no function and no class, also those that depend on something."""
    for node in body:
        yield node
        if isinstance(node, (ast.If, ast.Try, ast.With)):
            handlers = getattr(node, "handlers", [])
            parts = [*node.body, *(each for handler in handlers for each in handler.body)]
            yield from _top_level([*parts, *getattr(node, "orelse", []), *getattr(node, "finalbody", [])])


def has_router(module: Module) -> bool:
    """Whether MODULE routes protocols by itself."""
    return any(
        module.dotted(node.func).endswith("ProtocolTypeRouter")
        for node in module.nodes
        if isinstance(node, ast.Call)
    )


def _asgi_below(tree: Tree, home: str) -> bool:
    return any(
        _is_asgi(module) and f"{module.path}".startswith(os.path.join(home, "")) for module in tree.own()
    )


def _attribute(module: Module, wanted: str = "") -> str:
    """The application of MODULE: WANTED where it has that, `application`, or what was made last."""
    names = applications(module)
    for name in (wanted, "application"):
        if name in names:
            return name
    return max(names, key=lambda each: names[each])


def _choose_asgi(tree: Tree, found: Found) -> None:
    candidates = {
        module.path: module
        for module in tree.own()
        if applications(module)
        and (_is_asgi(module) or has_router(module))
        and any(f"{module.path}".startswith(os.path.join(root, "")) for root in found.roots)
    }

    def take(module: Module, attribute: str, why: str) -> None:
        found.asgi = module
        root = max((each for each in found.roots if module.path.startswith(os.path.join(each, ""))), key=len)
        found.findings.line("APP_ASGI", f"{dotted_name(module.path, root)}:{attribute}", why)

    assert found.settings is not None
    started: dict[str, tuple[Module, str, str]] = {}
    for place, match in tree.plans(r"(?:uvicorn|daphne|hypercorn|gunicorn|granian)\b.*?\s([\w.]+):(\w+)"):
        target = resolve(tree.files, match[1], found.roots)
        if target and _binds(target[0], match[2]):
            started.setdefault(target[0].path, (target[0], match[2], f"{place} starts it"))
    value = doctor_settings.read(tree.files, found.settings)["ASGI_APPLICATION"]
    module_name, _, attribute = (text(value) or "").rpartition(".")
    target = resolve(tree.files, module_name, found.roots) if module_name else None
    named = [*started.values()] if len(started) == 1 else []
    if not named and target and _binds(target[0], attribute):
        named = [(target[0], attribute, f"ASGI_APPLICATION, {value.at if value else ''}")]
    if named:
        take(*named[0])
        return
    routed = {path: module for path, module in candidates.items() if has_router(module)}
    served = {path: module for path, module in candidates.items() if _is_asgi(module)}
    for group in (
        {path: module for path, module in routed.items() if path in served},
        served if len(served) == 1 else {},
        routed if not served else {},
    ):
        if len(group) == 1:
            ((path, module),) = group.items()
            name = _attribute(module)
            take(module, name, f"{path}:{applications(module)[name]}")
            return
    if candidates:
        places = [
            f"{path}:{applications(module)[_attribute(module)]}"
            for path, module in sorted(candidates.items())
        ]
        found.findings.questions.append(
            f"APP_ASGI: {' and '.join(places)} each make an ASGI application; write the one to serve, "
            f"APP_ASGI={dotted_name(min(candidates), found.roots[-1])}:{_attribute(candidates[min(candidates)])} for example"
        )
    else:
        found.findings.questions.append(
            "APP_ASGI: no module makes an ASGI application; django-admin startproject writes an asgi.py next to wsgi.py, "
            "three lines with get_asgi_application()"
        )
