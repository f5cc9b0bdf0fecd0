"""What Poetry's lock holds, and what it asks for in a pyproject.toml."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .locks import hashes_of, line_of_source, pinned
from .reading import Unreadable, canonical, toml


def locked(path: Path, group: str) -> list[str]:
    """Poetry's lock: what the main group needs, and GROUP (a group or an extra) if one is named."""
    lock = toml(path)
    packages = lock.get("package", [])
    if all("groups" in each for each in packages):  # Poetry 2 says itself who needs what
        wanted = {"main", *([group] if group else [])}
        chosen = [
            (each, _marker_in(each.get("markers", ""), wanted))
            for each in packages
            if wanted & set(each["groups"]) and (group or not each.get("optional"))
        ]
    else:
        project = toml(path.with_name("pyproject.toml"))
        reached = _reached(asked(project, group), packages)
        chosen = [
            (each, reached[canonical(each["name"])])
            for each in packages
            if canonical(each["name"]) in reached
        ]
    older = lock.get("metadata", {}).get("files", {})
    return [
        line_of_source(each)
        or pinned(
            each["name"], each["version"], marker, hashes_of(each.get("files") or older.get(each["name"], []))
        )
        for each, marker in chosen
    ]


def _marker_in(markers: Any, groups: set[str]) -> str:
    """The marker of a package, which Poetry may say for each of the GROUPS apart."""
    if isinstance(markers, str):
        return markers
    return _either({markers.get(group, "") for group in groups & set(markers)})


def _either(markers: set[str]) -> str:
    """The marker that holds where one of MARKERS does; "" holds everywhere."""
    if "" in markers or not markers:
        return ""
    return markers.pop() if len(markers) == 1 else " or ".join(f"({each})" for each in sorted(markers))


def _reached(wishes: Iterable[tuple[str, Any]], packages: list[dict[str, Any]]) -> dict[str, str]:
    """Package -> marker for all of PACKAGES that WISHES lead to; "" where one way has no marker."""
    needs = {canonical(each["name"]): each.get("dependencies", {}) for each in packages}
    waiting = [(canonical(name), _marker(wish), bool(_extras_of(wish))) for name, wish in wishes]
    ways: dict[str, set[str]] = {}
    seen = set()
    while waiting:
        name, marker, extras = step = waiting.pop()
        if name not in needs or step in seen:
            continue
        seen.add(step)
        ways.setdefault(name, set()).add(marker)
        for other, wish in needs[name].items():
            each = wish[0] if isinstance(wish, list) else wish
            if extras or not (isinstance(each, dict) and each.get("optional")):
                waiting.append((canonical(other), _marker(each) or marker, bool(_extras_of(each))))
    return {name: _either(markers) for name, markers in ways.items()}


def asked(project: dict[str, Any], group: str) -> Iterator[tuple[str, Any]]:
    """(name, what is asked of it) of the main group of a Poetry project and of GROUP."""
    poetry = project.get("tool", {}).get("poetry", {})
    main = poetry.get("dependencies", {})
    for line in project.get("project", {}).get("dependencies", []):
        yield re.split(r"[\s=<>!~;\[@(]", line, maxsplit=1)[0], line
    extra = {canonical(each) for each in poetry.get("extras", {}).get(group, [])}
    for name, wish in main.items():
        optional = isinstance(wish, dict) and wish.get("optional")
        if canonical(name) != "python" and (not optional or canonical(name) in extra):
            yield name, wish
    groups = poetry.get("group", {})
    if group and group not in poetry.get("extras", {}):
        table = project.get("project", {}).get("optional-dependencies", {})
        if group in table:
            for line in table[group]:
                yield re.split(r"[\s=<>!~;\[@(]", line, maxsplit=1)[0], line
        elif group in groups:
            yield from groups[group].get("dependencies", {}).items()
        else:
            names = sorted({*groups, *poetry.get("extras", {}), *table})
            raise Unreadable(f"pyproject.toml has no group {group!r}; it has: {', '.join(names) or 'none'}")


def _extras_of(wish: Any) -> list[str]:
    if isinstance(wish, dict):
        return list(wish.get("extras", []))
    match = re.search(r"\[([^\]]*)\]", wish) if isinstance(wish, str) else None
    return match[1].split(",") if match else []


def _marker(wish: Any) -> str:
    """The environment marker of what Poetry asks for."""
    if isinstance(wish, str):
        return wish.partition(";")[2].strip()
    return str(wish.get("markers", "")) if isinstance(wish, dict) else ""


def line_of(name: str, wish: Any) -> str:
    """What Poetry asks for, as other tools write it."""
    entry = {"version": wish} if isinstance(wish, str) else dict(wish[0] if isinstance(wish, list) else wish)
    revision = entry.get("rev") or entry.get("tag") or entry.get("branch")
    if source := line_of_source({"name": name, "revision": revision, **entry}):
        return source
    extras = f"[{','.join(entry['extras'])}]" if entry.get("extras") else ""
    marker = f" ; {entry['markers']}" if entry.get("markers") else ""
    return f"{name}{extras}{versions(str(entry.get('version', '*')))}{marker}"


def versions(text: str) -> str:
    """Poetry's `^1.2`, `~1.2`, `*`, `1.2` as PEP 440 has them."""
    found = []
    for part in (each.strip() for each in text.split(",")):
        numbers = re.findall(r"\d+", part)
        if part in ("", "*"):
            continue
        if part[0] in "^~" and not part.startswith("~="):
            keep = 1 if part[0] == "~" and len(numbers) == 1 else 2 if part[0] == "~" else 1
            if part[0] == "^":
                keep = next((place for place, number in enumerate(numbers, 1) if number != "0"), len(numbers))
            upper = [*map(int, numbers[: keep - 1]), int(numbers[keep - 1]) + 1]
            found.append(f">={part.lstrip('^~ ')},<{'.'.join(map(str, upper))}")
        else:
            found.append(part if part[0] in "<>=!~" else f"=={part}")
    return ",".join(found)
