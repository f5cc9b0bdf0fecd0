"""Which modules of a project are its settings, and which of them production uses."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable

from .composed import configurations, included
from .files import Files, Module

# Words in the name of a settings module, best first: the one for production is judged.
PRODUCTION_WORDS = ("production", "prod", "live", "deploy", "heroku", "docker", "staging")
EXAMPLE_WORDS = ("example", "sample", "template", "dist")
OTHER_WORDS = ("test", "tests", "testing", "ci", "dev", "development", "local", *EXAMPLE_WORDS)
# Folders with settings of their own, for the project's tests or to show how it is used.
OTHER_FOLDERS = re.compile(
    r"(^|.*/)(tests?|testing|examples?|samples?|demos?|docs?|sandbox|testproject|test_project)/"
)


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
        if folder not in judged or rank(module, usual) < rank(judged[folder], usual):
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


def rank(module: Module, usual: set[str]) -> tuple[int, int, str]:
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
