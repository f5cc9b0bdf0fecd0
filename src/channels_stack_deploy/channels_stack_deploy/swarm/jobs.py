"""What runs once: jobs of a release, started on the nodes that they are for, followed to their end, and removed."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections import Counter
from typing import Any

from ..config import services as table
from ..console import Failure
from .engine import ENDED_BADLY, Engine, pause


def run(engine: Engine, service: str, path: str, seconds: float) -> list[str]:
    """Run the job SERVICE of the file PATH to its end on every node it is for; returns the lines it logged.

    Failure with the last lines of the first task that failed, or after SECONDS.
    """
    engine.remove(service)
    gone(engine, [service])
    engine.stack_deploy(path)
    deadline = time.monotonic() + seconds
    try:
        while True:
            found = engine.services()[service]
            tasks = engine.tasks([found["ID"]])
            ended(engine, service, tasks)
            complete = [task for task in tasks if task["Status"]["State"] == "complete"]
            if complete and len(complete) == max(found["wanted"], 1):
                break
            if time.monotonic() > deadline:
                raise Failure(f"{service} did not end within {seconds:.0f} s: {states(tasks)}")
            pause()
        return [
            line
            for task in complete
            for line in engine.docker("service", "logs", "--raw", task["ID"]).splitlines()
        ]
    finally:
        engine.remove(service)


def same(engine: Engine, path: str, current: str) -> bool:
    """Whether the files PATH and CURRENT (perhaps of no release yet) define the same, but for the name of the release."""
    code, before, _ = engine.run(shlex.join(["cat", current]), "")
    return not code and unlabelled(before) == unlabelled(engine.read(path))


def due(engine: Engine, text: str, current: str) -> bool:
    """Whether the job of the TEXT does something else than that of the file CURRENT, whose secrets alone may be others."""
    code, before, _ = engine.run(shlex.join(["cat", current]), "")
    return bool(code) or unlabelled(before)["services"] != unlabelled(text)["services"]


def unlabelled(text: str) -> dict[str, Any]:
    """The definitions of a rendered file without the name of their release."""
    whole = json.loads(text)
    for each in whole["services"].values():
        each["deploy"].pop("labels", None)
    return whole


def release(engine: Engine, service: str, path: str, seconds: float) -> None:
    """Run a job of a release, and show its steps."""
    for line in shown(run(engine, service, path, seconds)):
        engine.tell(f"    {line}")


MIGRATE = re.compile(r"migrate: (Operations to perform|Apply all|Running migrations|Applying|No migrations)")
"""What Django's command prints at each run; the migrations that it applied are one line."""


NAMED_MIGRATIONS = 4
"""More than these are counted: a first release applies dozens. `make manage C=showmigrations` names them."""


def shown(log: list[str]) -> list[str]:
    """What of the LOG of a release job's tasks an operator reads: each step once, whichever node it ran on."""
    steps = [line.partition(" release: ")[2] for line in log if " release: " in line]
    applied = [step.split()[2].rstrip(".") for step in steps if step.startswith("migrate: Applying")]
    distinct: dict[str, str] = {}
    for step in steps:
        if not MIGRATE.match(step):
            distinct.setdefault(re.sub(r"[\d.]+", "", step), step)
    return [*([f"migrate: applied {listed(applied)}"] if applied else []), *distinct.values()]


def listed(migrations: list[str]) -> str:
    """MIGRATIONS by name; where they are more than a line holds, how many of each application."""
    if len(migrations) <= NAMED_MIGRATIONS:
        return ", ".join(migrations)
    counts = Counter(name.partition(".")[0] for name in migrations)
    return f"{len(migrations)} ({', '.join(f'{app} {count}' for app, count in sorted(counts.items()))})"


ONCE = table.of(table.Kind.JOB, table.Kind.TRIAL)
"""Services that are there only while a run under the lock waits for them."""


def leftover(engine: Engine) -> list[str]:
    """Remove what a run that was interrupted has left of its jobs and trials; which services those were."""
    found = sorted(set(engine.services()) & set(ONCE))
    engine.remove(*found)
    gone(engine, found)
    return found


def ended(engine: Engine, service: str, tasks: list[dict[str, Any]]) -> None:
    """Failure where one of TASKS ended badly; a trial's or job's task is never started again."""
    for task in tasks:
        if task["Status"]["State"] in ENDED_BADLY:
            raise Failure(engine.complaint(task, service))


def gone(engine: Engine, services: list[str], seconds: float = 60) -> None:
    """Wait until no container of removed SERVICES is left, so that a log or a name is not an old one's."""
    deadline = time.monotonic() + seconds
    while set(engine.services()) & set(services):
        if time.monotonic() > deadline:
            raise Failure(
                f"{' '.join(services)} of an earlier run could not be removed within {seconds:.0f} s"
            )
        pause()


def states(tasks: list[dict[str, Any]]) -> str:
    """What the tasks are doing, for a message."""
    texts = []
    for task in tasks:
        reason = task["Status"].get("Err") or task["Status"].get("Message", "")
        texts.append(f"{task['Status']['State']} ({re.sub(r'^task: ', '', reason)})")
    return "; ".join(texts) or "no node may run it (node labels: see bootstrap.yml)"
