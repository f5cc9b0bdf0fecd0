"""Environments on this machine: the default one in `compose/`, and each with a name in `compose/environments/<name>/`.

An environment is a folder with its settings, its application's variables, its secrets and certificates, and a Compose project of
its own. Environments of servers are inventories of Ansible, on the controller (inventory.py).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection

from ..console import Failure, detail
from ..paths import COMPOSE, ENVIRONMENTS, EXAMPLE, ROOT, Deployment
from . import ownership, schema, settings, texts

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
"""It becomes part of the names of containers, networks and volumes."""

CREATING = ("up", "adopt")
"""Commands of the tool that make an environment that is not there yet."""

REMOVING = ("down", "purge")
"""Those that take away what the engine has of one, folder or not."""

SHARED = schema.read_by(schema.BUILD) | {name for name in schema.NAMES if name.startswith("APP_")}
"""Settings that decide what the application is and what the images are. A new environment starts with the default
one's."""

DEFINITIONS = """\
# So that plain `docker compose` in this folder means this environment: what it runs is in .env, which `make up` writes.
# Without a file of this name Compose would go on to the folders above.
services: {}
"""


def find(name: str, command: str, overlays: tuple[str, ...] = ()) -> Deployment:
    """The environment NAME ("": the default one) for a COMMAND. Failure where there is none and COMMAND makes none."""
    if not name:
        return Deployment(COMPOSE, overlays)
    check(name)
    deployment = Deployment(ENVIRONMENTS / name, overlays)
    if deployment.folder.is_dir() or command in CREATING:
        return deployment
    # A folder that was removed before its stack leaves that running.
    if command in REMOVING and ownership.things(ownership.project(deployment)):
        return deployment
    raise Failure(missing(name))


def check(name: str) -> None:
    """Failure where NAME is none: it becomes a folder's name and part of a project's."""
    if not NAME.fullmatch(name):
        proposal = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_")[:40] or "staging"
        raise Failure(
            f"ENV is {name!r}; the name of an environment takes small letters, digits, - and _, at most 40, "
            f"a letter or digit first: ENV={proposal}"
        )


def names() -> list[str]:
    """The environments with a name that there are, sorted."""
    found = ENVIRONMENTS.iterdir() if ENVIRONMENTS.is_dir() else ()
    return sorted(path.name for path in found if path.is_dir() and NAME.fullmatch(path.name))


def every() -> list[Deployment]:
    """The environments that have settings, the default one first."""
    found = [Deployment(COMPOSE), *(Deployment(ENVIRONMENTS / name) for name in names())]
    return [each for each in found if each.settings.exists()]


def problems(deployment: Deployment, chosen: dict[str, str]) -> list[ownership.Problem]:
    """What DEPLOYMENT, set as CHOSEN, would share with another environment or has lost, and may not."""
    rows = []
    repository = chosen["BACKUP_REPOSITORY"]
    for other in every():
        theirs = settings.parse(other.settings).get("BACKUP_REPOSITORY", "")
        # A volume is each project's own.
        if other.folder != deployment.folder and repository == theirs and repository not in ("", "volume"):
            place = other.settings.relative_to(ROOT)
            rows.append((f"BACKUP_REPOSITORY is that of {place} too", "a repository of its own for each"))
    data = f"{ownership.project(deployment)}_db"
    if chosen["DB_NODES"] != "0" and not (deployment.secrets / "db_password").exists():
        there = ownership.things(ownership.project(deployment))
        if any(each.kind == "volume" and each.name == data for each in there):
            secrets, purge = deployment.shown(deployment.secrets), deployment.verb("purge")
            fix = f"put {secrets} back from your copy; or {purge} CONFIRM=yes, which removes the data"
            rows.append(
                (f"the database is there (volume {data}), but the passwords in {secrets} are gone", fix)
            )
    return rows


def missing(name: str) -> str:
    """That there is no environment NAME, which there are, and how one is made."""
    known = names()
    near = difflib.get_close_matches(name, known, n=1)
    there = f"there {'is' if len(known) == 1 else 'are'} {', '.join(known)}" if known else "there is none yet"
    return (
        f"no environment {name} in {ENVIRONMENTS.relative_to(ROOT)}"
        + (f"; did you mean {near[0]}?" if near else "")
        + f"; {there}, and without ENV the default one in {COMPOSE.relative_to(ROOT)}; make up ENV={name} creates it"
    )


def create(deployment: Deployment, describing: Collection[str] = ()) -> None:
    """Make stack.env, app.env and, in an environment with a name, compose.yaml where they are missing; what is there stays.

    DESCRIBING are settings that a new environment does not take over from the default one, because it runs another project.
    """
    deployment.folder.mkdir(parents=True, exist_ok=True)
    default = Deployment(COMPOSE)
    if deployment.name and not deployment.definitions.exists():
        deployment.definitions.write_text(DEFINITIONS)
    if not deployment.settings.exists():
        shared = chosen(default) if deployment.name else {}
        taken = {name: line for name, line in shared.items() if name not in describing}
        deployment.settings.write_text(example(deployment.name, taken))
        what = (
            "the application and servers of compose/stack.env, every other setting"
            if taken
            else "every setting"
        )
        detail(f"made {deployment.shown(deployment.settings)}: {what} with its default, to be edited")
    if not deployment.application.exists():
        lines = ["# Variables for the application alone, NAME=value; see README"]
        if deployment.name and default.application.exists():
            # Names alone: a key of production in staging sends real mail, or worse.
            lines += [f"#{name}=" for name in settings.parse(default.application)]
        deployment.application.write_text("\n".join(lines) + "\n")


def chosen(default: Deployment) -> dict[str, str]:
    """The lines of the DEFAULT environment that decide what its images are, by their names, as they are written."""
    text = texts.read(default.settings) if default.settings.exists() else ""
    matches = filter(None, map(settings.LINE.match, map(str.strip, text.splitlines())))
    return {
        match["name"]: match[0] for match in matches if not match["commented"] and match["name"] in SHARED
    }


def example(environment: str, taken: dict[str, str]) -> str:
    """The text of a new stack.env: the example with the default of ENVIRONMENT's project, and the lines TAKEN in their places."""
    own = settings.defaults(environment)
    lines = []
    for line in EXAMPLE.read_text().splitlines():
        match = settings.LINE.match(line)
        name = match["name"] if match else ""
        if name in taken:
            line = taken[name]
        elif taken and match and not match["commented"]:
            line = f"#{name}="  # for the reference application, and the default environment runs another
        elif name == "COMPOSE_PROJECT_NAME":
            line = f"#{name}={own[name]}"
        lines.append(line)
    return "\n".join(lines) + "\n"
