"""Hosts that exist in the project's own compose file alone: its `cache`, `rabbitmq`, `db-replica`.

This stack runs none of its services, so no such name leads anywhere here. Where the stack has one of the same name (`db`,
`redis`), the name is the stack's. Imported by every Python program: it imports next to nothing.
"""

from __future__ import annotations

import functools
import os
import re

FILE = re.compile(r"(docker-)?compose[\w.-]*\.ya?ml|(local|production|staging|dev)\.ya?ml")
SERVICE = re.compile(r"( +|\t+)[\"']?([A-Za-z0-9][\w.-]*)[\"']?:(\s|$)")
NAMED = re.compile(r"\s+(?:container_name|hostname): *[\"']?([A-Za-z0-9][\w.-]*)")

OURS = ("db", "redis", "redis-2", "redis-3", "redis-app", "edge", "http", "ws", "worker", "release")
"""Services of this stack."""

LARGEST = 1 << 20
"""Bytes of a compose file that are read."""


def is_one(host: str) -> bool:
    """Whether HOST is a service of the project's own compose file, and none of this stack."""
    return bool(host) and "." not in host and host not in OURS and host in services(os.getcwd())


@functools.cache
def services(folder: str) -> frozenset[str]:
    """The names of the services in the compose files of FOLDER, where a program works, and of the two above it."""
    names: set[str] = set()
    for place in (folder, os.path.dirname(folder), os.path.dirname(os.path.dirname(folder))):
        try:
            files = [each for each in os.listdir(place) if FILE.fullmatch(each)]
            for name in files if place.count(os.sep) > 1 else ():
                with open(os.path.join(place, name), encoding="utf-8", errors="replace") as file:
                    names |= named(file.read(LARGEST))
        except OSError:
            continue
    return frozenset(names)


def named(text: str) -> set[str]:
    """The services, and the names that they have in their network, in TEXT of a compose file."""
    names: set[str] = set()
    indent = ""
    inside = False
    for line in text.splitlines():
        if line[:1] not in (" ", "\t", "#", ""):
            inside, indent = line.startswith("services:"), ""
            continue
        match = SERVICE.match(line) if inside else None
        if match and match[1] == (indent or match[1]):
            indent = match[1]
            names.add(match[2])
        if inside and (other := NAMED.match(line)):
            names.add(other[1])
    return names
