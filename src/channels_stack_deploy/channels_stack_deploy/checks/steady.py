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

LONGEST_SECONDS = 30
"""What ended before runs so long at most until it is believed: it may have been started days ago."""

RESTARTS = 2
"""Restarts within that time that are no coincidence."""

LOOK_SECONDS = 0.5

RETRY_SECONDS = 30
"""The longest that Celery waits before it tries its broker again; each time it announces for how long."""

TRY_SECONDS = 10
"""Celery says within that time that a try has failed; that one succeeded it says at some levels of its log only."""

PATIENCE_SECONDS = 30 + RETRY_SECONDS + TRY_SECONDS
"""Until then a process has to have run so long, and Celery to have reached its broker; first tries may fail."""

UNREACHED = re.compile(r"consumer: (Cannot connect to [^\n\"]+)|beat: (Connection error: [^\n\"]+)")
AGAIN = re.compile(r"Trying again in ([\d.]+) second")
REACHED = re.compile(r"Connected to [\w+.-]+://|Scheduler: Sending due task")
BROKER_FIX = (
    "a broker that code names (Celery(broker=...), app.conf.broker_url) goes over the overlay: take it out of there, which "
    "leaves the stack's Redis, or give it the address of one of yours by a variable in app.env"
)


def check(project: Project, patience: float = PATIENCE_SECONDS) -> None:
    """Wait until every container without a health check has run for STEADY_SECONDS; Failure with the last lines of another.

    The same where, after PATIENCE seconds, Celery still reports that it does not reach its broker.
    """
    began = time.monotonic()
    before: dict[str, int] = {}
    asked = ""
    while True:
        seen = look(project)
        for name, state in seen.items():
            before.setdefault(name, state["RestartCount"])
        ending = [name for name, state in seen.items() if state["RestartCount"] - before[name] >= RESTARTS]
        waiting = [name for name, state in seen.items() if not state["Health"] and ran(state) < needed(state)]
        is_late = time.monotonic() - began > patience
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
        seconds = max((needed(seen[name]) for name in waiting), default=0)
        question = f"it keeps running for {seconds:.0f} s" if waiting else "it reaches its broker"
        if question != asked:
            services = sorted({seen[name]["Service"] for name in waiting} or without)
            detail(f"{', '.join(services)}: whether {question}")
            asked = question
        time.sleep(LOOK_SECONDS)


def without_broker(project: Project, seen: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Service -> what Celery says in it of a broker that it does not reach, and the fix."""
    reported = {
        state["Service"]: unreached(project.since(name, RETRY_SECONDS + TRY_SECONDS), datetime.now(UTC))
        for name, state in seen.items()
        if not state["Health"] and runs_celery(state)
    }
    return {service: f"{line}; {BROKER_FIX}" for service, line in reported.items() if line}


def runs_celery(state: dict[str, Any]) -> bool:
    """Whether the command of a container with STATE names Celery: what others log is theirs."""
    return "celery" in " ".join(state["Command"]).lower()


def unreached(log: str, now: datetime) -> str:
    """What Celery says at the end of LOG, lines with their moments, of a broker that it does not reach.

    Empty where it says that it has reached it, or no longer that it has not: the try that it announced is over.
    """
    failed = list(UNREACHED.finditer(log))
    if not failed or REACHED.search(log, failed[-1].end()):
        return ""
    last = failed[-1]
    announced = AGAIN.search(log, last.start())
    wait = float(announced[1]) if announced else RETRY_SECONDS
    line = log[log.rfind("\n", 0, last.start()) + 1 : last.start()]
    if (now - moment(line)).total_seconds() > wait + TRY_SECONDS:
        return ""
    return (last[1] or last[2]).strip()


def look(project: Project) -> dict[str, dict[str, Any]]:
    """Name -> state of each container of PROJECT: Service, Command, Health, Status, StartedAt, ExitCode, RestartCount."""
    services = {container["Name"]: container["Service"] for container in project.containers()}
    if not services:
        return {}
    done = subprocess.run(["docker", "inspect", *services], capture_output=True, text=True, check=False)
    # One that is gone by now is left out.
    return {
        container["Name"].lstrip("/"): {
            "Service": services[container["Name"].lstrip("/")],
            "Command": [container["Path"], *container["Args"]],
            "Health": container["State"].get("Health"),
            "Status": container["State"]["Status"],
            "Created": container["Created"],
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
    return (datetime.now(UTC) - moment(state["StartedAt"])).total_seconds()


def needed(state: dict[str, Any]) -> float:
    """For how many seconds a container with STATE has to run: one that has ended before, twice as long as it did then.

    On a busy machine an import takes longer than STEADY_SECONDS, and what fails after it runs so long each time.
    """
    if not state["RestartCount"]:
        return STEADY_SECONDS
    lived = (moment(state["StartedAt"]) - moment(state["Created"])).total_seconds() / state["RestartCount"]
    return min(max(STEADY_SECONDS, 2 * lived), LONGEST_SECONDS)


def moment(text: str) -> datetime:
    """The one that TEXT of the engine begins with, to the second."""
    return datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)


def complaint(project: Project, name: str, state: dict[str, Any]) -> str:
    """What to say of the container NAME, which ends again and again."""
    return (
        f"{state['Service']} ends again and again (exit {state['ExitCode']}, restarted {state['RestartCount']} times); a "
        f"command that is meant to end belongs in APP_RELEASE_COMMANDS. Its last lines:\n{project.tail(name)}"
    )
