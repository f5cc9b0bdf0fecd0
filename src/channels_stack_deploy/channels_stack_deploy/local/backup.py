"""Backups of the deployment on this machine: the service `backup` does the work, this calls it (docs/how-to/backups.md)."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from ..config import ownership
from ..console import Failure, say, step

if TYPE_CHECKING:
    from ..paths import Deployment
    from .compose import Project

STAY = {"backup"}
"""Services that may run during a restore."""

DATA = 999
"""User id of db, redis and backup."""


def folder(settings: dict[str, str]) -> str:
    """The folder of this machine that backups go to; "" where they go elsewhere."""
    repository = settings["BACKUP_REPOSITORY"]
    return repository if repository.startswith("/") else ""


def own_folder(settings: dict[str, str], image: str) -> None:
    """Make that folder, readable by the service alone; a container of IMAGE, as root, may."""
    path = folder(settings)
    if not path or (os.path.isdir(path) and os.stat(path).st_uid == DATA):
        return
    command = ["docker", "run", "--rm", "--user", "0", "--network", "none", "-v", f"{path}:/folder", image]
    give = ["install", "--directory", f"--owner={DATA}", f"--group={DATA}", "--mode=0700", "/folder"]
    if subprocess.run([*command, *give], check=False).returncode:
        raise Failure(
            f"BACKUP_REPOSITORY: the folder {path} cannot be given to uid {DATA}; the line above says why"
        )


def call(project: Project, *arguments: str) -> None:
    """Run a command of the service; Failure where it fails, with its own lines shown before."""
    need(project)
    done = project.run("exec", "-T", "backup", "backup", *arguments, check=False)
    if done.returncode:
        raise Failure(f"backup {arguments[0]} failed (exit {done.returncode}); the lines above say why")


def need(project: Project) -> None:
    """Failure where the deployment makes no backups, or its project is another folder's."""
    ownership.claim(project.deployment)
    if not project.deployment.generated.exists():
        raise Failure(f"there is no deployment yet: {project.deployment.verb('up')}")
    if "BACKUP_IMAGE=" not in project.deployment.generated.read_text():
        raise Failure(
            f"no backups are made: set BACKUP_REPOSITORY in {project.deployment.shown(project.deployment.settings)} "
            f"(docs/how-to/backups.md), then {project.deployment.verb('up')}"
        )


def now(project: Project) -> None:
    """Make a backup, and print the status."""
    call(project, "now")
    call(project, "status")


def drill(project: Project) -> None:
    """Restore the newest backup alongside the running stack and compare."""
    call(project, "drill")


def restore(deployment: Deployment, project: Project, *, confirmed: bool, moment: str) -> None:
    """Replace the database and the waiting jobs by a backup: the newest state, or that of MOMENT."""
    need(project)
    running = {
        container["Service"] for container in project.containers() if container["State"] == "running"
    } - STAY
    if confirmed and running:
        raise Failure(
            f"{', '.join(sorted(running))} still run, and may write: {deployment.verb('down')}; then "
            f"{deployment.verb('restore')} CONFIRM=yes again"
        )
    project.start("backup")
    with step("restore"):
        call(project, "restore", *(["--yes"] if confirmed else []), *(["--time", moment] if moment else []))
    # The code may be newer than what was restored: the next start migrates it.
    deployment.released.unlink(missing_ok=True)
    say(f"{deployment.verb('up')} starts the stack with it")
