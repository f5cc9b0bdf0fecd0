"""One setting that production sets over the project's, and the words that its parts share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Override:
    """One setting that gets another ``value`` than the project gives it. ``why`` holds no secret."""

    name: str
    value: Any = field(repr=False)
    why: str
    before: Any = field(default=None, repr=False)
    """What the project has, where something later depends on it."""

    def __str__(self) -> str:
        return f"{self.name}: {self.why}"


Project = Mapping[str, Any]
"""The names of a settings module."""

Found = Iterator[Override]


def setting(project: Project, name: str, value: Any, why: str) -> Found:
    """The override of ``name``, unless the project says the same."""
    if project.get(name) != value:
        yield Override(name, value, why)


def replaced(value: Any, old: Any, new: Any) -> Any:
    """``value`` with ``new`` for each ``old`` in it; the same object where there is none."""
    if isinstance(value, dict):
        changed: Any = {key: replaced(each, old, new) for key, each in value.items()}
    elif type(value) in (list, tuple):
        changed = type(value)(replaced(each, old, new) for each in value)
    else:
        return new if type(value) is type(old) and value == old else value
    return changed if changed != value else value
