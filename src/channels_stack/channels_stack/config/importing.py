"""Importing what is the project's, and saying in one line what was wrong with it and where.

What stops a project from being imported is hardly ever a matter for a traceback: a module that is not there or
not installed, a typing error, a variable that its settings want. The line names the last place in the project's
own source.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import importlib.machinery
import os
import site
import sys
import traceback
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from types import ModuleType

from . import absent, printed
from .environment import ConfigurationError, Problem, secrets_as_variables

FOREIGN = (os.path.dirname(os.__file__), *site.getsitepackages(), os.path.dirname(os.path.dirname(__file__)))
"""Folders of code that is not the project's: Python's own, installed packages, ours."""


class NoClassError(Exception):
    """A module of django-configurations was named without one of its classes."""


def settings_module(name: str, purpose: str, path: str) -> None:
    """Import the settings that ``path`` names: whatever that raises, it is about settings. Raises ConfigurationError."""
    with secrets_as_variables(), reported(name, purpose, path.partition(":")[0], Exception):
        settings(path)


def settings(path: str) -> ModuleType:
    """The settings module ``path``, imported once.

    As ``module:class`` it also names a class of django-configurations, whose attributes are then the module's.
    Raises NoClassError where the module keeps its settings in classes, and none of them is named.
    """
    name, _, chosen = path.partition(":")
    if name in sys.modules:
        return sys.modules[name]
    if chosen:
        return _of_class(name, chosen)
    try:
        return importlib.import_module(name)
    except Exception as error:
        importer = sys.modules.get("configurations.importer")
        if importer is None or importer.installed:
            raise
        example = os.environ.get("DJANGO_CONFIGURATION", "Production")
        text = f"keeps its settings in classes (django-configurations): name one, as {name}:{example}"
        raise NoClassError(text) from error


def _of_class(name: str, chosen: str) -> ModuleType:
    """As the package's own finder does it, which would wait for DJANGO_SETTINGS_MODULE: that is the overlay."""
    from configurations import importer

    os.environ["DJANGO_CONFIGURATION"] = chosen
    importer.install()
    parent, _, child = name.rpartition(".")
    folders = importlib.import_module(parent).__path__ if parent else None
    spec = importlib.machinery.PathFinder.find_spec(name, folders)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    loaded: ModuleType = importer.ConfigurationLoader(chosen, spec).load_module(name)
    if parent:
        setattr(sys.modules[parent], child, loaded)
    return loaded


def module(name: str, purpose: str, path: str) -> ModuleType:
    """Import the module ``path``, which the setting ``name`` gives. Raises ConfigurationError.

    An exception of another kind than of importing, or of what is not there, is the application's own, and keeps its traceback.
    """
    with reported(name, purpose, path, ImportError, SyntaxError, FileNotFoundError):
        return importlib.import_module(path)


@contextlib.contextmanager
def reported(name: str, purpose: str, path: str, *kinds: type[Exception]) -> Iterator[None]:
    """What of these ``kinds`` keeps the block from importing ``path`` is a ConfigurationError of the setting ``name``."""
    try:
        yield
    except ConfigurationError:
        raise
    except kinds as error:
        raise ConfigurationError([Problem(name, _wrong(error, path), purpose)]) from None


def _wrong(error: Exception, path: str) -> str:
    """What is wrong with the module ``path``, where, and the fix."""
    # No metadata of a package is an error of the same kind, and no module is missing then.
    undescribed = isinstance(error, PackageNotFoundError)
    missing = error.name if isinstance(error, ModuleNotFoundError) and not undescribed else None
    if missing and f"{path}.".startswith(f"{missing}."):
        roots = os.environ.get("PYTHONPATH", "").replace(os.pathsep, " ") or os.getcwd()
        return (
            f"is {path!r}, but the Python path holds no module {missing!r} "
            f"(working in {os.getcwd()}, path: {roots}; APP_PATH names its folders)"
        )
    if isinstance(error, NoClassError):
        return f"is {path!r}, which {error}"
    text = f"is {path!r}, which cannot be imported: {place(error)}{type(error).__name__}: {_message(error)}"
    if missing:
        return f"{text}; is its package in APP_REQUIREMENTS, or its folder in APP_PATH?"
    if undescribed:
        return (
            f"{text}; is that package in APP_REQUIREMENTS? The project's own name is taken from its pyproject.toml, setup.cfg "
            "or setup.py"
        )
    if isinstance(error, SyntaxError):
        return text
    if fix := absent.fix(error, _own(error)[-1].filename if _own(error) else "", _message(error)):
        return f"{text}; {fix}"
    if os.strerror(errno.EROFS) in text:
        return f"{text}; no process may change the source: name the folders that it writes to in APP_VOLUMES"
    return f"{text}; variables that the project reads belong in app.env, on servers in stack_app_env"


def place(error: BaseException) -> str:
    """``file:line: `` of the last frame in the project's own source; empty where there is none."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{shown(error.filename)}:{error.lineno}: "
    own = _own(error)
    return f"{shown(own[-1].filename)}:{own[-1].lineno}: " if own else ""


def _own(error: BaseException) -> list[traceback.FrameSummary]:
    """The frames in the project's own source, the last one last."""
    frames = traceback.extract_tb(error.__traceback__)
    return [frame for frame in frames if not frame.filename.startswith((*FOREIGN, "<frozen"))]


def _message(error: Exception) -> str:
    text = error.msg if isinstance(error, SyntaxError) else _of_fields(error) or str(error)
    return printed.masked(" ".join(text.split()))


def _of_fields(error: Exception) -> str:
    """What is wrong with each field, where the settings are a class of pydantic: its own text repeats their values for each."""
    if type(error).__module__.partition(".")[0] not in ("pydantic", "pydantic_core"):
        return ""
    errors = getattr(error, "errors", None)
    fields = errors() if callable(errors) else []
    return ", ".join(f"{'.'.join(map(str, field['loc']))}: {field['msg']}" for field in fields)


def shown(filename: str) -> str:
    """``filename`` as seen from the nearest folder on Python's path."""
    roots = [
        os.path.join(root, "") for root in sys.path if root and filename.startswith(os.path.join(root, ""))
    ]
    return filename[max(map(len, roots), default=0) :]
