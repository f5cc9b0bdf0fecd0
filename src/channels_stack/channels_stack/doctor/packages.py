"""Which packages a project asks for, from its requirement and lock files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from .findings import Place

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
LINE = re.compile(rf"^\s*({NAME})\s*(\[[^\]]*\])?\s*\(?([^;#()]*)")
SPECIFIER = re.compile(r"(===|==|~=|!=|<=|>=|<|>|\^)\s*v?([0-9][^\s,|;)\"']*)")
# Tables of pyproject.toml whose keys are packages; elsewhere packages are texts in a list.
KEYED_TABLES = re.compile(r"^(tool\.poetry\.(?:group\.[^.]+\.)?(?:dev-)?dependencies|packages|dev-packages)$")
LISTED_TABLES = re.compile(
    r"^(project|project\.optional-dependencies|dependency-groups|tool\.pdm\.dev-dependencies)$"
)
Version = tuple[int, ...]


@dataclass(frozen=True)
class Requirement:
    """One line that asks for a package; ``specifiers`` are pairs such as (">=", "4.0")."""

    name: str
    place: Place
    specifiers: tuple[tuple[str, str], ...] = ()
    extras: tuple[str, ...] = ()
    locked: bool = field(default=False, compare=False)

    @property
    def text(self) -> str:
        """As it is written in a requirements file."""
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return self.name + extras + ",".join(operator + wanted for operator, wanted in self.specifiers)

    @property
    def pinned(self) -> Version | None:
        """The one version that is allowed."""
        for operator, wanted in self.specifiers:
            if operator in ("==", "===") and "*" not in wanted:
                return version(wanted)
        return None

    def excludes(self, floor: str) -> bool:
        """Whether ``floor`` and everything above it is refused."""
        least = version(floor)
        return any(_is_below(operator, wanted, least) for operator, wanted in self.specifiers)


def version(text: str) -> Version:
    """The numbers of a version; what follows them (rc1, .post1) is left out."""
    match = re.match(r"\d+(?:\.\d+)*", text.strip())
    numbers = [int(part[:9]) for part in match.group().split(".")] if match else [0]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _is_below(operator: str, wanted: str, least: Version) -> bool:
    """Whether the specifier admits nothing from ``least`` on."""
    numbers = version(wanted)
    given = wanted.split(".")
    if operator in ("==", "===") and "*" not in wanted:
        return numbers < least
    if operator == "<":
        return numbers <= least
    if operator == "<=":
        return numbers < least
    if operator == "==":  # ==3.*
        return _after(given[: given.index("*")] if "*" in given else given) <= least
    if operator == "~=":
        return _after(given[:-1]) <= least
    if operator == "^":
        first = next((place for place, part in enumerate(given) if part.strip("0")), len(given) - 1)
        return _after(given[: first + 1]) <= least
    return False


def _after(given: list[str]) -> Version:
    """The first version that no longer begins with these numbers."""
    numbers = [version(part)[0] for part in given] or [0]
    return version(".".join(str(number) for number in [*numbers[:-1], numbers[-1] + 1]))


class Packages:
    """Everything that the files of a project ask for; ``installed`` are the versions found by --run instead."""

    def __init__(self, texts: dict[str, str]) -> None:
        self.requirements = [one for path, text in sorted(texts.items()) for one in _read(path, text)]
        self.read_any = bool(texts)
        self.installed: dict[str, str] = {}

    def find(self, *names: str) -> list[Requirement]:
        """The lines that ask for one of these packages."""
        return [one for one in self.requirements if one.name in names]

    def asks_for(self, *names: str) -> bool:
        """Whether any of these packages is asked for."""
        return bool(self.find(*names)) or any(name in self.installed for name in names)

    def may_be(self, name: str, floor: str) -> bool:
        """Whether an installation may get ``floor`` or newer of a package; a lock decides over everything else."""
        if name in self.installed:
            return version(self.installed[name]) >= version(floor)
        found = self.find(name)
        locked = [one for one in found if one.locked]
        return not any(one.excludes(floor) for one in locked or found)


def _read(path: str, text: str) -> Iterator[Requirement]:
    name = os.path.basename(path).lower()
    if name in ("uv.lock", "poetry.lock"):
        return _lock(path, text)
    if name == "pipfile.lock":
        return _pipfile_lock(path, text)
    if name in ("pyproject.toml", "pipfile"):
        return _toml(path, text)
    if name == "setup.cfg":
        return _setup_cfg(path, text)
    return _requirements(path, text)


def _requirements(path: str, text: str) -> Iterator[Requirement]:
    hashed = "--hash=" in text
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.startswith((" ", "\t", "-", "#")):
            yield from _line(line, Place(path, number), locked=hashed)


def _line(line: str, place: Place, locked: bool = False) -> Iterator[Requirement]:
    match = LINE.match(line)
    if match and "://" not in line.partition("@")[0]:
        extras = tuple(sorted(re.findall(NAME, match.group(2) or "")))
        specifiers = tuple((operator, wanted) for operator, wanted in SPECIFIER.findall(match.group(3)))
        yield Requirement(normal(match.group(1)), place, specifiers, extras, locked)


def normal(name: str) -> str:
    """A package's name as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _lock(path: str, text: str) -> Iterator[Requirement]:
    """uv.lock and poetry.lock: tables [[package]] with name and version."""
    name = ""
    for number, line in enumerate(text.splitlines(), start=1):
        match = re.match(r'(name|version)\s*=\s*"([^"]*)"', line)
        if line.startswith("[["):
            name = ""
        elif match and match.group(1) == "name":
            name = match.group(2)
        elif match and name:
            yield Requirement(normal(name), Place(path, number), (("==", match.group(2)),), locked=True)
            name = ""


def _pipfile_lock(path: str, text: str) -> Iterator[Requirement]:
    name = ""
    for number, line in enumerate(text.splitlines(), start=1):
        opened = re.match(rf'\s*"({NAME})": \{{', line)
        wanted = re.match(r'\s*"version": "==([^"]+)"', line)
        if opened:
            name = opened.group(1)
        elif wanted and name:
            yield Requirement(normal(name), Place(path, number), (("==", wanted.group(1)),), locked=True)


def _toml(path: str, text: str) -> Iterator[Requirement]:
    """pyproject.toml and Pipfile, line by line: Python 3.9 has no TOML parser, and a parser keeps no lines."""
    table, in_list = "", False
    for number, line in enumerate(text.splitlines(), start=1):
        place = Place(path, number)
        header = re.match(r"\s*\[+\s*([^\[\]]+?)\s*\]+\s*(#.*)?$", line)
        if header and not in_list:
            table = header.group(1).replace('"', "")
            continue
        if KEYED_TABLES.match(table):
            pair = re.match(rf'\s*"?({NAME})"?\s*=\s*(.*)', line)
            if pair and pair.group(1).lower() != "python":
                yield from _keyed(pair.group(1), pair.group(2), place)
            continue
        opened = re.match(r"\s*([\w.\"-]+)\s*=\s*\[(.*)", line)
        if opened and LISTED_TABLES.match(table):
            key = opened.group(1).strip('"')
            in_list = table != "project" or key == "dependencies"
            line = opened.group(2)
        if in_list:
            for wanted in re.findall(r"\"([^\"]+)\"|'([^']+)'", re.sub(r"(^|\s)#.*", "", line)):
                yield from _line(wanted[0] or wanted[1], place)
            in_list = re.search(r"\]\s*(#.*)?$", line) is None


def _keyed(name: str, value: str, place: Place) -> Iterator[Requirement]:
    table = re.search(r"version\s*=\s*[\"']([^\"']*)[\"']", value)
    plain = re.match(r"[\"']([^\"']*)[\"']", value)
    extras = re.search(r"extras\s*=\s*\[([^\]]*)\]", value)
    wanted = (table or plain).group(1) if (table or plain) else ""  # type: ignore[union-attr]
    # Poetry means "exactly" by a bare number.
    specifiers = SPECIFIER.findall(wanted) or ([("==", wanted)] if wanted[:1].isdigit() else [])
    names = tuple(sorted(re.findall(NAME, extras.group(1)))) if extras else ()
    yield Requirement(normal(name), place, tuple(specifiers), names)


def _setup_cfg(path: str, text: str) -> Iterator[Requirement]:
    inside = False
    for number, line in enumerate(text.splitlines(), start=1):
        if re.match(r"\S", line):
            inside = line.startswith("install_requires")
            line = line.partition("=")[2] if inside else ""
        if inside and line.strip():
            yield from _line(line.strip(), Place(path, number))
