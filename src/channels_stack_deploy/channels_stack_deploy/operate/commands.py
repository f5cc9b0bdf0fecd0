"""Verbs that run a command in a container: a shell, manage.py, a database console, a job of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Sequence
from typing import Any

from ..console import Failure, say
from ..local.compose import Project
from ..swarm.engine import ENDED_BADLY, Engine, pause
from ..swarm.render import text as rendered
from .hosts import Host
from .targets import Container, Target

CONSOLE = ["psql", "-U", "app", "-d", "app"]


def shell(target: Target, service: str, host: str, words: Sequence[str]) -> int:
    """A shell in a container of SERVICE, or WORDS in it."""
    return inside(target.one([service or "http"], host), list(words) or ["sh"])


def manage(target: Target, service: str, host: str, words: Sequence[str]) -> int:
    """A command of manage.py, in a container of the application that runs."""
    return inside(
        target.one([service] if service else ["http", "ws", "worker"], host),
        ["python", "-m", "django", *(words or ["help"])],
    )


def database(target: Target, service: str, host: str, words: Sequence[str]) -> int:
    """A console of the stack's own PostgreSQL, or one statement."""
    if not target.running("db"):
        raise Failure(
            "no database of this stack runs: it is external (DB_NODES=0), so its own console reaches it, or it is stopped"
        )
    statement = ["-c", " ".join(words)] if words else []
    return inside(target.one(["db"], host), [*CONSOLE, *statement])


def status(target: Target, service: str, host: str, words: Sequence[str]) -> int:
    """What every process last reported."""
    return inside(
        target.one([service] if service else ["ws", "http", "worker"], host),
        ["channels-stack", "status", *words],
        quiet=True,
    )


def inside(container: Container, words: list[str], *, quiet: bool = False) -> int:
    """Run WORDS in CONTAINER, at this terminal where there is one; their exit code."""
    terminal = not quiet and sys.stdin.isatty() and sys.stdout.isatty()
    options = ["--interactive", "--tty"] if terminal else ["--interactive"]
    command = ["docker", "exec", *options, container.identity, *words]
    return attached(container.host, command, terminal=terminal)


def attached(host: Host, words: list[str], *, terminal: bool = False) -> int:
    """Run WORDS on HOST with what this process reads and writes; Ctrl-C is for them. Returns their exit code."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return subprocess.run(
            host.command(words, terminal=terminal),
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            check=False,
        ).returncode
    finally:
        signal.signal(signal.SIGINT, before)


def job(target: Target, service: str, host: str, words: Sequence[str]) -> int:
    """Run WORDS once in a container of their own, like the job of a release: its image, settings, secrets and networks."""
    if not words:
        raise Failure('C is missing: make job C="python -m django clearsessions"')
    if target.servers:
        return on_servers(target, list(words))
    project = Project(target.deployment)
    options = ["--rm", "--no-deps", *([] if sys.stdin.isatty() else ["--no-TTY"]), "--env", "LOG_FORMAT=text"]
    return attached_here(project, ["run", *options, "release", *words])


def attached_here(project: Project, words: list[str]) -> int:
    """`docker compose WORDS` with what this process reads and writes."""
    return subprocess.run(project.command(*words), env=project.environment(), check=False).returncode


def on_servers(target: Target, words: list[str]) -> int:
    """The same as a job of Swarm, on whichever node has room. In a stack of its own: a deploy removes what is not in its file."""
    name = f"job-{uuid.uuid4().hex[:8]}"
    engine = Engine(target.managers[0].shell, f"{target.stack}-{name}", target.engine.tell)
    path = f"{target.releases}/current/release.json"
    kept = json.loads(engine.read(path))
    definition = kept["services"]["release"] | {"command": words}
    definition["deploy"].pop("labels", None)
    top = {key: kept[key] for key in ("networks", "volumes", "secrets", "configs")}
    engine.stack_deploy(path, text=rendered("release", {name: definition}, top, target.stack))
    log = None
    try:
        while True:
            (service,) = engine.services().values()
            task = next(iter(engine.tasks([service["ID"]])), None)
            state = task["Status"]["State"] if task else "pending"
            if state in ("running", "complete", *ENDED_BADLY) and log is None:
                log = Log(target.managers[0], service["ID"])
            if task and state in ("complete", *ENDED_BADLY):
                return ended(task)
            pause()
    finally:
        if log:
            log.end()
        engine.remove(name)


class Log:
    """What a job of Swarm prints. `docker service logs --follow` never ends, and may lack the last lines when it is ended."""

    def __init__(self, host: Host, service: str) -> None:
        self.host, self.service, self.shown = host, service, 0
        command = host.command(["docker", "service", "logs", "--raw", "--follow", service])
        self.follows = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace"
        )
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self) -> None:
        """Show what comes."""
        for line in self.follows.stdout or ():
            say(line.rstrip("\n"))
            self.shown += 1

    def end(self) -> None:
        """Show what has not come yet."""
        self.follows.terminate()
        self.follows.wait()
        self.reader.join()
        whole = self.host.run(["docker", "service", "logs", "--raw", self.service])[1].splitlines()
        for line in whole[self.shown :]:
            say(line)


def ended(task: dict[str, Any]) -> int:
    """The exit code of the job's TASK; Failure where it never ran."""
    code = (task["Status"].get("ContainerStatus") or {}).get("ExitCode", -1)
    if task["Status"]["State"] != "complete" and code <= 0:
        raise Failure(f"the job did not run: {task['Status'].get('Err') or task['Status'].get('Message')}")
    return int(code)
