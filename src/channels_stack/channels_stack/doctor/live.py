"""Imports a project, so that rules can look at what only the imported project shows."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import os
import sys
import traceback
from typing import Any

from ..config import importing, printed
from .findings import Place
from .project import Project
from .settings import Settings
from .values import from_python, text

# Packages whose installed version decides about a finding.
WATCHED = ("redis", "channels-redis", "channels", "daphne", "uvicorn", "gunicorn", "django")


class Imported:
    """The imported project. ``settings_error`` and ``asgi_error`` say what went wrong, and where.

    ``project`` is the one that was read; its settings and versions are replaced by the imported ones.
    """

    def __init__(self, project: Project, settings_name: str = "", asgi_name: str = "") -> None:
        self.project = project
        self.settings_error: tuple[Place, str] | None = None
        self.asgi_error: tuple[Place, str] | None = None
        self.application: Any = None
        self.asgi_place = Place(".")
        self.layers: dict[str, str] = {}  # alias -> why it cannot be made
        # What the project prints must not end up in our report.
        with contextlib.redirect_stdout(sys.stderr):
            if self._import_settings(settings_name):
                self._import_application(asgi_name)
                self._make_layers()

    def _import_settings(self, name: str) -> bool:
        root = self.project.files.root
        judged = self.project.settings[0] if self.project.settings else None
        if not name and judged:
            folder, name = _python_path(self.project, judged.path)
        else:
            module = self.project.files.module(name.partition(":")[0]) if name else None
            folder = _python_path(self.project, module.path)[0] if module else ""
        if not name:
            self.settings_error = (Place("."), "no settings module was found: name it with --settings")
            return False
        sys.path.insert(0, os.path.join(root, folder) if folder else root)
        module_name = name.partition(":")[0]
        os.environ["DJANGO_SETTINGS_MODULE"] = module_name
        try:
            module_object = importing.settings(name)
            import django

            django.setup()
        except (Exception, SystemExit) as error:
            self.settings_error = (self._place(error, judged), _described(error))
            return False
        self.project.settings = [_live(vars(module_object), judged, module_name)]
        self.project.packages.installed = installed()
        return True

    def _import_application(self, name: str) -> None:
        judged = self.project.settings[0]
        named = text(judged["ASGI_APPLICATION"]) or ""
        path, _, attribute = name.partition(":") if name else named.rpartition(".")
        if not path:
            return  # neither --asgi nor ASGI_APPLICATION: a rule about settings speaks about it
        module = self.project.files.module(path, self.project.files.modules.get(judged.path))
        self.asgi_place = Place(module.path) if module else judged.place
        try:
            target: Any = importlib.import_module(path)
            for part in (attribute or "application").split("."):
                target = getattr(target, part)
        except (Exception, SystemExit) as error:
            self.asgi_error = (self._place(error, None) or self.asgi_place, _described(error))
            return
        self.application = target

    def _make_layers(self) -> None:
        try:
            from channels.layers import channel_layers
        except ImportError:
            return
        for alias in channel_layers.configs:
            try:
                channel_layers[alias]
            except Exception as error:
                config = (channel_layers.configs[alias] or {}).get("CONFIG")
                self.layers[alias] = printed.cleared(_described(error), config)

    def _place(self, error: BaseException, judged: Settings | None) -> Place:
        """The last line of the project that the error came through."""
        if isinstance(error, SyntaxError) and error.filename:
            return self._relative(error.filename, error.lineno or 0) or Place(".")
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            found = self._relative(frame.filename, frame.lineno or 0)
            if found:
                return found
        return judged.place if judged else self.asgi_place

    def _relative(self, path: str, line: int) -> Place | None:
        relative = os.path.relpath(path, self.project.files.root)
        return Place(relative, line) if relative in self.project.files.modules else None


def _described(error: BaseException) -> str:
    """What the error says, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {'; '.join(lines)}" if lines else type(error).__name__


def _python_path(project: Project, path: str) -> tuple[str, str]:
    """The folder that has to be on Python's path to import a file, and its dotted name seen from there."""
    folder = os.path.dirname(path)
    while folder and not os.path.exists(os.path.join(project.files.root, folder, "manage.py")):
        folder = os.path.dirname(folder)
    relative = os.path.relpath(path, folder or ".")
    dotted = os.path.splitext(relative)[0].replace(os.sep, ".")
    return folder, dotted[: -len(".__init__")] if dotted.endswith(".__init__") else dotted


def _live(values: dict[str, Any], judged: Settings | None, name: str) -> Settings:
    path = judged.path if judged else name.replace(".", "/") + ".py"
    known = judged.values if judged else {}
    found = Settings(path, {}, complete=True, files=judged.files if judged else [path], imported=True)
    for setting, value in values.items():
        if setting.isupper():
            at = known[setting].at if setting in known else Place(path)
            found.values[setting] = from_python(value, at)
    return found


def live_settings(judged: Settings | None, name: str) -> Settings:
    """The settings of the running Django, for its system checks."""
    return _live(vars(importlib.import_module(name)), judged, name)


def installed() -> dict[str, str]:
    """The versions of the packages that rules ask for."""
    versions = {}
    for name in WATCHED:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions
