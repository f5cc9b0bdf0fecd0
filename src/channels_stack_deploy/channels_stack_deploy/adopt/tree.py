"""The sources of a project, as the doctor reads them: also those of a Python that is newer than this one."""

from __future__ import annotations

import ast
import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

from channels_stack.doctor.files import Files, Module, Plan

from ..console import Failure

ASIDE = {
    *("test", "tests", "testing", "example", "examples", "sample", "samples", "demo", "demos", "sandbox"),
    *(
        "docs",
        "doc",
        "fixtures",
        "template",
        "templates",
        "project_template",
        "vendor",
        "vendored",
        "third_party",
    ),
    *("env", "venv", "virtualenv", "build", "dist"),
}
"""Folders whose modules are not what the project runs, as long as there are others."""

CONTINUED = re.compile(r"[ \t\n\r#)\]}]|(else|elif|except|finally)\b")
"""Begins a line that belongs to the statement above."""

MOST_BOUNDARIES = 40
"""Lines at which a statement that cannot be read may end before it is given up."""


class Tree:
    """What was read below ROOT. Raises Failure where that is no folder.

    PROJECT is the folder below it that was named, where ROOT holds other projects as well: those are none of its own.
    """

    def __init__(self, root: Path, project: str = "") -> None:
        if not root.exists():
            raise Failure(f"{root} does not exist: name your project's folder, make adopt P=../myproject")
        if not root.is_dir():
            raise Failure(f"{root} is a file: name the folder that holds it, make adopt P={root.parent}")
        if not os.access(root, os.R_OK | os.X_OK):
            raise Failure(f"{root} cannot be read by this user (uid {os.getuid()})")
        self.root = root
        self.files = Files(str(root))
        self.project = project
        self.others = (
            [folder for folder in self._managed() if not f"{folder}/".startswith(f"{project}/")]
            if project
            else []
        )
        """Folders of other projects."""
        self.unread: list[str] = []
        """file:line of what this Python cannot read."""
        for problem in self.files.problems:
            path = root / problem.place.path
            if problem.broken and path.suffix == ".py" and problem.place.path not in self.files.modules:
                self.unread.append(f"{problem.place.path}:{problem.place.line}")
                text = path.read_text(encoding="utf-8", errors="replace")
                self.files.modules[problem.place.path] = Module(problem.place.path, pieces(text), text)

    def own(self) -> list[Module]:
        """The modules outside of ASIDE; all of them where there is nothing else with settings or a manage.py."""
        modules = [module for module in self.files.unique_modules() if not self.is_of_another(module.path)]
        found = [module for module in modules if not aside(module.path)]
        is_project = any(_sets_apps(each) or os.path.basename(each.path) == "manage.py" for each in found)
        return found if is_project else modules

    def is_of_another(self, path: str) -> bool:
        """Whether PATH is in another project of the same workspace."""
        return any(path.startswith(f"{folder}/") for folder in self.others)

    def _managed(self) -> list[str]:
        """The folders of all projects."""
        paths = [path for path in self.files.modules if os.path.basename(path) == "manage.py"]
        return [os.path.dirname(path) for path in paths if os.path.dirname(path)]

    def text(self, path: str) -> str:
        """The text of the file at PATH below the root; "" where there is none, or a link leads out."""
        whole = self.root / path
        if not whole.is_file() or self.is_outside(path):
            return ""
        content = whole.read_bytes()
        return content.decode(
            "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "replace"
        )

    def is_outside(self, path: str) -> bool:
        """Whether a link leads from PATH out of the project: what is there is this machine's, and not for the application."""
        return not (self.root / path).resolve().is_relative_to(self.root.resolve())

    def exists(self, path: str) -> bool:
        """Whether there is anything at PATH below the root."""
        return (self.root / path).exists()

    def plan_files(self) -> Iterator[Plan]:
        """The files that say how processes are started in production."""
        for plan in self.files.plans:
            if not (aside(plan.path) or self.is_of_another(plan.path)) and not re.search(
                r"(^|[/._-])(test|tests|tox|pytest|ci|dev|local)\b", plan.path.lower()
            ):
                yield plan

    def plans(self, pattern: str) -> Iterator[tuple[str, re.Match[str]]]:
        """(file:line, match) of PATTERN in those files."""
        for plan in self.plan_files():
            for place, match in plan.matches(pattern):
                yield str(place), match


def _sets_apps(module: Module) -> bool:
    """Whether the module assigns INSTALLED_APPS, in itself or in a class of settings."""
    return "INSTALLED_APPS" in module.text and any(
        isinstance(node, ast.Name) and node.id == "INSTALLED_APPS" and isinstance(node.ctx, ast.Store)
        for node in module.nodes
    )


def aside(path: str) -> bool:
    """Whether PATH is in one of the folders ASIDE, or is a test."""
    folder, name = os.path.split(path)
    return bool(ASIDE & set(folder.lower().split("/"))) or bool(
        re.fullmatch(r"(test_.*|.*_tests?|tests?|conftest)\.py", name) and not folder.endswith("settings")
    )


def pieces(text: str) -> ast.Module:
    """What of TEXT can be read, statement by statement, each at its line."""
    lines = text.splitlines(keepends=True)
    starts = [number for number, line in enumerate(lines) if not CONTINUED.match(line)]
    body: list[ast.stmt] = []
    index = 0
    while index < len(starts):
        for end in range(index + 1, min(index + MOST_BOUNDARIES, len(starts)) + 1):
            last = starts[end] if end < len(starts) else len(lines)
            block = "\n" * starts[index] + "".join(lines[starts[index] : last])
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    body += ast.parse(block).body
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue
            index = end
            break
        else:
            index += 1
    return ast.Module(body, [])


def resolve(files: Files, dotted: str, roots: list[str]) -> tuple[Module, str] | None:
    """The module DOTTED seen from the first of ROOTS that has it, and that root."""
    for root in dict.fromkeys(roots):
        for tail in (".py", "/__init__.py"):
            path = os.path.normpath(os.path.join(root, dotted.replace(".", "/") + tail))
            if path in files.modules:
                return files.modules[path], root
    return None


def above(path: str) -> list[str]:
    """The folders above PATH, the nearest first, "" (the project's own) last."""
    folders = []
    while path and path != "/":
        path = os.path.dirname(path)
        folders.append(path)
    return folders


def dotted_name(path: str, root: str) -> str:
    """The dotted name of the module at PATH for a Python whose path holds ROOT."""
    name = os.path.relpath(path, root or ".").removesuffix(".py").replace("/", ".")
    return name.removesuffix(".__init__")
