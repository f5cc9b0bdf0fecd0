"""Which Python a project wants, and so which Debian release its image is based on (APP_DEBIAN)."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator

from channels_stack.doctor.pythons import SUITES, Version, number

from . import tables
from .findings import Findings
from .pins import Limit
from .tree import Tree

PREFERRED = (3, 13)
"""That of APP_DEBIAN's default."""


def find(tree: Tree, folders: list[str], limit: Limit | None = None) -> Findings:
    """APP_DEBIAN, from what the project says of its Python in FOLDERS, and from the LIMIT that its pins set."""
    findings = Findings()
    allowed: dict[str, str] = {}  # place -> specifiers
    used: dict[str, Version] = {}  # place -> the version it is developed with
    for folder in folders:
        for place, words in _declared(tree, folder):
            allowed.setdefault(place, words)
        for place, version in _used(tree, folder):
            used.setdefault(place, version)
    suitable = [python for python in SUITES if all(satisfies(python, words) for words in allowed.values())]
    requirements = [f"{words} ({place})" for place, words in allowed.items()]
    if not suitable:
        findings.questions.append(
            f"APP_DEBIAN: the project wants Python {' and '.join(requirements)}, and Debian has "
            f"{', '.join(f'{number(python)} ({suite})' for python, suite in SUITES.items())}; widen that, or try the nearest"
        )
        return findings
    old = limit if limit and any(python <= limit.python for python in suitable) else None
    if old:
        suitable = [python for python in suitable if python <= old.python]
    runs = sorted(used.items(), key=lambda item: -item[1][1])[0] if used else None
    chosen = (
        _nearest(runs[1], suitable)
        if runs
        else PREFERRED
        if PREFERRED in suitable
        else _nearest(PREFERRED, suitable)
    )
    reasons = [f"requires Python {requirement}" for requirement in requirements]
    if runs:
        reasons.append(f"{runs[0]} has Python {number(runs[1])}")
        if runs[1] != chosen:
            reasons.append(f"no Debian has that, the nearest is {number(chosen)}")
    if old:
        reasons.append(old.why)
    if reasons:
        findings.line("APP_DEBIAN", SUITES[chosen], "; ".join(reasons))
    return findings


def _nearest(version: Version, suitable: list[Version]) -> Version:
    """VERSION itself, or the next newer one of those SUITABLE, or the newest older one."""
    newer = [python for python in suitable if python >= version]
    return min(newer) if newer else max(suitable)


def satisfies(version: Version, specifiers: str) -> bool:
    """Whether Python VERSION is one of SPECIFIERS, as requires-python and Poetry (`^3.11`, `a || b`) write them."""
    tight = re.sub(r"([<>=!~^])\s+", r"\1", specifiers)
    return any(
        all(_one(version, part) for part in re.split(r"[,\s]+", choice)) for choice in tight.split("||")
    )


def _one(version: Version, part: str) -> bool:
    match = re.match(r"(===|==|~=|!=|<=|>=|<|>|\^|~)?\s*v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(\.\*)?", part)
    if not match:
        return True
    operator, least = match[1] or "==", (int(match[2]), int(match[3] or 0))
    whole, patch = match[3] is None, int(match[4] or 0)
    if operator in ("==", "==="):
        return version[0] == least[0] if whole else version == least
    if operator == "!=":
        return match[4] is not None or (version[0] != least[0] if whole else version != least)
    if operator == "<":
        # 3.13.1 is below 3.13.2, whichever the image has.
        return version < least or (version == least and patch > 0)
    if operator == "<=":
        return version <= least
    if operator == ">":
        return version > least or (version == least and match[4] is not None)
    if operator in ("~=", "^", "~"):
        upper = least[0] if operator == "^" or whole or (operator == "~=" and match[4] is None) else None
        return version >= least and (version[0] == upper if upper is not None else version == least)
    return version >= least


def _declared(tree: Tree, folder: str) -> Iterator[tuple[str, str]]:
    """(file:line, specifiers) of what the project says it needs."""

    def at(name: str, pattern: str) -> tuple[str, str]:
        path = os.path.normpath(os.path.join(folder, name))
        text = tree.text(path)
        match = re.search(pattern, text, re.M)
        return f"{path}:{text.count(chr(10), 0, match.start()) + 1 if match else 1}", text

    place, text = at("pyproject.toml", r"^[ \t]*(requires-python|python)\s*=")
    try:
        project = tables.read(text, tables.DECLARED)
    except ValueError:
        project = {}
    poetry = project.get("tool", {}).get("poetry", {}).get("dependencies", {}).get("python")
    wanted = project.get("project", {}).get("requires-python") or poetry
    if isinstance(wanted, str):
        yield place, wanted
    place, text = at("setup.cfg", r"^python_requires")
    match = re.search(r"^python_requires\s*=\s*(.+)$", text, re.M)
    if match:
        yield place, match[1].strip()
    place, text = at("setup.py", r"python_requires\s*=")
    try:
        keywords = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.keyword)]
    except SyntaxError:
        keywords = []
    for keyword in keywords:
        if keyword.arg == "python_requires" and isinstance(keyword.value, ast.Constant):
            yield place, str(keyword.value.value)


USED = (
    ("runtime.txt", r"^python-(\d+)\.(\d+)"),
    (".python-version", r"^(?:python-|cpython-)?(\d+)\.(\d+)"),
    (".tool-versions", r"^python\s+(\d+)\.(\d+)"),
    ("Pipfile", r"^python(?:_full)?_version\s*=\s*[\"'](\d+)\.(\d+)"),
    ("environment.yml", r"^\s*-\s*python\s*=+\s*(\d+)\.(\d+)"),
)
"""(file, what it says of the version that the project runs on)."""


def _used(tree: Tree, folder: str) -> Iterator[tuple[str, Version]]:
    """(file:line, version) of what the project runs on now."""
    for name, pattern in USED:
        path = os.path.normpath(os.path.join(folder, name))
        text = tree.text(path)
        match = re.search(pattern, text, re.M)
        if match:
            yield f"{path}:{text.count(chr(10), 0, match.start()) + 1}", (int(match[1]), int(match[2]))
    for place, match in tree.plans(
        r"(?i)^\s*(?:FROM\s+(?:\S+/)?python:|ARG\s+PYTHON_VERSION=[\"']?)(\d+)\.(\d+)"
    ):
        yield place, (int(match[1]), int(match[2]))
