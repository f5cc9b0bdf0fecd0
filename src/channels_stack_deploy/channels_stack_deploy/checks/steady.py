"""Whether what was started stays: a process that ends again and again is restarted by the engine, and so runs at each look.

Services with a health check have been healthy by then. One of APP_COMMANDS has none: it has to run for a while.
"""

from __future__ import annotations

import json
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
        if time.monotonic() - began > PATIENCE_SECONDS:
            ending = waiting
        if ending:
            raise Failure("\n".join(complaint(project, name, seen[name]) for name in ending))
        if not waiting:
            return
        if not reported:
            services = sorted({seen[name]["Service"] for name in waiting})
            detail(f"{', '.join(services)}: whether it keeps running for {STEADY_SECONDS} s")
            reported = True
        time.sleep(LOOK_SECONDS)


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
