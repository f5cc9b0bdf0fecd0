"""`make rollback` on one machine: the last release that served whole serves again, without what has been built or set since.

A release is what `make up` kept of it (releases.py): definitions with the names of its images, settings, variables. Of
secrets and certificates the newest are the right ones. What the operator edits stays as it is, so the next `make up` leads
forward again.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..checks import served, steady
from ..config import certificates, edge, ownership
from ..config import settings as stack_settings
from ..console import Failure, detail, logged, say, step, times
from ..operate import hooks
from ..paths import Deployment
from ..swarm import history
from ..swarm.engine import Engine
from . import first, releases, rolling, up
from .compose import Project, replace

TRIAL_SECONDS = 10
"""It has served before, so it is on trial for a shorter time: that the database still suits it shows at once."""


@dataclass(frozen=True)
class Target:
    """The release to go back to: its NAME, the FOLDER with what is kept of it, its settings, its images by name."""

    name: str
    folder: Path
    settings: dict[str, str]
    images: dict[str, str]


def rollback(deployment: Deployment, wanted: str = "") -> None:
    """Put the release WANTED into service again; without a name the last one that served whole."""
    ownership.claim(deployment)
    with logged(deployment.logs, "rollback") as log:
        go_back(deployment, wanted)
        say(f"  log: {log}")


def go_back(deployment: Deployment, wanted: str) -> None:
    """The same, into the log that is open."""
    started = time.monotonic()
    project = Project(deployment)
    local, folder = releases.engine(deployment, project.name), str(deployment.releases)
    with step("the release before, and its images"):
        target = select(local, deployment, wanted)
        current = releases.current(deployment)
        certificate = certificates.make(deployment, target.settings)
    with step("migrations"):
        fits(project, target)
    where = up.address(target.settings)
    facts = {
        "stack": project.name,
        "env": deployment.name,
        "release": target.name,
        "previous": current,
        "address": where,
    }
    history.remember(local, folder, "begun", target.name)
    try:
        with described(deployment, target):
            replaced(project, target, certificate)
    except Exception as error:
        history.remember(local, folder, "failed", target.name)
        hooks.run(deployment.folder, "failed-release", **facts, reason=str(error))
        raise
    deployment.released.unlink(missing_ok=True)  # the next `make up` brings database and static files forward
    edited = {name: (target.folder / name).read_text() for name in ("stack.env", "app.env")}
    releases.keep(project, target.name, target.images, edited)
    history.remember(local, folder, "back", target.name)
    hooks.run(deployment.folder, "rolled-back", **facts)
    say(
        f"{where} serves release {target.name} again, instead of {current} "
        f"({time.monotonic() - started:.0f} s: {times()})"
    )
    say(f"  {deployment.verb('releases')} W={target.name}   what is different")
    say(
        f"  {deployment.verb('up')}   puts what {deployment.shown(deployment.settings)} and the sources describe into service"
    )


def select(local: Engine, deployment: Deployment, wanted: str) -> Target:
    """The release WANTED, or the one before, with all that it needs. Failure where it is not kept or lacks something."""
    found = history.releases(local, str(deployment.releases))
    name = wanted or found["previous"]
    kept = ", ".join(found["releases"]) or "none"
    if not name:
        raise Failure(
            f"there is no release before {found['current'] or 'the first'}; kept: {kept}. {deployment.verb('releases')}"
        )
    if name not in found["manifests"]:
        raise Failure(f"release {name} is not kept here; kept: {kept}")
    if name == found["current"] and not history.whole(history.events(local, str(deployment.releases)))[1]:
        raise Failure(f"release {name} serves; {deployment.verb('releases')} shows the others")
    images = found["manifests"][name]["images"]
    lost = sorted(image for image in images.values() if not there(image))
    if lost:
        raise Failure(
            f"this machine has lost images of release {name}: {', '.join(lost)}; "
            f"put its source back, then {deployment.verb('up')}"
        )
    folder = deployment.releases / name
    if not (folder / releases.ENVIRONMENT).exists():
        raise Failure(
            f"release {name} was put into service by an earlier version of the stack, which kept too little of it; "
            f"put its source back, then {deployment.verb('up')}"
        )
    return Target(name, folder, stack_settings.load(folder / "stack.env"), images)


def there(image: str) -> bool:
    """Whether the engine has IMAGE."""
    words = ["docker", "image", "inspect", "--format", "{{.Id}}", image]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def fits(project: Project, target: Target) -> None:
    """Failure where the database has been through a migration with which the code of TARGET cannot live."""
    with described(project.deployment, target, keeping=False):
        unknown = migrations(project)["unknown"]
    if not unknown:
        return
    applied = migrations(project)["applied"]
    none = "the current release does not have it either: nothing can judge it"
    reasons = {name: applied.get(name, none) for name in unknown}
    harmful = [f"  {name}: {reason}" for name, reason in reasons.items() if reason]
    if harmful:
        restore = project.deployment.verb("restore")
        raise Failure(
            "\n".join(
                [
                    f"release {target.name} is not compatible with the database as it is now:",
                    *harmful,
                    f"nothing was changed; restore a backup from before it (docs/how-to/backups.md): {restore}",
                ]
            )
        )
    detail(f"{', '.join(unknown)}: the code of {target.name} can do without")


def migrations(project: Project) -> dict[str, Any]:
    """What the database has been through, as the release that PROJECT describes now sees it."""
    code, lines = project.lines("run", "--rm", "--no-deps", "release", "channels-stack", "migrations")
    for line in lines:
        if line.startswith('{"unknown"'):
            return json.loads(line)
    raise Failure(
        "\n".join(["the release does not say which migrations it knows:", *lines[-5:], f"exit {code}"])
    )


@contextlib.contextmanager
def described(deployment: Deployment, target: Target, *, keeping: bool = True) -> Iterator[None]:
    """Meanwhile `docker compose` means TARGET; afterwards as well where KEEPING and nothing fails, else what it meant before."""
    before = deployment.generated.read_text()
    lines = (target.folder / releases.ENVIRONMENT).read_text().splitlines()
    files = f"COMPOSE_FILE={target.folder / releases.DEFINITIONS}"
    text = "\n".join(files if line.startswith("COMPOSE_FILE=") else line for line in lines) + "\n"
    replace(deployment.generated, text)
    try:
        yield
    except BaseException:
        replace(deployment.generated, before)
        raise
    if not keeping:
        replace(deployment.generated, before)


def replaced(project: Project, target: Target, certificate: str) -> None:
    """Replace what runs by TARGET; Failure leaves what runs serving."""
    deployment, settings = project.deployment, target.settings
    with step("its checks and static files"):
        up.run_release(project)
    with step("services"):
        changed = edge.write(deployment, settings, certificate, target.images["EDGE_IMAGE"])
        slots = {"http": int(settings["HTTP_SLOTS"]), "ws": int(settings["WS_SLOTS"])}
        first.clear(project)
        rolling.roll(project, slots, min(TRIAL_SECONDS, int(settings["TRIAL_SECONDS"])))
        project.start()
        if changed:
            edge.reload(project)
        steady.check(project)
    with step("a page and a websocket through the edge"):
        served.check(project, settings)
