"""Values of a settings file, as far as they can be known without running it.

A value remembers where it was written and which environment variables it depends on: what only the environment
decides is no mistake in the source.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Union

from .findings import Place

NO_VARIABLES: frozenset[str] = frozenset()


@dataclass
class Constant:
    """A number, text, truth value or None."""

    value: Any
    at: Place
    variables: frozenset[str] = NO_VARIABLES  # not empty: the environment may say something else


@dataclass
class Items:
    """A list, tuple or set. ``complete`` is False when it has parts that are not known."""

    items: list[Value]
    at: Place
    complete: bool = True
    variables: frozenset[str] = NO_VARIABLES


@dataclass
class Mapping:
    """A dictionary with constant keys. ``complete`` is False when it may have others."""

    items: dict[Any, Value]
    at: Place
    complete: bool = True
    variables: frozenset[str] = NO_VARIABLES


@dataclass
class Unknown:
    """Anything else; of a call, what is called and with which arguments.

    ``items`` are the keys that the source sets in it afterwards.
    """

    at: Place
    call: str = ""  # dotted name
    arguments: list[Value] = field(default_factory=list)
    keywords: dict[str, Value] = field(default_factory=dict)
    items: dict[Any, Value] = field(default_factory=dict)
    variables: frozenset[str] = NO_VARIABLES


Value = Union[Constant, Items, Mapping, Unknown]


def get(value: Value | None, *path: Any) -> Value | None:
    """The value below these keys and indexes; None where it is not there or not known."""
    for key in path:
        if isinstance(value, (Mapping, Unknown)):
            value = value.items.get(key)
        elif (
            isinstance(value, Items) and isinstance(key, int) and -len(value.items) <= key < len(value.items)
        ):
            value = value.items[key]
        else:
            return None
    return value


def constant(value: Value | None) -> Any:
    """The Python value of a constant; None for anything else."""
    return value.value if isinstance(value, Constant) else None


def text(value: Value | None) -> str | None:
    """The text of a constant that is a text."""
    found = constant(value)
    return found if isinstance(found, str) else None


def texts(value: Value | None) -> list[tuple[str, Value]]:
    """The texts in a list, with their values; a single text counts as a list of it."""
    values: Iterable[Value] = [value] if isinstance(value, Constant) else ()
    if isinstance(value, Items):
        values = value.items
    return [
        (item.value, item) for item in values if isinstance(item, Constant) and isinstance(item.value, str)
    ]


def is_certain(value: Value | None) -> bool:
    """Whether the value is that in every environment."""
    return value is not None and not isinstance(value, Unknown) and not value.variables


def is_complete(value: Value | None) -> bool:
    """Whether a list or dictionary holds nothing but what is known."""
    return isinstance(value, (Items, Mapping)) and value.complete


def variables_of(value: Value | None) -> frozenset[str]:
    """All environment variables that the value or a part of it depends on."""
    if value is None:
        return NO_VARIABLES
    variables = value.variables
    parts: Iterable[Value] = ()
    if isinstance(value, Items):
        parts = value.items
    elif isinstance(value, (Mapping, Unknown)):
        parts = [*value.items.values()]
        if isinstance(value, Unknown):
            parts = [*parts, *value.arguments, *value.keywords.values()]
    for part in parts:
        variables |= variables_of(part)
    return variables


def same(one: Value, other: Value) -> bool:
    """Whether both are known to be equal."""
    if isinstance(one, Constant) and isinstance(other, Constant):
        return bool(one.value == other.value)
    return one is other


def from_python(value: Any, at: Place, depth: int = 0) -> Value:
    """The value of an imported setting. It stands at ``at``; what it depends on is no longer known."""
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return Constant(value, at)
    if depth < 12 and isinstance(value, dict):
        return Mapping({key: from_python(item, at, depth + 1) for key, item in value.items()}, at)
    if depth < 12 and isinstance(value, (list, tuple, set, frozenset)):
        return Items([from_python(item, at, depth + 1) for item in value], at)
    kind = type(value)
    if hasattr(value, "__fspath__"):
        return Constant(str(value), at)
    return Unknown(at, call=f"{kind.__module__}.{kind.__qualname__}")
