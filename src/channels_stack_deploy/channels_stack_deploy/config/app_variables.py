"""Reading app.env as Compose does: a `$` in a value that is not in single quotes begins the name of another variable."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..console import Failure
from ..paths import Deployment
from . import texts

ASSIGNMENT = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][\w.-]*)[ \t]*[=:][ \t]*"""
    r"""(?P<value>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^\n]*)""",
    re.MULTILINE | re.DOTALL,
)
REFERENCE = re.compile(
    r"\\.|\$\$|\$(?P<name>[A-Za-z_]\w*)|\$\{(?P<braced>[A-Za-z_]\w*)(?P<rest>[^}]*)\}|(?P<open>\$\{)"
)


def check(deployment: Deployment, environment: Mapping[str, str]) -> None:
    """Raise Failure with a line for each value of app.env that would lose a part, which nothing else reports."""
    path = deployment.application
    place = deployment.shown(path)
    lines = [
        f"{place}:{line}: the value of {name} holds a $, and Compose takes what follows for the name of a variable, which "
        f"there is not: write the value in single quotes, {name}='…'"
        for line, name in mangled(texts.read(path), environment)
    ]
    if lines:
        raise Failure("\n".join(lines))


def mangled(text: str, environment: Mapping[str, str]) -> list[tuple[int, str]]:
    """(line, name) of each variable in the TEXT of app.env that refers to one neither above it nor in ENVIRONMENT."""
    known = set(environment)
    found = []
    for match in ASSIGNMENT.finditer(text):
        value = match["value"]
        if value[:1] not in ("'", '"'):
            # Without quotes a backslash is a character as any other.
            value = re.sub(r"\s#.*", "", value).replace("\\", "/")
        if not value.startswith("'") and any(_is_lost(each, known) for each in REFERENCE.finditer(value)):
            found.append((text.count("\n", 0, match.start("name")) + 1, match["name"]))
        known.add(match["name"])
    return found


def _is_lost(reference: re.Match[str], known: set[str]) -> bool:
    name = reference["name"] or reference["braced"]
    return reference["open"] is not None or bool(name and name not in known and not reference["rest"])
