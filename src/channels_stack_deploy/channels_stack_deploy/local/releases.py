"""The releases of this machine: their names, what each consisted of, and what became of them, as a manager of servers has it.

They are in the folder `releases` of the deployment: a folder each, `current`, and the history.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..console import detail
from ..operate import hooks
from ..paths import Deployment
from ..swarm import history
from ..swarm.engine import Engine
from ..swarm.inventory import write
from .compose import Project

KEPT = 5

DEFINITIONS, ENVIRONMENT = "stack.json", "compose.env"
"""Of a release: every service of it, and what `docker compose` has in its `.env`."""


def name(deployment: Deployment, names: dict[str, str]) -> str:
    """The name of a release with these images (NAMES): the hash of what it consists of."""
    texts = (deployment.settings, deployment.application, deployment.labels)
    parts = [*(f"{key}={names[key]}" for key in sorted(names)), *(path.read_text() for path in texts)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def engine(deployment: Deployment, project: str) -> Engine:
    """This machine's, for what reads and writes the history."""

    def run(line: str, given: str) -> tuple[int, str, str]:
        done = subprocess.run(["sh", "-c", line], input=given, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    return Engine(run, project, detail)


@dataclass(frozen=True)
class Release:
    """One release: its name, and whether it began just now."""

    name: str
    begun: bool

    def __str__(self) -> str:
        return self.name


@contextlib.contextmanager
def put_into_service(project: Project, images: dict[str, str], address: str) -> Iterator[Release]:
    """Begin the release that PROJECT's deployment describes now; it has served where nothing fails meanwhile.

    Hooks that run before and after it get its ADDRESS.
    """
    deployment = project.deployment
    wanted, folder = name(deployment, images), str(deployment.releases)
    local = engine(deployment, project.name)
    due = current(deployment) != wanted or bool(history.whole(history.events(local, folder))[1])
    if not due:
        yield Release(wanted, begun=False)
        keep(project, wanted, images)
        return
    before = current(deployment)
    facts = {
        "stack": project.name,
        "env": deployment.name,
        "release": wanted,
        "previous": before,
        "address": address,
    }
    hooks.run(deployment.folder, "before-release", **facts)
    history.remember(local, folder, "begun", wanted)
    try:
        yield Release(wanted, begun=True)
    except Exception as error:  # an interrupted one is not ended: the next run goes on
        history.remember(local, folder, "failed", wanted)
        hooks.run(deployment.folder, "failed-release", **facts, reason=str(error))
        raise
    keep(project, wanted, images)
    history.remember(local, folder, "served", wanted)
    forget(deployment, local)
    hooks.run(deployment.folder, "after-release", **facts)


def keep(
    project: Project, release: str, images: dict[str, str], edited: dict[str, str] | None = None
) -> None:
    """Write what RELEASE consists of, for its details and for the way back to it; it is the current one.

    EDITED are the files of the operator that it was made from, where those are not the ones that are there now.
    """
    deployment = project.deployment
    hashes = {
        container["Service"]: label(container, "com.docker.compose.config-hash")
        for container in project.containers()
    }
    manifest = {"release": release, "content": release, "images": images, "hashes": hashes}
    write(
        deployment.releases / release,
        {
            "manifest.json": json.dumps(manifest, indent=2, sort_keys=True) + "\n",
            # With the jobs that run for it alone.
            DEFINITIONS: project.run("--profile", "*", "config", "--format", "json", quiet=True).stdout,
            ENVIRONMENT: deployment.generated.read_text(),
            **{path.name: path.read_text() for path in (deployment.settings, deployment.application)},
        }
        | (edited or {}),
    )
    new = deployment.releases / "current.new"
    new.unlink(missing_ok=True)
    new.symlink_to(release)
    new.replace(deployment.releases / "current")


def current(deployment: Deployment) -> str:
    """The name of the release that serves; "" where none has yet."""
    link = deployment.releases / "current"
    return link.readlink().name if link.is_symlink() else ""


def label(container: dict[str, str], key: str) -> str:
    """The value of a label of CONTAINER, as `docker compose ps` lists them."""
    return dict(part.partition("=")[::2] for part in container["Labels"].split(",")).get(key, "")


def forget(deployment: Deployment, local: Engine) -> None:
    """Remove the folders of the oldest releases."""
    folder = str(deployment.releases)
    found = history.releases(local, folder)
    for old in set(found["releases"]) - set(history.chain(local, folder, found, KEPT)):
        shutil.rmtree(Path(folder) / old)
