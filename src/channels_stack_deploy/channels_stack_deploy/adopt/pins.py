"""What the pinned versions of a project say: the newest Python that they are made for, and whether they are of Channels 4."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from channels_stack.doctor.packages import Packages, Requirement, version
from channels_stack.doctor.pythons import Version, number

from .requirements import Installed
from .tree import Tree

CHANNELS_4 = {"channels": "4.0", "daphne": "4.0", "channels-redis": "4.0"}
"""Package -> the first version that goes with Channels 4."""

RUNS = {
    # Python 3.13 has no cgi, 3.12 no entry_points().get().
    "django": {(3, 11): "4.1", (3, 13): "4.2"},
    "celery": {(3, 13): "5.3"},
    "kombu": {(3, 13): "5.3"},
}
"""Package -> Python -> its first version that runs on it."""

BUILT = {
    "aiohttp": {(3, 11): "3.8.3", (3, 13): "3.10"},
    "cffi": {(3, 11): "1.15.1", (3, 13): "1.17"},
    "greenlet": {(3, 11): "1.1.3", (3, 13): "3.1"},
    "hiredis": {(3, 11): "2.1", (3, 13): "3.1"},
    "lxml": {(3, 11): "4.9.1", (3, 13): "5.3"},
    "numpy": {(3, 11): "1.23.2", (3, 13): "2.1"},
    "pandas": {(3, 11): "1.5", (3, 13): "2.2.3"},
    "pillow": {(3, 11): "9.2", (3, 13): "10.4"},
    "psycopg2-binary": {(3, 11): "2.9.5", (3, 13): "2.9.10"},
    "pyyaml": {(3, 11): "6.0", (3, 13): "6.0.2"},
    "rpds-py": {(3, 13): "0.20"},
}
"""Package -> Python -> its first version with a wheel for it; older ones want a compiler, and often do not compile."""


NEEDS = {"django": {(3, 10): "5.0", (3, 12): "6.0"}}
"""Package -> the oldest Python of a version and all later ones."""


@dataclass(frozen=True)
class Limit:
    """The newest PYTHON that a pinned version is made for, and WHY."""

    python: Version
    why: str


def limit(tree: Tree, installed: Installed) -> Limit | None:
    """What the pins of a project allow; None where they fit every Python that Debian has."""
    limits = []
    oldest: Version = (3, 9)
    for one in _pinned(tree, installed):
        needed = NEEDS.get(one.name, {}).items()
        oldest = max(
            oldest, *(python for python, first in needed if (one.pinned or ()) >= version(first)), (3, 9)
        )
        for table, words in ((RUNS, "does not run on"), (BUILT, "has no wheel for")):
            firsts = table.get(one.name)
            if not firsts:
                continue
            fits = [python for python, first in firsts.items() if (one.pinned or ()) >= version(first)]
            if len(fits) == len(firsts):
                continue
            newest = max(fits, default=(3, 9) if (3, 11) in firsts else (3, 11))
            missed = min(python for python in firsts if python not in fits)
            limits.append(Limit(newest, f"{one.text} ({one.place}) {words} Python {number(missed)}"))
    possible = [each for each in limits if each.python >= oldest]
    return min(possible, key=lambda each: each.python, default=None)


def too_old(tree: Tree, installed: Installed) -> str:
    """Why the stack cannot run what is pinned, and the fix; "" where it can."""
    old = [
        (one, CHANNELS_4[one.name])
        for one in _pinned(tree, installed)
        if one.name in CHANNELS_4 and (one.pinned or ()) < version(CHANNELS_4[one.name])
    ]
    if "channels" not in [one.name for one, _ in old]:
        return ""
    pins = ", ".join(f"{one.text} ({one.place})" for one, _ in old)
    instead = ", ".join(f"{one.name}>={floor}" for one, floor in old)
    return (
        f"this stack runs Channels 4, and the project asks for {pins}: write {instead} there, and adopt again"
    )


def _pinned(tree: Tree, installed: Installed) -> Iterator[Requirement]:
    """The requirements with one version, each once, of the files that are installed."""
    places: dict[str, set[str]] = {}
    for name, place in installed.packages.items():
        places.setdefault(place.rpartition(":")[0], set()).add(name)
    for path, names in places.items():
        for one in Packages({path: tree.text(path)}).requirements:
            if one.name in names and one.pinned:
                names.remove(one.name)
                yield one
