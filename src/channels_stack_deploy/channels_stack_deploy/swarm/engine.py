"""The engine of a manager, through its command line."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Callable
from typing import Any

from ..console import Failure

Run = Callable[[str, str], "tuple[int, str, str]"]
"""(command line, text for its standard input) -> exit code, standard output, standard error; run on a manager."""

NAMESPACE = "com.docker.stack.namespace"
ENDED_BADLY = ("failed", "rejected", "orphaned")
LOG_LINES = 15
GONE = re.compile(r"no such |not found", re.IGNORECASE)
"""How the engine says that a service or a task is no more: a job that has ended, say, is removed at any moment."""


class Engine:
    """The engine that RUN reaches; STACK is the stack's name in the swarm.

    `login` is a folder of the manager with a config.json for its registry, "" where there is none: nodes get it with their
    tasks, so that one which has lost an image pulls it again.
    """

    def __init__(self, run: Run, stack: str, tell: Callable[[str], None], login: str = "") -> None:
        self.run, self.stack, self.tell, self.login = run, stack, tell, login

    def attempt(self, *words: str, given: str = "") -> tuple[int, str, str]:
        """Run `docker WORDS`; exit code, output, complaint."""
        return self.run(shlex.join(["docker", *words]), given)

    def docker(self, *words: str, given: str = "") -> str:
        """What `docker WORDS` prints; Failure with its complaint where it fails."""
        code, out, complaint = self.attempt(*words, given=given)
        if code:
            message = "\n".join(
                line for line in (complaint or out).strip().splitlines() if "--detach=false" not in line
            )
            shown = words[2:] if words[0] == "--config" else words
            raise Failure(f"docker {' '.join(shown[:3])} failed (exit {code}): {message}")
        return out

    def rest(self, *words: str) -> str:
        """What `docker WORDS` prints of things of which some may have gone since they were listed."""
        code, out, complaint = self.attempt(*words)
        if code and not all(GONE.search(line) for line in complaint.strip().splitlines()):
            raise Failure(f"docker {' '.join(words[:3])} failed (exit {code}): {complaint.strip()}")
        return out

    def read(self, path: str) -> str:
        """The text of the file PATH of the manager."""
        code, out, complaint = self.run(shlex.join(["cat", path]), "")
        if code:
            raise Failure(f"the manager has no {path}: {complaint.strip()}")
        return out

    def services(self) -> dict[str, dict[str, Any]]:
        """The services of the stack by their short names, as `docker service inspect` has them.

        `wanted` is added: how many tasks shall run, also for a service that is on every node.
        """
        listed = self.docker(
            "service",
            "ls",
            "--filter",
            f"label={NAMESPACE}={self.stack}",
            "--format",
            "{{.ID}} {{.Replicas}}",
        ).splitlines()
        if not listed:
            return {}
        wanted = {line.split()[0]: counts(line.split(maxsplit=1)[1]) for line in listed}
        found = {}
        for each in json.loads(self.rest("service", "inspect", *wanted) or "[]"):
            each["wanted"] = next(count for start, count in wanted.items() if each["ID"].startswith(start))
            found[each["Spec"]["Name"].removeprefix(f"{self.stack}_")] = each
        return found

    def tasks(self, services: list[str]) -> list[dict[str, Any]]:
        """All tasks that Swarm remembers of the SERVICES (ids), the newest first."""
        if not services:
            return []
        ids = self.rest("service", "ps", "--quiet", "--no-trunc", *services).split()
        return json.loads(self.rest("inspect", "--type", "task", *ids) or "[]") if ids else []

    def stack_deploy(self, path: str, *, prune: bool = False, text: str = "") -> None:
        """Hand the file PATH of the manager, or TEXT in its place, to Swarm; it returns before anything has happened."""
        before = ["--config", self.login] if self.login else []
        options = ["--with-registry-auth"] if self.login else []
        options += ["--prune"] if prune else []
        options += ["--resolve-image", "never", "--compose-file", "-" if text else path]
        self.docker(*before, "stack", "deploy", *options, self.stack, given=text)

    def remove(self, *services: str) -> None:
        """Remove SERVICES (short names) that exist, and wait until Swarm has forgotten them."""
        names = [f"{self.stack}_{name}" for name in services]
        there = set(self.docker("service", "ls", "--format", "{{.Name}}").split())
        if there & set(names):
            self.docker("service", "rm", *sorted(there & set(names)))

    def log(self, task: dict[str, Any]) -> str:
        """The last lines of a task's log, indented."""
        code, out, complaint = self.attempt("service", "logs", "--raw", "--tail", str(LOG_LINES), task["ID"])
        text = out + complaint if not code else complaint
        return "\n".join(f"    {line}" for line in text.strip().splitlines()[-LOG_LINES:])

    def complaint(self, task: dict[str, Any], service: str) -> str:
        """One task that ended badly: where, why, its last lines."""
        node = self.node(task.get("NodeID", ""))
        reason = task["Status"].get("Err") or task["Status"].get("Message", "")
        reason = re.sub(r"^task: |dockerexec: ", "", reason)
        log = self.log(task)
        return f"{service} on {node} {task['Status']['State']}: {reason}" + (f"\n{log}" if log else "")

    def node(self, identity: str) -> str:
        """The host name of a node."""
        if not identity:
            return "no node"
        code, out, _ = self.attempt("node", "inspect", "--format", "{{.Description.Hostname}}", identity)
        return out.strip() if not code else identity


def counts(text: str) -> int:
    """How many tasks are wanted, from what `docker service ls` says: 1/2, or 0/1 (1/1 completed)."""
    numbers = re.search(r"\((\d+)/(\d+) completed\)", text) or re.match(r"(\d+)/(\d+)", text)
    return int(numbers[2]) if numbers else 0


POLL_SECONDS = 1.0


def pause() -> None:
    """Between two questions to the engine: each costs a few commands over SSH."""
    time.sleep(POLL_SECONDS)
