"""Which Python a project is written for, by its own files, and the Debian release that has it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator

from .files import Files, Problem
from .findings import Place

Version = tuple[int, int]
HERE: Version = (sys.version_info[0], sys.version_info[1])

SUITES: dict[Version, str] = {(3, 9): "bullseye", (3, 11): "bookworm", (3, 13): "trixie", (3, 14): "forky"}
"""Python -> the value of APP_DEBIAN that brings it, the oldest first."""

SYNTAX = (
    ((3, 10), re.compile(r"match .+:$|case .+:$")),
    ((3, 11), re.compile(r"except\s*\*")),
    ((3, 12), re.compile(r"type \w+(\[.*\])? ?=|(async )?def \w+\[|class \w+\[")),
    ((3, 14), re.compile(r""".*\b[tT][rR]?["']""")),
)
"""The Python that brought a syntax, and the line where an older one stops."""

IN_LISTS = re.compile(
    r"""^\s*(?:requires-python|python_requires|python_version|python)\s*=\s*["']?([^"'#]+)"""
)


def number(version: Version) -> str:
    """As people write it."""
    return f"{version[0]}.{version[1]}"


def declared(files: Files) -> Iterator[tuple[Place, str]]:
    """Each place that says which Pythons the project takes, with what it says: `>=3.12,<4`, `^3.11`, `3.13`."""
    for path, text in sorted(files.texts.items()):
        if os.path.basename(path).lower() not in ("pyproject.toml", "pipfile", "setup.cfg"):
            continue
        for line, content in enumerate(text.splitlines(), start=1):
            match = IN_LISTS.match(content)
            if match:
                yield Place(path, line), match.group(1).strip()
    for name in (".python-version", "runtime.txt"):
        try:
            with open(os.path.join(files.root, name), encoding="utf-8") as file:
                match = re.search(r"^(?:python-)?(\d+\.\d+)(?:\.\d+)?\s*$", file.read(1000), re.MULTILINE)
        except (OSError, UnicodeDecodeError):
            continue
        if match:
            yield Place(name, 1), match.group(1)


def oldest(words: str) -> Version | None:
    """The oldest Python that ``words`` take; None where they name none."""
    bounds = [
        (int(one), int(two))
        for one, two in re.findall(r"(?:^|>=|==|~=|\^|~|>)\s*v?(\d+)\.(\d+)", words.strip())
    ]
    return max(bounds) if bounds else None


def newest(words: str) -> Version | None:
    """The newest Python that ``words`` take; None where there is no end to them."""
    pinned = re.findall(r"(?:^|===?|~=|~(?!=))\s*v?(\d+)\.(\d+)", words.strip())
    if "~=" in words and not re.search(r"~=\s*\d+\.\d+\.\d", words):
        pinned = []  # ~=3.9 ends below 4
    bounds = [(int(one), int(two)) for one, two in pinned]
    for operator, one, two in re.findall(r"(<=?)\s*v?(\d+)\.(\d+)", words):
        bounds.append((int(one), int(two) - (operator == "<")))
    return min(bounds) if bounds else None


def debian(version: Version) -> str:
    """The first Debian release whose Python is ``version`` or newer; "" for none."""
    return next((suite for python, suite in SUITES.items() if python >= version), "")


def needed(files: Files, problem: Problem) -> tuple[Version, str] | None:
    """The Python that would read the file of ``problem``, where it is newer than ours, and how that is known."""
    wanted = [
        (version, f"the project asks for Python {words} ({place})")
        for place, words in declared(files)
        for version in [oldest(words)]
        if version and version > HERE
    ]
    if wanted:
        return max(wanted)
    for version, pattern in SYNTAX:
        if version > HERE and pattern.match(problem.line):
            return version, f"this is the syntax of Python {number(version)}"
    return None
