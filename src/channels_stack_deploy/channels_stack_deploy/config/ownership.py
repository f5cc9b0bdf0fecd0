"""Whose a Compose project is. Each container, network and volume of a stack bears the folder that it was made from.

The engine knows projects by their names alone, and two folders may choose the same. So the folder remembers its project and its
identity (the path under which it was made) in `.env`, and each verb looks for what bears another one before it touches anything.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..console import Failure
from ..paths import Deployment
from . import settings

LABEL = "channels-stack.folder"
NAME, IDENTITY = "COMPOSE_PROJECT_NAME", "STACK_IDENTITY"
"""Lines of `.env`."""

COMPOSES = "com.docker.compose.project"
KINDS = {"container": ("ps", "--all"), "network": ("network", "ls"), "volume": ("volume", "ls")}
"""What the engine has, and the command that lists it."""

Problem = tuple[str, str]
"""(what is wrong, the fix)."""


@dataclass(frozen=True)
class Thing:
    """A container, network or volume of a project; OWNER is a folder, "" where it bears none."""

    kind: str
    name: str
    owner: str


def remembered(folder: Path) -> dict[str, str]:
    """What FOLDER knows of its stack; nothing where it is the copy of a folder that is still there."""
    found = memory(folder)
    origin = Path(found.get(IDENTITY, str(folder)))
    if origin != folder and memory(origin).get(IDENTITY) == str(origin):
        return {}
    return found


def memory(folder: Path) -> dict[str, str]:
    """The lines of its `.env`. One of an earlier version has its folder as STACK_DIR alone."""
    path = Deployment(folder).generated
    lines = settings.parse(path) if path.exists() else {}
    return {**lines, IDENTITY: lines.get(IDENTITY) or lines.get("STACK_DIR") or str(folder)} if lines else {}


def identity(folder: Path) -> str:
    """What everything of this folder's stack bears: the path under which it was made, wherever it has moved since."""
    return remembered(folder).get(IDENTITY, str(folder))


def project(deployment: Deployment) -> str:
    """The project of this folder: what it remembers, before the first `make up` what it is set to."""
    chosen = settings.parse(deployment.settings) if deployment.settings.exists() else {}
    known = settings.defaults(deployment.name)
    return remembered(deployment.folder).get(NAME) or chosen.get(NAME) or known[NAME]


def things(name: str) -> list[Thing]:
    """Everything that the engine has of the project NAME. What bears no folder belongs to that of its containers."""
    if shutil.which("docker") is None:
        return []
    owned = []
    for kind, command in KINDS.items():
        form = f'{{{{.Label "{LABEL}"}}}}\t'
        # An earlier version's containers have the file that their settings came from, as Compose notes it.
        form += f'{{{{.Label "{COMPOSES}.environment_file"}}}}\t{{{{.Label "{COMPOSES}.working_dir"}}}}\t'
        form += "{{.Names}}" if kind == "container" else "{{.Name}}"
        words = ["docker", *command, "--filter", f"label={COMPOSES}={name}", "--format", form]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failure(f"the engine does not answer: {done.stderr.strip()}")
        for line in done.stdout.splitlines():
            owner, file, place, own = line.split("\t")
            owner = owner or (os.path.dirname(os.path.realpath(file)) if file else place)
            owned.append(Thing(kind, own, owner))
    owners = {each.owner for each in owned if each.owner}
    of_all = owners.pop() if len(owners) == 1 else ""
    return [Thing(each.kind, each.name, each.owner or of_all) for each in owned]


def problems(deployment: Deployment, name: str) -> list[Problem]:
    """What speaks against this folder's touching the project NAME, in one or no line."""
    folder = deployment.folder
    own = {identity(folder), str(folder)}
    another = f"set {NAME} in {deployment.settings} to a name of its own, and HTTP_PORT and HTTPS_PORT to free ports"
    existing = things(name)
    owners = sorted({each.owner for each in existing} - own)
    if any(owners):
        gone = [owner for owner in owners if owner and not Path(owner).exists()]
        fix = f"{another}; or put the folder back to {gone[0]}, which is gone" if gone else another
        return [(f"the project {name} belongs to {', '.join(filter(None, owners))}", fix)]
    # Volumes of an earlier version, and no container that says whose: a folder whose release has been there knows their password.
    if owners and not (remembered(folder).get(NAME) == name and deployment.released.exists()):
        nameless = " and ".join(f"{each.kind} {each.name}" for each in existing if not each.owner)
        return [(f"the project {name} is there already ({nameless}) and does not say whose it is", another)]
    return []


def renamed(deployment: Deployment, chosen: dict[str, str]) -> list[Problem]:
    """Another name in CHOSEN, the settings, than that of this folder's stack: it would begin without its data."""
    name = project(deployment)
    if chosen[NAME] == name or problems(deployment, name) or not things(name):
        return []
    fix = f"set it back to {name}; or {deployment.verb('purge')} CONFIRM=yes first, which removes the data"
    return [(f"{NAME} is {chosen[NAME]}, but this folder's stack is the project {name}", fix)]


def claim(deployment: Deployment) -> None:
    """Failure where the project of this folder is another folder's."""
    found = problems(deployment, project(deployment))
    if found:
        raise Failure("\n".join(f"{problem}: {fix}" for problem, fix in found))


def labels(whole: dict[str, Any], owner: str) -> str:
    """A Compose file that has every service, network and volume of WHOLE, all definitions, bear OWNER.

    A service also bears which state its secrets are in: Compose does not compare files, and a process reads them once.
    """
    own = {LABEL: owner.replace("$", "$$")}
    kinds = ("networks", "volumes")
    found = {kind: {key: {"labels": own} for key in whole.get(kind, {})} for kind in kinds}
    found["services"] = {
        name: {"labels": own | state_of_secrets(name, each, whole.get("secrets") or {})}
        for name, each in whole.get("services", {}).items()
    }
    return json.dumps(found, indent=1) + "\n"


SECRETS = "channels-stack.secrets"
"""The label of a service that distinguishes one state of its secrets from another."""

READ_ONCE = ("db",)
"""Services that read their secret on an empty volume alone: a change is no reason to restart them."""


def state_of_secrets(name: str, service: dict[str, Any], secrets: dict[str, Any]) -> dict[str, str]:
    """The label of SERVICE, called NAME, which changes when the file of one of its SECRETS was written; none where it has none.

    By time and size: their content must not be readable by users who may read labels or run this.
    """
    files = [Path(secrets[each["source"]]["file"]) for each in service.get("secrets") or []]
    there = [path.stat() for path in sorted(files) if path.exists()]
    if name in READ_ONCE or not there:
        return {}
    text = " ".join(f"{each.st_mtime_ns}-{each.st_size}" for each in there)
    return {SECRETS: hashlib.sha256(text.encode()).hexdigest()[:12]}
