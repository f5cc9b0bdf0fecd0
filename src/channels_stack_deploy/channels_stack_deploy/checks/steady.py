"""Whether what was started stays: a process that ends again and again is restarted by the engine, and so runs at each look.

Services with a health check have been healthy by then. One of APP_COMMANDS has none: it has to run for a while. Celery runs
without its broker too, and tries again for ever: it has to reach it.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from datetime import UTC, datetime
from typing import Any

from ..console import Failure, detail
from ..local.compose import Project

STEADY_SECONDS = 10
"""How long a process without a health check has to run: longer than an import and a first try of a connection take."""

PATIENCE_SECONDS = 60
"""Until then it has to have run so long; a first try may fail."""

RESTARTS = 2
"""Restarts within that time that are no coincidence."""

LOOK_SECONDS = 0.5

RETRY_SECONDS = 40
"""At least so often Celery tries a broker again, and says so."""

UNREACHED = re.compile(r"consumer: (Cannot connect to [^\n\"]+)|beat: (Connection error: [^\n\"]+)")
REACHED = re.compile(r"Connected to \w+://|Scheduler: Sending due task")
BROKER_FIX = (
    "a broker that code names (Celery(broker=...), app.conf.broker_url) goes over the overlay: take it out of there, which "
    "leaves the stack's Redis, or give it the address of one of yours by a variable in app.env"
)


def check(project: Project) -> None:
    """Wait until every container without a health check has run for STEADY_SECONDS; Failure with the last lines of another."""
    began = time.monotonic()
    before: dict[str, int] = {}
    reported = False
    while True:
        seen = look(project)
        for name, state in seen.items():
            before.setdefault(name, state["RestartCount"])
        ending = [name for name, state in seen.items() if state["RestartCount"] - before[name] >= RESTARTS]
        waiting = [
            name for name, state in seen.items() if not state["Health"] and ran(state) < STEADY_SECONDS
        ]
        is_late = time.monotonic() - began > PATIENCE_SECONDS
        ending = waiting if is_late else ending
        if ending:
            raise Failure("\n".join(complaint(project, name, seen[name]) for name in ending))
        without = {} if waiting else without_broker(project, seen)
        if without and is_late:
            raise Failure(
                "\n".join(f"{service} does not reach its broker: {why}" for service, why in without.items())
            )
        if not waiting and not without:
            return
        if not reported:
            services = sorted({seen[name]["Service"] for name in waiting} or without)
            question = f"it keeps running for {STEADY_SECONDS} s" if waiting else "it reaches its broker"
            detail(f"{', '.join(services)}: whether {question}")
            reported = True
        time.sleep(LOOK_SECONDS)


def without_broker(project: Project, seen: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Service -> what Celery says in it of a broker that it does not reach, and the fix."""
    reported = {
        state["Service"]: unreached(project.since(name, RETRY_SECONDS))
        for name, state in seen.items()
        if not state["Health"]
    }
    return {service: f"{line}; {BROKER_FIX}" for service, line in reported.items() if line}


def unreached(log: str) -> str:
    """What Celery says at the end of LOG of a broker that it does not reach; empty where it has reached it, or says nothing."""
    failed = list(UNREACHED.finditer(log))
    if not failed or REACHED.search(log, failed[-1].end()):
        return ""
    return (failed[-1][1] or failed[-1][2]).strip()


def look(project: Project) -> dict[str, dict[str, Any]]:
    """Name -> state of each container of PROJECT: Service, Health, Status, StartedAt, ExitCode, RestartCount."""
    services = {container["Name"]: container["Service"] for container in project.containers()}
    if not services:
        return {}
    done = subprocess.run(["docker", "inspect", *services], capture_output=True, text=True, check=False)
    # One that is gone by now is left out.
    return {
        container["Name"].lstrip("/"): {
            "Service": services[container["Name"].lstrip("/")],
            "Health": container["State"].get("Health"),
            "Status": container["State"]["Status"],
            "StartedAt": container["State"]["StartedAt"],
            "ExitCode": container["State"]["ExitCode"],
            "RestartCount": container["RestartCount"],
        }
        for container in json.loads(done.stdout or "[]")
    }


def ran(state: dict[str, Any]) -> float:
    """For how many seconds a container with STATE has run; 0 where it does not."""
    if state["Status"] != "running":
        return 0.0
    started = datetime.strptime(state["StartedAt"][:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    return (datetime.now(UTC) - started).total_seconds()


def complaint(project: Project, name: str, state: dict[str, Any]) -> str:
    """What to say of the container NAME, which ends again and again."""
    return (
        f"{state['Service']} ends again and again (exit {state['ExitCode']}, restarted {state['RestartCount']} times); a "
        f"command that is meant to end belongs in APP_RELEASE_COMMANDS. Its last lines:\n{project.tail(name)}"
    )
