"""Calling Docker Compose for one deployment, and waiting until its services are healthy."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from ..config import addresses, concurrency, ownership, schema, stores, texts
from ..console import Failure, detail, note
from ..paths import COMPOSE, Deployment
from . import backup

HEALTHY_SECONDS = 120
"""How long services may take; the slowest, PostgreSQL's first start, needs about 10 s on two cores."""

TAIL = 15
"""Lines of a failed container's log to show."""

RECENT = 200
"""Lines of a container's log to look at while it runs."""


FIXES = {
    "non-overlapping IPv4 address pool": "the engine has no addresses left for another network, and each stack has four or more. "
    "`docker network ls` lists them; `docker network prune` removes those of every project that no container uses. "
    'For more, put "default-address-pools": [{"base": "10.201.0.0/16", "size": 24}] into /etc/docker/daemon.json '
    "and restart the engine",
}
"""Words of the engine that name no fix -> what to do."""


def fix(complaint: str) -> str:
    """What to do against the engine's COMPLAINT, on a line of its own; empty where its words say it."""
    return "".join(f"\n{text}" for words, text in FIXES.items() if words in complaint)


class Project:
    """A Compose project: the definitions, with the settings of one deployment."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment

    @property
    def name(self) -> str:
        """The name of the project."""
        return ownership.project(self.deployment)

    def command(self, *arguments: str, progress: str = "quiet") -> list[str]:
        """The docker command line for ARGUMENTS; everything else is in the deployment's .env.

        Without that file Compose has the project's name alone, which is enough to remove it.
        """
        known = ["--project-name", ownership.project(self.deployment)]
        if self.deployment.generated.exists():
            known = ["--project-directory", str(COMPOSE), "--env-file", str(self.deployment.generated)]
        return ["docker", "compose", "--progress", progress, *known, *arguments]

    def environment(self) -> dict[str, str]:
        """This process's, without what would win over the .env: another project's name, an exported HTTP_PORT."""
        known = ownership.memory(self.deployment.folder)
        return {
            name: value
            for name, value in os.environ.items()
            if name not in known and not name.startswith("COMPOSE_")
        }

    def run(
        self, *arguments: str, quiet: bool = False, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run it; QUIET collects the output instead of showing it. Failure where it exits non-zero and CHECK is on."""
        options = {"capture_output": True} if quiet else {}
        command, environment = self.command(*arguments), self.environment()
        done = subprocess.run(command, env=environment, text=True, check=False, **options)  # type: ignore[call-overload]
        if check and done.returncode:
            last_lines = "\n".join((done.stderr or "").splitlines()[-TAIL:])
            raise Failure(
                f"docker compose {' '.join(arguments[:3])} failed (exit {done.returncode})\n"
                f"{last_lines}{fix(last_lines)}".rstrip()
            )
        return done

    def end_jobs(self) -> None:
        """End what runs once, a release or a shell: `down` passes over it, and then cannot remove its networks and volumes."""
        labels = (f"{ownership.COMPOSES}={self.name}", "com.docker.compose.oneoff=True")
        filters = [word for label in labels for word in ("--filter", f"label={label}")]
        listed = subprocess.run(
            ["docker", "ps", "--all", "--quiet", *filters], capture_output=True, text=True, check=False
        )
        if jobs := listed.stdout.split():
            subprocess.run(["docker", "stop", *jobs], capture_output=True, check=False)
            # Most remove themselves.
            subprocess.run(["docker", "rm", "--force", *jobs], capture_output=True, check=False)

    def lines(self, *arguments: str) -> tuple[int, list[str]]:
        """Exit code and lines of what it prints, which are noted as they come."""
        lines = []
        with subprocess.Popen(
            self.command(*arguments),
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            for line in process.stdout or ():
                lines.append(line.rstrip())
                note(lines[-1])
        return process.returncode, lines

    def containers(self) -> list[dict[str, Any]]:
        """Every container of the project, as Compose describes it."""
        text = self.run("ps", "--all", "--format", "json", quiet=True).stdout.strip()
        return [json.loads(line) for line in text.splitlines()]

    def identities(self, *, running: bool = True) -> set[str]:
        """The ids of the containers that run, or of all: the same set before and after means that nothing was restarted."""
        return {
            container["ID"]
            for container in self.containers()
            if container["State"] == "running" or not running
        }

    def start(self, *services: str) -> None:
        """Bring up SERVICES (all, where none is named) and wait until they are healthy."""
        self.run(
            "up",
            "--detach",
            "--no-build",
            *(["--no-deps", *services] if services else ["--remove-orphans"]),
            quiet=True,
        )
        self.wait(services)

    def wait(self, services: Sequence[str] = (), only: Collection[str] = ()) -> None:
        """Show SERVICES, or the containers ONLY, becoming healthy; Failure with the log of the first that does not."""
        deadline = time.monotonic() + HEALTHY_SECONDS
        shown = ""
        while True:
            containers = [
                container
                for container in self.containers()
                if (container["Service"] in services or not services)
                and (container["ID"] in only or not only)
            ]
            healthy = [
                container
                for container in containers
                if container["State"] == "running" and container["Health"] in ("healthy", "")
            ]
            waiting = sorted(
                {container["Service"] for container in containers} - {each["Service"] for each in healthy}
            )
            text = f"{len(healthy)} of {len(containers)} healthy" + (
                f", waiting for {', '.join(waiting)}" if waiting else ""
            )
            if text != shown:
                # Where there was nothing to wait for there is nothing to say.
                (detail if waiting or shown else note)(text)
                shown = text
            if containers and len(healthy) == len(containers):
                return
            for container in containers:
                ended = container["State"] in ("exited", "dead", "restarting")
                if ended or container["Health"] == "unhealthy":
                    state, tail = container["Health"] or container["State"], self.tail(container["Name"])
                    raise Failure(f"{container['Service']} is {state}. Its last lines:\n{tail}")
            if time.monotonic() > deadline:
                names = "\n".join(
                    f"{container['Name']}:\n{self.tail(container['Name'])}"
                    for container in containers
                    if container not in healthy
                )
                raise Failure(f"not healthy within {HEALTHY_SECONDS} s. The last lines:\n{names}")
            time.sleep(0.5)

    def since(self, name: str, seconds: int) -> str:
        """What a container's log got in the last SECONDS: its last RECENT lines, each after the moment it came at."""
        command = ["docker", "logs", "--timestamps", "--since", f"{seconds}s", "--tail", str(RECENT), name]
        # One pipe: which came first is seen.
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        return done.stdout

    def tail(self, name: str) -> str:
        """The last lines of a container's log, then the output of its health check."""
        done = subprocess.run(
            ["docker", "logs", "--tail", str(TAIL), name], capture_output=True, text=True, check=False
        )
        form = "{{if .State.Health}}{{with .State.Health.Log}}{{(index . 0).Output}}{{end}}{{end}}"
        probe = subprocess.run(
            ["docker", "inspect", "-f", form, name], capture_output=True, text=True, check=False
        )
        return "\n".join(
            f"    {line}" for line in (done.stdout + done.stderr + probe.stdout).strip().splitlines()
        )


def write_environment(deployment: Deployment, settings: dict[str, str], names: dict[str, str]) -> None:
    """Write the .env that makes `docker compose` in the deployment's folder mean this deployment, and the labels."""
    owner = ownership.identity(deployment.folder)
    bound = addresses.bound(settings["BIND_ADDRESS"], ownership.project(deployment))
    files = [
        COMPOSE / "compose.yml",
        COMPOSE / "compose.single.yml",
        *([COMPOSE / "compose.ipv6.yml"] if bound.six else []),
        *stores.files(settings),
        *([COMPOSE / "compose.acme.yml"] if settings["CERTIFICATE"] == "acme" else []),
        *([deployment.commands] if deployment.commands.exists() else []),
        *(COMPOSE / f"compose.{name}.yml" for name in deployment.overlays),
        *([COMPOSE / "compose.backup.yml"] if settings["BACKUP_REPOSITORY"] else []),
        *stores.measured(settings),
    ]
    lines = {
        **{name: value for name, value in settings.items() if name not in COMMAND_LINES},
        **names,
        "COMPOSE_FILE": ":".join(map(str, [*files, deployment.labels])),
        ownership.IDENTITY: owner,
        "STACK_DIR": str(deployment.folder.resolve()),
        "EDGE_FOLDER": str(deployment.edge.resolve()),
        # A volume where the repository is no folder of this machine.
        "BACKUP_FOLDER": backup.folder(settings),
        "STOP_GRACE": stop_grace(settings),
        "BIND_ADDRESS": bound.four,
        "BIND_ADDRESS_6": bound.six,
        "PUBLIC_SUBNET_6": addresses.subnet(owner),
        **concurrency.derived(settings),
        **stores.derived(settings),
    }
    write_services(deployment)
    text = "# Made by `make up` from stack.env, which is the file to edit.\n"
    text += "".join(f"{name}={quoted(value)}\n" for name, value in lines.items())
    replace(deployment.generated, text)
    project = Project(deployment)
    chosen = [word for path in files for word in ("--file", str(path))]
    everything = project.run(*chosen, "--profile", "*", "config", "--format", "json", quiet=True).stdout
    replace(deployment.labels, ownership.labels(json.loads(everything), owner))


def stop_grace(settings: dict[str, str]) -> str:
    """How long the engine waits for a process of the application to end before it kills it."""
    return f"{int(settings['STOP_SECONDS']) + GRACE_SECONDS}s"


GRACE_SECONDS = 5
"""Between STOP_SECONDS, when every process has ended itself, and the engine's SIGKILL."""


def write_services(deployment: Deployment) -> None:
    """Write what of stack.env the application's services get, and what a release gets: a change of the rest replaces none."""
    lines = texts.read(deployment.settings).splitlines()
    for path, reader in (
        (deployment.services, schema.APPLICATION),
        (deployment.releasing, schema.RELEASE),
    ):
        names = schema.read_by(reader)
        kept = [line.strip() for line in lines if line.strip().partition("=")[0] in names]
        replace(path, "".join(f"{line}\n" for line in kept))


COMMAND_LINES = ("APP_COMMANDS", "APP_RELEASE_COMMANDS", "SECRET_COMMANDS")
"""Settings that no Compose file refers to, and that may hold every kind of quote."""


def quoted(value: str) -> str:
    """VALUE as Compose's env files take it literally."""
    if not any(character in value for character in " $#\"'"):
        return value
    return "'" + value.replace("'", "\\'") + "'"


def replace(path: Path, text: str) -> None:
    """Write PATH in one step, and only where it would change."""
    if path.exists() and path.read_text() == text:
        return
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    new.replace(path)
