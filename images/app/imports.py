"""Packages that cannot be imported alongside others that pip chose: what requirements leave open has moved on since.

`strawberry-graphql==0.284.1` asks for `graphql-core>=3.2`, and years later gets one without a name that it imports. Its
own line cannot be wrong about what was not there yet, so pip has nothing to say: importing what was asked for does.
What such a package needs is then taken as it was on the day that the package was made.
"""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import installed
from dependencies.reading import canonical

MOST_SECONDS, EACH_SECONDS = 120, 30
"""For all imports together, and for each; what takes longer is not judged, and that is reported."""

ASIDE = {"test", "tests", "testing", "example", "examples", "docs", "scripts"}
"""Modules that packages install by mistake."""

PROBE = """
import importlib, json, os, signal, sys, types, warnings
warnings.simplefilter("ignore")
(names, seconds), write = json.load(sys.stdin), open
try:
    from django.conf import settings
    settings.configure()
except Exception:
    pass
for name in names:
    result = None
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(seconds)
    try:
        importlib.import_module(name)
    except (ImportError, AttributeError) as error:
        holder = getattr(error, "obj", None)
        blamed = getattr(error, "name", "") if isinstance(error, ImportError) else ""
        if isinstance(holder, types.ModuleType):
            blamed = holder.__name__
        result = [blamed or "", f"{type(error).__name__}: {error}"]
    except BaseException:
        pass
    with write(sys.argv[1], "a") as results:
        results.write(json.dumps([name, result]) + "\\n")
os._exit(0)
"""
"""Its results are lines of a file of its own, one for each module as soon as it is judged: a module may write to any
descriptor, leave a thread behind or end the process. One that does not return is ended by the alarm.

Settings that it lacks, a registry that is not ready: whatever else an import raises is no matter of versions."""


@dataclass(frozen=True)
class Broken:
    """A package that does not import, because of what another, the culprit, does not have."""

    package: str
    culprit: str
    message: str


def broken(python: str, packages: Path, asked: set[str]) -> tuple[list[Broken], set[str]]:
    """Those of the packages ASKED for that PYTHON, whose site-packages PACKAGES is, cannot import because of another.

    And those of which nothing is known, because their imports took too long.
    """
    owners = _owners(packages)
    names = sorted(name for name, owner in owners.items() if owner in asked and name not in ASIDE)
    found = []
    results, late = _judged(python, names)
    for name, (blamed, message) in results.items():
        culprit = owners.get(blamed.partition(".")[0], "")
        if culprit and culprit != owners[name]:
            found.append(Broken(owners[name], culprit, " ".join(message.split())))
    return found, {owners[name] for name in late} - {each.package for each in found}


def _judged(python: str, names: list[str]) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """Of the modules NAMES those that do not import -> (what is blamed, message); and those that took too long.

    One that ends its process is passed over.
    """
    results: dict[str, tuple[str, str] | None] = {}
    late: list[str] = []
    end = time.monotonic() + MOST_SECONDS
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as file:
        while names and (seconds := end - time.monotonic()) > 0:
            status = None
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = subprocess.run(
                    [python, "-c", PROBE, file.name],
                    input=json.dumps([names, EACH_SECONDS]).encode(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    timeout=seconds,
                    check=False,
                ).returncode
            judged = dict(json.loads(line) for line in file)
            results |= judged
            names = names[len(judged) :]
            if status is None:
                break
            late += names[:1] if status == -signal.SIGALRM else []
            names = names[1:]
    return {name: result for name, result in results.items() if result}, late + names


def _owners(packages: Path) -> dict[str, str]:
    """Module on the top level of PACKAGES -> the one package that it belongs to."""
    owners: dict[str, set[str]] = {}
    for package, distribution in installed.by_name(packages).items():
        for file in distribution.files or []:
            name = file.parts[0].partition(".")[0]
            if file.suffix in (".py", ".so") and name.isidentifier() and not name.startswith("_"):
                owners.setdefault(name, set()).add(package)
    return {name: next(iter(each)) for name, each in owners.items() if len(each) == 1}


def needs(packages: Path, package: str, pinned: set[str]) -> set[str]:
    """What of PACKAGES the one named PACKAGE needs in any case, and what that needs; PINNED ones, and theirs, are left out."""
    from pip._vendor.packaging.requirements import InvalidRequirement, Requirement

    present = installed.by_name(packages)
    found: set[str] = set()
    waiting = [package]
    while waiting:
        for text in present[waiting.pop()].requires or []:
            try:
                requirement = Requirement(text)
            except InvalidRequirement:
                continue
            name = canonical(requirement.name)
            is_extra = requirement.marker is not None and not requirement.marker.evaluate({"extra": ""})
            if name in present and not is_extra and name not in found | pinned | {package}:
                found.add(name)
                waiting.append(name)
    return found


FIRST_DAY = date(2010, 1, 1).toordinal()


def day_of(versions: Callable[[str, str], list[str]], package: str, version: str) -> str:
    """The day after VERSION of PACKAGE was uploaded; "" where the index does not say.

    VERSIONS says which versions of a package were there before a day. pip reports no more of an index.
    """
    before, after = FIRST_DAY, date.today().toordinal() + 1
    if version not in versions(package, date.fromordinal(after).isoformat()):
        return ""
    while after - before > 1:
        middle = (before + after) // 2
        if version in versions(package, date.fromordinal(middle).isoformat()):
            after = middle
        else:
            before = middle
    return date.fromordinal(after).isoformat()


def listed(output: str) -> list[str]:
    """The versions, the newest first, that `pip index versions` names in its OUTPUT."""
    match = re.search(r"^Available versions: (.+)$", output, re.M)
    return [each.strip() for each in match[1].split(",")] if match else []
