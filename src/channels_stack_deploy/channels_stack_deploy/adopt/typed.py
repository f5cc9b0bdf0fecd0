"""Environment variables that a project declares as fields of a class (pydantic-settings), and the modules that have such."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from channels_stack.doctor.files import Files, Module

BASES = {"pydantic_settings.BaseSettings", "pydantic.BaseSettings", "pydantic.v1.BaseSettings"}
LISTS = {"list", "List", "tuple", "Tuple", "set", "Set", "frozenset", "dict", "Dict"}
NAMES = {"alias", "validation_alias", "env"}
DEFAULTS = {"default", "default_factory"}


@dataclass(frozen=True)
class Declared:
    """A field, which gets its value from the environment when its class is called."""

    variable: str
    field: str
    required: bool
    json: bool
    """It takes a list or the like, and those are written as JSON."""
    place: str
    default: str = ""
    """Its default as a text; "" where that is no constant."""


def imported(files: Files, paths: Iterable[str]) -> list[Module]:
    """The project's own modules that run when those at PATHS are imported, PATHS themselves apart."""
    first = list(paths)
    known = list(first)
    for path in known:  # grows meanwhile
        module = files.modules[path]
        for node in module.tree.body:
            for name in _named(node):
                source = files.module(name, module)
                if source and source.path not in known:
                    known.append(source.path)
    return [files.modules[path] for path in known[len(first) :]]


def _named(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        whole = "." * node.level + (node.module or "")
        yield whole
        yield from (
            f"{whole}.{alias.name}" if node.module else f"{whole}{alias.name}" for alias in node.names
        )


def declared(modules: Iterable[Module]) -> list[Declared]:
    """All fields of the classes in MODULES that read the environment, by themselves or by what they inherit."""
    waiting = [(module, node) for module in modules for node in module.classes.values()]
    found: list[tuple[Module, ast.ClassDef]] = []
    while True:  # a class may be read before its base
        names = {node.name for _, node in found}
        more = [one for one in waiting if any(_reads(one[0].dotted(base), names) for base in one[1].bases)]
        if not more:
            return [field for module, node in found for field in _fields(module, node)]
        found += more
        waiting = [one for one in waiting if one not in more]


def _reads(base: str, names: set[str]) -> bool:
    return base in BASES or base.rpartition(".")[2] in names


def _fields(module: Module, node: ast.ClassDef) -> Iterator[Declared]:
    prefix = _prefix(node)
    for part in node.body:
        if not isinstance(part, ast.AnnAssign) or not isinstance(part.target, ast.Name):
            continue
        name = part.target.id
        annotation = part.annotation
        holder = annotation.value if isinstance(annotation, ast.Subscript) else annotation
        kind = ast.unparse(holder).rpartition(".")[2]
        if name.startswith("_") or name == "model_config" or kind == "ClassVar":
            continue
        call = part.value if isinstance(part.value, ast.Call) else None
        given = {keyword.arg: keyword.value for keyword in call.keywords} if call else {}
        value = part.value
        if call and module.dotted(call.func).rpartition(".")[2] == "Field":
            value = (
                call.args[0] if call.args else next((given[each] for each in DEFAULTS if each in given), None)
            )
        required = value is None or (isinstance(value, ast.Constant) and value.value is ...)
        other = next((text for each in NAMES if (text := _text(given.get(each)))), "")
        yield Declared(
            other or f"{prefix}{name}".upper(),
            name,
            required,
            _is_list(annotation),
            str(module.place(part)),
            str(getattr(value, "value", "")),
        )


def _is_list(annotation: ast.expr) -> bool:
    """Whether a list is among what it takes: `list[str]`, `Optional[List[str]]`, `"list[str] | None"`."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        with contextlib.suppress(SyntaxError):
            annotation = ast.parse(annotation.value, mode="eval").body
    names = (
        ast.unparse(node) for node in ast.walk(annotation) if isinstance(node, (ast.Name, ast.Attribute))
    )
    return any(name.rpartition(".")[2] in LISTS for name in names)


def _prefix(node: ast.ClassDef) -> str:
    """The `env_prefix` of a class, in any of the three places that it may be."""
    places = [keyword for keyword in node.keywords if keyword.arg == "env_prefix"]
    for part in node.body:
        if isinstance(part, ast.ClassDef) and part.name == "Config":
            for line in part.body:
                if isinstance(line, ast.Assign) and any(
                    ast.unparse(target) == "env_prefix" for target in line.targets
                ):
                    return _text(line.value)
        value = part.value if isinstance(part, (ast.Assign, ast.AnnAssign)) else None
        if isinstance(value, ast.Call):
            places += [keyword for keyword in value.keywords if keyword.arg == "env_prefix"]
    return _text(places[0].value) if places else ""


def _text(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
