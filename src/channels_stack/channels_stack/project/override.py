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
