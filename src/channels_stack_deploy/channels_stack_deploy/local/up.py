"""`make up`, from a fresh machine to a running stack, and back."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from ..adopt import command as adopt
from ..build import images
from ..checks import probes, served, steady
from ..config import (
    app_services,
    app_variables,
    certificates,
    edge,
    environments,
    ownership,
    secrets,
    stores,
)
from ..config import settings as stack_settings
from ..console import Failure, detail, logged, say, show, step, times
from ..paths import Deployment
from ..swarm import jobs
from . import backup, first, preflight, releases, rolling
from . import bundle as bundles
from .compose import Project, replace, write_environment


def up(deployment: Deployment, bundle: str = "", share: str = "") -> None:
    """Make DEPLOYMENT run, healthy; what is right already stays untouched. The file BUNDLE has what this machine lacks.

    A new release is tried first by a SHARE of the visitors, percent, where it is given.
    """
    with logged(deployment.logs, "up") as log:
        if bundle:
            bundles.take(deployment, Path(bundle))
        put_up(deployment, log, share)


def put_up(deployment: Deployment, log: Path, share: str) -> None:
    """The same, into the LOG."""
    started = time.monotonic()
    project = Project(deployment)
    with step("this machine: engine, memory, disk"):
        environments.create(deployment)
        settings = stack_settings.load(deployment.settings)
        trial = int(settings["TRIAL_SECONDS"])
        part = first.percent(share, trial)
        adopt.undescribed(deployment, settings)
        app_variables.check(deployment, os.environ)
        preflight.prepare(settings)
        preflight.look(deployment, settings, published(project))
    with step("settings, secrets, certificate"):
        known = first_password(deployment).exists()
        owners = secrets.make(deployment)
        for line in secrets.notes(deployment, owners):
            detail(line)
        settings = stack_settings.load(deployment.settings) | (
            DEVELOPMENT if "dev" in deployment.overlays else {}
        )
        stores.check(deployment, settings)
        probes.declared(deployment, settings)  # reports its errors before anything is changed
        certificate = certificates.make(deployment, settings)
    if not settings["APP_WORKER_CHANNELS"]:
        settings["WORKER_REPLICAS"] = "0"
    definitions = app_services.text(settings)
    names = images.make(settings)
    secrets.own(deployment.secrets, owners, names["WORKER_IMAGE"])
    backup.own_folder(settings, names.get("BACKUP_IMAGE", ""))
    if definitions:
        replace(deployment.commands, definitions)
    else:
        deployment.commands.unlink(missing_ok=True)
    write_environment(deployment, settings, names)
    dev = "dev" in deployment.overlays
    where = f"http://localhost:{settings['DEV_PORT']}/" if dev else address(settings)
    with releases.put_into_service(project, names, where) as release:
        changed = edge.write(deployment, settings, certificate, names["EDGE_IMAGE"])
        prepare(deployment, project, names, stores.services(settings))
        with step("services"):
            before = project.identities()
            slots = {"http": int(settings["HTTP_SLOTS"]), "ws": int(settings["WS_SLOTS"])}
            first.clear(project)
            if part:
                first.tried(project, part, trial)
            rolling.roll(project, slots, 0 if part else trial)
            project.start()
            if changed:
                kept = edge.reload(project) & before
                if kept:
                    detail("the edge was reloaded with its new settings, not replaced")
            steady.check(project)
            new = project.identities() - before
            detail(
                f"{len(new)} container{'s' * (len(new) > 1)} started"
                if new
                else "nothing had to be restarted"
            )
        if not dev:
            with step("a page and a websocket through the edge"):
                served.check(project, settings)
    serving = f"serves release {release}{'' if release.begun else ', as before'} ({time.monotonic() - started:.0f} s: {times()})"
    shown = to_be_shown(os.environ, known)
    farewell(deployment, settings, where, serving, shown=shown, next_steps=release.begun)
    say(f"  log: {log}")


DEVELOPMENT = {"SERVER_HTTP": "daphne", "SERVER_WS": "daphne"}
"""What the overlay `dev` changes before the images are chosen: `runserver` comes from Daphne."""


def published(project: Project) -> set[int]:
    """Ports that this very project publishes already."""
    deployment = project.deployment
    if not deployment.generated.exists() or ownership.problems(deployment, ownership.project(deployment)):
        return set()
    return {
        port["PublishedPort"]
        for container in project.containers()
        for port in container.get("Publishers") or []
    }


def prepare(deployment: Deployment, project: Project, names: dict[str, str], data: list[str]) -> None:
    """Run the checks, migrations and static files of a release, once for each combination of image, settings and secrets.

    DATA are the data stores' services, which must be healthy by then, and know the passwords that new processes have.
    """
    texts = (deployment.settings, deployment.application, deployment.labels)
    parts = [names["WORKER_IMAGE"], *(path.read_text() for path in texts)]
    wanted = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    if deployment.released.exists() and deployment.released.read_text() == wanted and project.identities():
        return
    if data:
        with step("data stores"):
            project.start(*data)
    with step("release: checks, migrations, static files"):
        run_release(project)
        deployment.released.write_text(wanted)


def run_release(project: Project) -> None:
    """Run the checks, migrations and static files of the release that is described, and show its steps."""
    code, lines = project.lines("run", "--rm", "--no-deps", "--env", "LOG_FORMAT=text", "release")
    for line in lines if code else jobs.shown(lines):
        detail(line)
    if code:
        raise Failure(
            f"the release failed (exit {code}), the lines above say why; http, ws and worker were not touched"
        )


def address(settings: dict[str, str]) -> str:
    """Where the stack is found."""
    port = settings["PUBLIC_PORT"] or settings["HTTPS_PORT"]
    return f"https://{settings['DOMAINS'].split()[0]}{'' if port == '443' else f':{port}'}/"


def first_password(deployment: Deployment) -> Path:
    """The password of the first user of the reference application."""
    return deployment.secrets / "demo_password"


def first_user(settings: dict[str, str]) -> str:
    """The name of the user whom the release has made with that password; "" where it makes none."""
    for words in app_services.lines(settings["APP_RELEASE_COMMANDS"], "demo --username admin"):
        if words[0] == "demo" and "--username" in words[:-1]:
            return words[words.index("--username") + 1]
    return ""


def to_be_shown(environment: Mapping[str, str], known: bool) -> bool:
    """Whether the first password is printed: when it was made just now or is asked for, and never into the log of a CI."""
    in_ci = environment.get("CI", "").lower() not in ("", "0", "false")
    return not in_ci and (not known or environment.get("PASSWORD") == "show")


def farewell(
    deployment: Deployment,
    settings: dict[str, str],
    where: str,
    serving: str,
    *,
    shown: bool,
    next_steps: bool = True,
) -> None:
    """Say where it is, what is SERVING, and the NEXT_STEPS; the first password itself where it is to be SHOWN, else its file."""
    say(f"{where} {serving}")
    password = first_password(deployment)
    if name := first_user(settings):
        readable = shown and os.access(password, os.R_OK)
        show(
            f"  sign in as  {name}  with the password  {password.read_text() if readable else f'in {password}'}"
        )
    else:
        say(
            f"  {deployment.verb('manage')} C=createsuperuser   make the first user, if the application has users"
        )
    if next_steps:
        smoke = deployment.verb("smoke") if deployment.name else f"make smoke TARGET={where}"
        say(
            f"  {deployment.verb('details')}   what runs; {smoke}   proves that it is right; {deployment.verb('logs')}"
        )
        say(
            f"  {deployment.verb('rollback')}   the release before; {deployment.verb('down')}   stops it, the data stays"
        )
    if settings["MONITORING"] == "on":
        monitor = f"https://{settings['DOMAINS'].split()[0]}:{settings['MONITORING_PORT']}/"
        say(
            f"  {monitor}   Prometheus: user prometheus, password in {deployment.secrets / 'monitoring_password'}"
        )
    if not settings["BACKUP_REPOSITORY"]:
        place = deployment.shown(deployment.settings)
        say(f"  No backups are made: set BACKUP_REPOSITORY in {place} (docs/how-to/backups.md)")


def down(deployment: Deployment) -> None:
    """Stop and remove the containers and networks; volumes, secrets and settings stay."""
    ownership.claim(deployment)
    if ownership.things(ownership.project(deployment)):
        project = Project(deployment)
        project.end_jobs()
        project.run("down", "--remove-orphans")


def compose(deployment: Deployment, arguments: list[str]) -> NoReturn:
    """Become `docker compose ARGUMENTS` on this deployment."""
    ownership.claim(deployment)
    if not deployment.generated.exists():
        raise Failure(f"there is no deployment yet: {deployment.verb('up')}")
    project = Project(deployment)
    command = project.command(*arguments, progress="auto")
    os.execvpe(command[0], command, project.environment())


def purge(deployment: Deployment, *, confirmed: bool) -> None:
    """Remove containers, volumes (all data!), secrets, certificates and generated files; stack.env and app.env stay."""
    if not confirmed:
        raise Failure(
            "this removes the database and every upload of this stack. If that is meant: "
            f"{deployment.verb('purge')} CONFIRM=yes"
        )
    ownership.claim(deployment)
    if ownership.things(ownership.project(deployment)):
        project = Project(deployment)
        project.end_jobs()
        project.run("down", "--volumes", "--remove-orphans")
        # Of services that the settings no longer have, whose volumes Compose does not know any more.
        left = [
            thing.name for thing in ownership.things(ownership.project(deployment)) if thing.kind == "volume"
        ]
        if left:
            gone = subprocess.run(
                ["docker", "volume", "rm", *left], capture_output=True, text=True, check=False
            )
            if gone.returncode:
                raise Failure(
                    f"volumes are left, and the secrets with them: {gone.stderr.strip()}\n"
                    f"end the containers that use them, then again: {deployment.verb('purge')} CONFIRM=yes"
                )
    made = (
        deployment.commands,
        deployment.labels,
        deployment.services,
        deployment.releasing,
        deployment.released,
        deployment.fetched,
    )
    # The memory of what is to be removed goes last.
    folders = (
        deployment.secrets,
        deployment.authority,
        deployment.edge,
        deployment.releases,
        deployment.logs,
    )
    for path in (*folders, *made, deployment.generated):
        remove(path)


def remove(path: Path) -> None:
    """Remove a file or a folder; secrets belong to other users, so it may take sudo."""
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except PermissionError:
        subprocess.run(["sudo", "rm", "-rf", "--", str(path)], check=True)
