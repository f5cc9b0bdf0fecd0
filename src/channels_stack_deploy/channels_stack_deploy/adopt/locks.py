"""Which packages of a lock an image gets: not those that development alone needs, which locks hold as well."""

from __future__ import annotations

from typing import Any

from . import tables

Package = dict[str, Any]


def names(lock: str, text: str, group: str) -> list[str]:
    """Of the packages in a LOCK of that name, with this TEXT, those that are installed, with GROUP if one is named."""
    if lock == "uv.lock":
        return _of_uv(tables.read(text, tables.UV_LOCK).get("package", []), group)
    wanted = {"main", "default", *([group] if group else [])}
    return [
        each.get("name", "")
        for each in tables.read(text, tables.LOCK).get("package", [])
        if wanted & set(each.get("groups", wanted)) and each.get("category", "main") in wanted
    ]


def _of_uv(packages: list[Package], group: str) -> list[str]:
    """What the project's own packages lead to; all of them where the lock names no project."""
    by_name: dict[str, list[Package]] = {}
    for each in packages:
        by_name.setdefault(each.get("name", ""), []).append(each)
    folders = [(each, each.get("source", {})) for each in packages]
    own = [each for each, source in folders if {"virtual", "editable"} & source.keys()]
    if not any("." in source.values() for _, source in folders):
        return list(by_name)
    waiting = [(each, (group,)) for each in own]
    seen: set[tuple[str, tuple[str, ...]]] = set()
    while waiting:
        package, extras = waiting.pop()
        needed = list(package.get("dependencies", ()))
        for kind in ("optional-dependencies", "dev-dependencies"):
            for extra in extras:
                needed += package.get(kind, {}).get(extra, ())
        for need in needed:
            key = need.get("name", ""), tuple(need.get("extra", ()))
            if key not in seen:
                seen.add(key)
                waiting += [(each, key[1]) for each in by_name.get(key[0], ())]
    return sorted({name for name, _ in seen})
