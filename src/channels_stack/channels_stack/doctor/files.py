"""Finds the files of a project and parses them. Nothing is run, and no file can stop the reading of the rest."""

from __future__ import annotations

import ast
import codecs
import io
import os
import re
import sys
import tokenize
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Union

from .findings import Place

LARGEST_FILE = 2 << 20  # bytes; a longer module is generated data, not something a person wrote
LARGEST_LIST = 16 << 20  # bytes read of a lock file
MOST_FILES = 20_000
# PowerShell's `pip freeze > requirements.txt` writes UTF-16. That of UTF-32 begins like that of UTF-16: it is first.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
SKIPPED_FOLDERS = {"node_modules", "__pycache__", "site-packages", "bower_components"}
IGNORE = re.compile(r"#\s*channels-stack:\s*ignore\s+((?:[EW]\d{3}[\s,]*)+)")
PLANS = re.compile(
    r"(procfile.*|dockerfile.*|.*\.dockerfile|.*\.(ya?ml|sh|service|ini|toml|conf|bash)|makefile|justfile|"
    r"entrypoint.*|gunicorn.*\.py|supervisord.*|circus.*)",
    re.IGNORECASE,
)
THIS_PYTHON = f"Python {sys.version_info[0]}.{sys.version_info[1]}"  # which reads the sources; the project's may be newer
Function = Union[ast.FunctionDef, ast.AsyncFunctionDef]


@dataclass(frozen=True)
class Problem:
    """A file that could not be read. ``broken`` means that Python cannot read it either; ``line`` is its text there."""

    place: Place
    wrong: str
    broken: bool
    line: str = ""


@dataclass
class Module:
    """One parsed Python file."""

    path: str  # relative to the project
    tree: ast.Module
    text: str

    def place(self, node: ast.AST) -> Place:
        """Where ``node`` stands."""
        return Place(self.path, getattr(node, "lineno", 0))

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node, outer before inner."""
        return list(ast.walk(self.tree))

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """Node -> the node it is part of."""
        return {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}

    @cached_property
    def names(self) -> dict[str, str]:
        """Name -> what it was imported from, as a dotted path; relative imports begin with dots."""
        names: dict[str, str] = {}
        for imported in self.imports:
            names.update(imported.names)
        return names

    @cached_property
    def imports(self) -> list[Import]:
        """Every import statement that is not made for type checkers."""
        return [
            found
            for node in self.nodes
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for found in _import(node, self)
        ]

    @cached_property
    def classes(self) -> dict[str, ast.ClassDef]:
        """The classes of the module's top level."""
        return {node.name: node for node in self.tree.body if isinstance(node, ast.ClassDef)}

    @cached_property
    def functions(self) -> dict[str, Function]:
        """The functions of the module's top level."""
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        return {node.name: node for node in self.tree.body if isinstance(node, kinds)}

    @cached_property
    def assigned(self) -> dict[str, ast.expr]:
        """Name -> the last expression that the module's top level assigns to it."""
        expressions: dict[str, ast.expr] = {}
        for node in self.tree.body:
            targets = node.targets if isinstance(node, ast.Assign) else []
            if isinstance(node, ast.AnnAssign) and node.value is not None:
                targets = [node.target]
            for target in targets:
                value = getattr(node, "value", None)
                if isinstance(target, ast.Name) and value is not None:
                    expressions[target.id] = value
        return expressions

    def dotted(self, node: ast.AST | None) -> str:
        """The dotted path that an expression such as ``consumers.Chat`` names; "" for any other expression.

        ``.x`` is a name of this module.
        """
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        first = self.names.get(node.id)
        return ".".join([first if first is not None else f".{node.id}", *reversed(parts)])

    def calls(self, *names: str) -> Iterator[ast.Call]:
        """Every call of one of these dotted names."""
        for name, node in self._calls:
            if name in names:
                yield node

    @cached_property
    def _calls(self) -> list[tuple[str, ast.Call]]:
        """(dotted name, node) of every call: rules ask again and again."""
        return [(self.dotted(node.func), node) for node in self.nodes if isinstance(node, ast.Call)]

    def is_guarded(self, node: ast.AST) -> bool:
        """Whether ``node`` is in a ``try`` that expects the import to fail, or in code for type checkers."""
        child = node
        while child in self.parents:
            parent = self.parents[child]
            if isinstance(parent, ast.Try) and child in parent.body and _expects_import_error(parent):
                return True
            if (
                isinstance(parent, ast.If)
                and child in parent.body
                and "TYPE_CHECKING" in ast.dump(parent.test)
            ):
                return True
            child = parent
        return False

    @cached_property
    def ignored(self) -> dict[int, set[str]]:
        """Line -> rules that a comment on it switches off: ``# channels-stack: ignore E401 (why)``."""
        ignored: dict[int, set[str]] = {}
        if "channels-stack:" not in self.text:
            return ignored
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            match = IGNORE.search(token.string) if token.type == tokenize.COMMENT else None
            if match:
                ignored[token.start[0]] = set(re.findall(r"[EW]\d{3}", match.group(1)))
        return ignored


@dataclass(frozen=True)
class Import:
    """One imported name: ``from module import name``; ``name`` is "" for ``import module``."""

    module: str
    name: str
    node: ast.Import | ast.ImportFrom
    names: dict[str, str] = field(hash=False)


def _import(node: ast.Import | ast.ImportFrom, module: Module) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            bound = alias.asname or alias.name.partition(".")[0]
            yield Import(alias.name, "", node, {bound: alias.name if alias.asname else bound})
        return
    source = "." * node.level + (node.module or "")
    for alias in node.names:
        dotted = f"{source}.{alias.name}" if node.module else source + alias.name
        yield Import(source, alias.name, node, {alias.asname or alias.name: dotted})


def _expects_import_error(node: ast.Try) -> bool:
    expected = {"ImportError", "ModuleNotFoundError", "Exception"}
    for handler in node.handlers:
        names = (
            {part.id for part in ast.walk(handler.type) if isinstance(part, ast.Name)}
            if handler.type
            else expected
        )
        if names & expected:
            return True
    return False


@dataclass(frozen=True)
class Plan:
    """A text file that says how processes are started: Procfile, Dockerfile, compose file, unit, script."""

    path: str
    lines: list[str] = field(hash=False)  # without comments

    def matches(self, pattern: str) -> Iterator[tuple[Place, re.Match[str]]]:
        """Every match of ``pattern``, with its line."""
        for number, line in enumerate(self.lines, start=1):
            for match in re.finditer(pattern, line):
                yield Place(self.path, number), match


def is_script(path: str) -> bool:
    """Whether the file at ``path`` is a shell's by its first line: images often have theirs as ``/start``."""
    try:
        with open(path, "rb") as file:
            return re.match(rb"#!.*\b(bash|dash|ksh|sh|zsh)\b", file.readline(100)) is not None
    except OSError:
        return False


class Files:
    """Everything below ``root`` that the rules look at; ``roots`` are folders in it that are on Python's path."""

    def __init__(self, root: str, roots: Sequence[str] = ()) -> None:
        self.root, self.roots = root, roots
        self.modules: dict[str, Module] = {}
        self.plans: list[Plan] = []
        self.texts: dict[str, str] = {}  # requirement and lock files
        self.translations: set[str] = set()  # paths of .po and .mo files
        self.scripted: dict[str, str] = {}  # path of a package.json -> its text
        self.problems: list[Problem] = []
        self._seen: dict[str, str] = {}
        self._managed: tuple[int, list[str]] = (0, [])
        for count, path in enumerate(self._walk()):
            if count == MOST_FILES:
                wrong = f"more than {MOST_FILES} files: the rest was not read; name the folder of the project itself"
                self.problems.append(Problem(Place("."), wrong, broken=False))
                break
            self._read(path)

    def module(self, dotted: str, seen_from: Module | None = None) -> Module | None:
        """The module with this dotted path, if it is one of the project's; relative to ``seen_from``."""
        for path in self._candidates(dotted, seen_from):
            for file in (f"{path}.py", f"{path}/__init__.py"):
                file = os.path.normpath(file)
                if file in self.modules:
                    return self.modules[file]
        return None

    def _candidates(self, dotted: str, seen_from: Module | None) -> Iterator[str]:
        bare = dotted.lstrip(".")
        tail = bare.replace(".", "/")
        here = os.path.dirname(seen_from.path) if seen_from else ""
        level = len(dotted) - len(bare)
        if level:
            for _ in range(level - 1):
                here = os.path.dirname(here)
            yield os.path.join(here, tail) if tail else here
            return
        if not tail:
            return
        # Which folders are on Python's path need not be known: those above the importing file, nearest first, what
        # APP_PATH names, and those with a manage.py.
        folders = [here]
        while here:
            here = os.path.dirname(here)
            folders.append(here)
        folders += [*self._with_manage(), *self.roots, "", "src"]
        for folder in dict.fromkeys(folders):
            yield os.path.join(folder, tail)

    def _with_manage(self) -> list[str]:
        """The folders with a manage.py: every import of every module is looked up there, so they are found once."""
        count, folders = self._managed
        if count != len(self.modules):  # adopt adds what this Python cannot read
            folders = [
                os.path.dirname(path) for path in self.modules if os.path.basename(path) == "manage.py"
            ]
            self._managed = len(self.modules), folders
        return folders

    def _walk(self) -> Iterator[str]:
        # Links to folders are not followed: they may lead out, or in a circle.
        for folder, folders, names in os.walk(self.root):
            folders[:] = sorted(
                name
                for name in folders
                if name not in SKIPPED_FOLDERS
                and not name.startswith(".")
                and not os.path.exists(os.path.join(folder, name, "pyvenv.cfg"))
            )
            for name in sorted(names):
                path = os.path.join(folder, name)
                # Not a pipe or a device, which could keep us waiting for ever.
                # A link that leads nowhere is reported.
                if os.path.isfile(path) or not os.path.exists(path):
                    yield os.path.relpath(path, self.root)

    def _read(self, path: str) -> None:
        name = os.path.basename(path)
        if name.endswith((".po", ".mo")):
            self.translations.add(path)
        whole = os.path.join(self.root, path)
        is_python, is_list = name.endswith(".py"), is_requirements(path)
        if name == "package.json":
            self.scripted[path] = _text(whole)
        is_plan = bool(PLANS.fullmatch(name)) or ("." not in name and is_script(whole))
        if not (is_python or is_plan or is_list):
            return
        real = os.path.realpath(whole)
        if real in self._seen:  # the same file under another name
            if self._seen[real] in self.modules:
                self.modules[path] = self.modules[self._seen[real]]
            return
        self._seen[real] = path
        try:
            size = os.path.getsize(whole)
            if size > LARGEST_FILE and is_python:
                wrong = f"{size >> 20} MiB are more than the {LARGEST_FILE >> 20} MiB that the doctor reads of a file"
                return self.problems.append(Problem(Place(path), wrong, broken=False))
            with open(whole, "rb") as file:
                content = file.read(LARGEST_LIST)
        except OSError as error:
            wrong = f"it cannot be read: {error.strerror}"
            return self.problems.append(Problem(Place(path), wrong, broken=False))
        if is_python:
            self._parse(path, content)
        if is_plan or is_list:
            text = decoded(content)
            if is_list:
                self.texts[path] = text
            if is_plan:
                self.plans.append(
                    Plan(path, [re.sub(r"(^|\s)#.*", r"\1", line) for line in text.splitlines()])
                )

    def _parse(self, path: str, content: bytes) -> None:
        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
            text = content.decode(encoding)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # an invalid escape sequence is no matter of ours
                tree = ast.parse(text)
        except SyntaxError as error:
            wrong = f"{THIS_PYTHON} cannot read it: {error.msg}"
            at = Place(path, error.lineno or 0)
            return self.problems.append(Problem(at, wrong, broken=True, line=(error.text or "").strip()))
        except UnicodeDecodeError as error:
            line = content[: error.start].count(b"\n") + 1
            wrong = f"it is not text in {encoding.upper()}, and its first two lines declare no other encoding"
            return self.problems.append(Problem(Place(path, line), wrong, broken=True))
        except (ValueError, RecursionError, MemoryError) as error:
            wrong = f"{THIS_PYTHON} cannot read it: {error or type(error).__name__}"
            return self.problems.append(Problem(Place(path), wrong, broken=True))
        self.modules[path] = Module(path, tree, text)

    def unique_modules(self) -> list[Module]:
        """Each module once, by path."""
        return list({id(module): module for _, module in sorted(self.modules.items())}.values())


def _text(path: str) -> str:
    """The text of a file, as far as a list is read; "" where it cannot be."""
    try:
        with open(path, "rb") as file:
            return decoded(file.read(LARGEST_LIST))
    except OSError:
        return ""


def decoded(content: bytes) -> str:
    """The text of a file that is no Python source: UTF-8, or what its byte order mark says, as pip reads it."""
    for mark, encoding in MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, "replace")
    return content.decode("utf-8", "replace")


def is_requirements(path: str) -> bool:
    """Whether the file says which packages are installed."""
    name = os.path.basename(path).lower()
    if name in ("pyproject.toml", "uv.lock", "poetry.lock", "pipfile", "pipfile.lock", "setup.cfg"):
        return True
    if name.endswith((".txt", ".in")) and "requirements" in name:
        return True
    return name.endswith(".txt") and os.path.basename(os.path.dirname(path)) == "requirements"
