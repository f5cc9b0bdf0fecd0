"""What the doctor finds, and the registry of the rules that find it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Callable

PREFIX = "channels_stack."

# What a rule looks at, which decides when it can run.
SETTINGS = "settings"  # the values of the settings: read from the source, or imported
CODE = "code"  # the sources
RUN = "run"  # the imported project
STACK = "stack"  # a running Redis and PostgreSQL


@dataclass(frozen=True, order=True)
class Place:
    """A line of a file; line 0 means the file as a whole. ``path`` is relative to the project."""

    path: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


@dataclass(frozen=True)
class Finding:
    """One problem at one place. ``wrong`` says what is there, ``production`` what comes of it."""

    id: str
    place: Place
    wrong: str
    production: str
    instead: str

    @property
    def is_error(self) -> bool:
        """Whether something will break, in contrast to what may."""
        return self.id[len(PREFIX)] == "E"


# What a rule yields: where, what is wrong there and, where the rule's own text is not exact enough, what to
# write instead.
Found = Iterator[Any]


@dataclass(frozen=True)
class Rule:
    """A rule. Its documentation is the docstring of its function, in three parts.

    The first line names the problem; "In production:" says what comes of it; "Instead:" says what to write.
    """

    id: str
    looks_at: str
    deploy: bool  # makes sense only where DEBUG is off: a system check with --deploy
    function: Callable[[Any], Found] = field(compare=False)

    @property
    def title(self) -> str:
        """The problem in one line."""
        return self._part(r"\A(.*?)(?:\n\n|\Z)")

    @property
    def production(self) -> str:
        """What happens in production."""
        return self._part(r"In production: (.*?)(?:\n\n|\Z)")

    @property
    def instead(self) -> str:
        """What to write instead; lines of code are indented by four spaces."""
        return self._part(r"Instead: (.*)\Z")

    def _part(self, pattern: str) -> str:
        text = self.function.__doc__ or ""
        first, _, rest = text.partition("\n")
        match = re.search(pattern, f"{first}\n{textwrap.dedent(rest)}", re.DOTALL)
        return unwrap(match.group(1)) if match else ""

    def findings(self, subject: Any) -> Iterator[Finding]:
        """What the rule finds in ``subject``, which is what the rule's kind looks at."""
        for place, wrong, *better in self.function(subject):
            yield Finding(self.id, place, wrong, self.production, better[0] if better else self.instead)


def unwrap(text: str) -> str:
    """Paragraphs on one line each; indented lines stay as they are."""
    lines: list[str] = []
    for line in text.strip().splitlines():
        if lines and line.strip() and not line.startswith("    ") and not lines[-1].startswith("    "):
            lines[-1] += f" {line.strip()}"
        elif line.strip():
            lines.append(line.rstrip())
    return "\n".join(lines)


def masked(text: str) -> str:
    """Without the passwords of URLs."""
    return re.sub(r"(://[^/@\s]*?:)[^/@\s]*@", r"\1***@", text)


REGISTRY: dict[str, Rule] = {}


def rule(number: str, looks_at: str = CODE, deploy: bool = False) -> Callable[[Any], Any]:
    """Register the decorated function as the rule with this id, such as E101.

    It is given a ``Project`` (settings and code), an ``Imported`` project (run) or a ``Stack`` (stack), and yields
    tuples: the Place, what is wrong there, and optionally what to write instead.
    """

    def register(function: Callable[[Any], Found]) -> Callable[[Any], Found]:
        taken = {id_[len(PREFIX) + 1 :] for id_ in REGISTRY}
        if number[1:] in taken:
            raise ValueError(f"two rules have the number {number[1:]}")
        REGISTRY[PREFIX + number] = Rule(PREFIX + number, looks_at, deploy, function)
        return function

    return register


def rules(*looks_at: str) -> list[Rule]:
    """All rules of these kinds (none given: all), by number."""
    from . import rules as package

    package.load()
    wanted = [one for one in REGISTRY.values() if not looks_at or one.looks_at in looks_at]
    return sorted(wanted, key=lambda one: one.id[len(PREFIX) + 1 :])
