"""Stacks to test: one of our own from its start to its removal, or one that runs already.

Only the standard library is needed here, because every suite loads this folder's conftest.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from support.polling import until
from support.ports import free_port

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path(__file__).resolve().parent / ".stacks"
"""Settings and secrets of our own stacks, one folder each while it runs."""

VARIANTS = {
    "default": {},
    "daphne": {"SERVER_HTTP": "daphne", "SERVER_WS": "daphne"},
    "gunicorn": {"SERVER_HTTP": "gunicorn", "SERVER_WS": "gunicorn"},
}
"""Settings of our own stacks: the servers to test. Everything else is as a user gets it."""

BRIEF = {"DRAIN_NOTICE_SECONDS": "1", "DRAIN_SECONDS": "1"}
"""Settings of a stack whose drain is not the subject: its rollouts need not wait for anybody."""

START_SECONDS = 600
"""How long a start may take; it includes building the images that are not there yet."""

OUTER = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "T", "ENV", "TARGET", "OPTIONS")
"""What a `make` that runs these tests says to a `make` of theirs."""

eventually = until


class StackError(Exception):
    """A stack could not be started or removed; the text says why."""


@dataclass(frozen=True)
class Stack:
    """A running stack as its visitors see it and, where it runs on this machine, its containers."""

    variant: str
    url: str
    """https://host or https://host:port"""
    ca: Path | None
    """Certificate of the authority to trust; None: those that this machine trusts."""
    user: str
    password: str
    project: str | None = None
    """Compose project on this machine; None: its containers are out of reach."""
    folder: Path | None = None
    """Settings and secrets; None: not ours."""
    since: str = "0"
    """What was logged before this moment (unix seconds) is not about the tests."""
    told: str = ""
    """What `make up` said."""

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 443

    @property
    def plain_port(self) -> int | None:
        """The port of plain HTTP; None where nothing tells."""
        for name in self.containers("edge") if self.project else ():
            bindings = inspect(name)["NetworkSettings"]["Ports"].get("8080/tcp")
            return int(bindings[0]["HostPort"]) if bindings else None
        return 80 if self.port == 443 else None

    def answers(self) -> bool:
        """Whether anything listens there at all."""
        try:
            socket.create_connection((self.host, self.port), timeout=5).close()
        except OSError:
            return False
        return True

    def containers(self, service: str = "") -> list[str]:
        """Names of the containers, running or not, of SERVICE or of all; those of one-shot jobs are left out."""
        labels = [f"label=com.docker.compose.project={self.project}", "label=com.docker.compose.oneoff=False"]
        labels += [f"label=com.docker.compose.service={service}"] if service else []
        filters = [word for label in labels for word in ("--filter", label)]
        return sorted(docker("ps", "--all", *filters, "--format", "{{.Names}}").split())

    def compose(self, *arguments: str) -> str:
        """Run `docker compose` on a stack of our own."""
        assert self.folder, "only a stack that the tests started may be changed"
        place = ["--project-directory", str(ROOT / "compose"), "--env-file", str(self.folder / ".env")]
        return docker("compose", *place, *arguments)

    def log_tails(self, lines: int = 25) -> Iterator[tuple[str, str]]:
        """(container, the last LINES of its log) for each container."""
        for name in self.containers() if self.project else ():
            done = subprocess.run(
                ["docker", "logs", "--tail", str(lines), name],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
            )
            yield name, done.stdout


@contextmanager
def own(
    variant: str, secrets: Mapping[str, str] | None = None, adopt: Path | None = None, **others: str
) -> Iterator[Stack]:
    """Start a stack on free ports, and remove all of it at the end, come what may.

    Its settings are those of the VARIANT, if it is one of VARIANTS, and OTHERS; SECRETS are there before it starts.
    ADOPT is a project that `make adopt` describes before.
    """
    name = f"{variant}-{os.getpid()}"
    folder, project = FOLDER / name, f"stack-test-{name}"
    folder.mkdir(parents=True)
    settings = {
        "COMPOSE_PROJECT_NAME": project,
        "BIND_ADDRESS": "127.0.0.1",
        # What a trial sees has tests of its own; here it would only take time.
        "TRIAL_SECONDS": "5",
        "HTTP_PORT": str(free_port()),
        "HTTPS_PORT": str(free_port()),
        **machine_settings(),
        **VARIANTS.get(variant, {}),
        **others,
    }
    # As an operator makes it: a copy of the example with lines of one's own.
    lines = "".join(f"{key}={value}\n" for key, value in settings.items())
    (folder / "stack.env").write_text((ROOT / "compose/stack.env.example").read_text() + lines)
    (folder / "secrets").mkdir(mode=0o711)
    for file, text in (secrets or {}).items():
        (folder / "secrets" / file).write_text(text)
    try:
        told = tool(folder, "adopt", str(adopt)) if adopt else ""
        told += tool(folder, "up")
        yield Stack(
            variant=variant,
            url=f"https://localhost:{settings['HTTPS_PORT']}",
            ca=folder / "tls/ca.pem",
            user="admin",
            password=(folder / "secrets/demo_password").read_text().strip(),
            project=project,
            folder=folder,
            told=told,
        )
    finally:
        remove(folder, project)


def outside_make() -> dict[str, str]:
    """This process's environment, for a `make` that a test runs."""
    return {key: value for key, value in os.environ.items() if key not in OUTER}


def machine_settings() -> dict[str, str]:
    """What this machine needs for its builds, as the operator set it in the environment: BUILD_NETWORK and the like."""
    names = ("BUILD_NETWORK", "BASE_IMAGE", "DEBIAN_MIRROR")
    return {name: os.environ[name] for name in names if os.environ.get(name)}


def remove(folder: Path, project: str) -> None:
    """Remove the containers, networks, volumes and files of one of our own stacks."""
    running = docker("ps", "--quiet", "--filter", f"label=com.docker.compose.project={project}").split()
    if running:
        # What an orderly stop does is a test of its own; here it would only take time.
        subprocess.run(["docker", "kill", *running], capture_output=True, check=False)
    tool(folder, "purge", CONFIRM="yes")
    shutil.rmtree(folder)


def remove_stale() -> None:
    """Remove the stacks of test runs that were killed before they could do so themselves."""
    for folder in FOLDER.glob("*-*") if FOLDER.exists() else ():
        process = folder.name.rpartition("-")[2]
        if not Path("/proc", process).exists():
            remove(folder, f"stack-test-{folder.name}")


def tool(folder: Path, *command: str, **environment: str) -> str:
    """What a command of the stack's own tool (src/channels_stack_deploy) says; StackError with it where that fails."""
    done = subprocess.run(
        [sys.executable, "-m", "channels_stack_deploy", "--folder", str(folder), *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src/channels_stack_deploy"), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    if done.returncode:
        raise StackError(
            f"`stack {' '.join(command)}` of {folder} failed (exit {done.returncode}):\n{done.stdout}"
        )
    return done.stdout


def docker(*arguments: str) -> str:
    """What `docker ARGUMENTS` prints; StackError with its complaint where it fails."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise StackError(
            f"docker {' '.join(arguments)} failed (exit {done.returncode}):\n{done.stderr.strip()}"
        )
    return done.stdout


def inspect(name: str) -> dict:
    """All that the engine knows of the container NAME."""
    return json.loads(docker("inspect", "--type", "container", name))[0]


def on_threads(context: ssl.SSLContext) -> ssl.SSLContext:
    """The CONTEXT for a connection that one thread reads while another writes, as websockets.sync does.

    Python's ssl has no lock for that before 3.13, and a session ticket, which only TLS 1.3 sends after the handshake, can
    then make the writer wait for good.
    """
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context
