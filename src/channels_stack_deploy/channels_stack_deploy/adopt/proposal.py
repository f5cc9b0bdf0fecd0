"""All that can be found out of a project, put together."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from channels_stack.doctor import settings as doctor_settings
from channels_stack.doctor.values import texts

from ..config import settings as stack_settings
from ..paths import COMPOSE
from . import (
    database,
    folders,
    interpreter,
    modules,
    outside,
    past,
    pins,
    processes,
    requirements,
    variables,
    workspaces,
)
from .findings import Findings, Line
from .tree import Tree, above

NAMES = (
    *("APP_DIR", "APP_PATH", "APP_SETTINGS", "APP_ASGI", "APP_REQUIREMENTS", "APP_DEBIAN", "APP_PACKAGES"),
    *(
        "APP_BUILD_PACKAGES",
        "DB_PACKAGES",
        "APP_REDIS",
        "APP_VOLUMES",
        "APP_COMMANDS",
        "APP_WORKER_CHANNELS",
        "APP_RELEASE_COMMANDS",
    ),
)
"""The settings of stack.env that describe a project, in the order of stack.env.example."""

NEEDED = ("APP_SETTINGS", "APP_ASGI", "APP_REQUIREMENTS")
"""Without these nothing runs."""


@dataclass
class Proposal:
    """What `make adopt` would write of the project in FOLDER."""

    folder: Path
    lines: dict[str, Line]
    findings: Findings
    variables: list[variables.Variable]
    has_users: bool = False
    impossible: str = ""
    """Why this stack cannot run it, and the fix."""

    @property
    def lacking(self) -> list[str]:
        """Which of NEEDED only a person knows."""
        return [name for name in NEEDED if name not in self.lines]


def folder_name(folder: Path) -> str:
    """APP_DIR for FOLDER: seen from compose/ where it is near, else absolute."""
    near = os.path.relpath(folder, COMPOSE)
    return near if near.count("../") <= 3 else str(folder)


def propose(folder: Path, given: dict[str, str] | None = None) -> Proposal:
    """What is found in FOLDER. GIVEN are the settings in effect. Raises Failure where it holds no project, or several."""
    values = {**stack_settings.defaults(), **(given or {})}
    workspace = workspaces.root_above(folder)
    tree = Tree(workspace, str(folder.relative_to(workspace))) if workspace else Tree(folder)
    found = modules.find(tree)
    findings = Findings()
    why = f"the workspace that {tree.project} belongs to" if workspace else "as it was named"
    findings.line("APP_DIR", folder_name(tree.root), why)
    findings.add(found.findings)
    assert found.settings is not None
    places = list(dict.fromkeys([found.folder, *above(os.path.join(found.folder, "x")), *found.roots]))
    places = ["" if place == "." else place for place in places]
    installed = requirements.find(tree, places)
    findings.add(installed.findings)
    python = interpreter.find(tree, places, pins.limit(tree, installed))
    findings.add(python)
    suite = next((line.value for line in python.lines), values["APP_DEBIAN"])
    settings = doctor_settings.read(tree.files, found.settings)
    findings.add(requirements.debian(installed, suite, database.geodjango(settings)))
    overlay = values["APP_OVERLAY"].split()
    off = (
        {*variables.COVERED.values(), "redis"}
        if overlay == ["off"]
        else {word[1:] for word in overlay if word.startswith("-")}
    )
    findings.add(database.find(settings, installed, off))
    findings.add(folders.find(tree, found, off))
    findings.add(processes.find(tree, found, installed, values["APP_COMMANDS"]))
    if tree.unread:
        findings.notes.append(
            f"{', '.join(tree.unread)}: not Python as this machine's own reads it (newer syntax?); the rest of the file was read"
        )
    lines = {line.name: line for line in findings.lines}
    users = "django.contrib.auth" in [name for name, _ in texts(settings["INSTALLED_APPS"])]
    return Proposal(
        tree.root,
        lines,
        findings,
        variables.find(tree, found, values["DOMAINS"], off, own_redis="APP_REDIS" in lines),
        has_users=users,
        impossible=outside.find(tree, installed)
        or past.find(tree, installed)
        or pins.too_old(tree, installed),
    )
