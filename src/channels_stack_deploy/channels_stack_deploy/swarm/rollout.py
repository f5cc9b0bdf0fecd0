"""A rolling update: handed to Swarm, watched until it has ended for every service.

The engine's exit codes lie: `docker stack deploy` returns 0 before anything happened, and also after an automatic
rollback. So the update state and the tasks of each service are read until all of them stand.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

from ..console import Failure
from .engine import ENDED_BADLY, Engine, pause
from .render import LABEL

TAKEN_BACK = ("rollback_completed", "rollback_paused", "paused")
NEW_SERVICE_FAILURES = 3
"""Tasks of a service that never ran before which may fail before the release is given up."""


STEADY_SECONDS = 10
"""How long the same tasks of such a service have to run where no health check says how they are: one of APP_COMMANDS may end
again and again."""


@dataclass
class Watched:
    """One service while it is rolled."""

    name: str
    before: dict[str, Any] | None
    """As it was; None where there was none."""
    release: str = ""
    """The release that it shall belong to."""
    now: dict[str, Any] = field(default_factory=dict)
    tasks: list[dict[str, Any]] = field(default_factory=list)
    """The tasks that were made since."""

    @property
    def changed(self) -> bool:
        """Whether tasks have to be replaced."""
        return self.before is None or template(self.before) != template(self.now)

    @property
    def state(self) -> str:
        """What Swarm says of the update, "" where it has not begun to speak of this one."""
        status = self.now.get("UpdateStatus") or {}
        old = ((self.before or {}).get("UpdateStatus") or {}).get("StartedAt")
        return status.get("State", "") if status.get("StartedAt") != old else ""

    @property
    def fresh(self) -> int:
        """Tasks that run by the definition in effect."""
        wanted = definition(self.now["Spec"]["TaskTemplate"])
        return sum(
            task["Status"]["State"] == "running"
            and task["DesiredState"] == "running"
            and definition(task["Spec"]) == wanted
            for task in self.tasks
        )

    @property
    def unproved(self) -> bool:
        """Whether only time shows that it stands: it is new, so that Swarm watches no update, and has no health check."""
        return self.before is None and not self.now["Spec"]["TaskTemplate"]["ContainerSpec"].get(
            "Healthcheck"
        )

    @property
    def failed(self) -> list[dict[str, Any]]:
        """New tasks that ended badly."""
        return [
            task for task in self.tasks if task["Status"]["State"] in ENDED_BADLY and not task.get("known")
        ]

    @property
    def taken_back(self) -> bool:
        """Whether Swarm has given the new definition up."""
        if self.before is None:
            return len(self.failed) >= NEW_SERVICE_FAILURES
        # A run that was killed may have begun this update: then its beginning is not new, but its end is another release.
        lost = self.now["Spec"].get("Labels", {}).get(LABEL, "") != self.release
        return (self.now.get("UpdateStatus") or {}).get("State") in TAKEN_BACK and (lost or bool(self.state))

    @property
    def done(self) -> bool:
        """Whether it stands: rolled and watched, or nothing to roll and as many as wanted."""
        enough = self.fresh >= self.now["wanted"]
        # Where there was no task to replace, Swarm has no update to speak of.
        if self.before is None or not self.before["wanted"] or not self.changed:
            return enough
        return enough and self.state == "completed"

    def __str__(self) -> str:
        text = f"{self.name} {self.fresh}/{self.now['wanted']}"
        if self.state.startswith("rollback"):
            return text + " taken back"
        return text + (" watched" if self.state == "updating" and self.fresh >= self.now["wanted"] else "")


def template(service: dict[str, Any]) -> dict[str, Any]:
    """What decides whether tasks are replaced."""
    return service["Spec"]["TaskTemplate"]


STOP_GRACE_NANOSECONDS = 10_000_000_000
"""StopGracePeriod of a service that says none; its tasks say none either."""


def definition(spec: dict[str, Any]) -> str:
    """What distinguishes two definitions of a task."""
    # A service has empty parts and a default that its tasks leave out.
    absent: tuple[object, ...] = ({}, [], None)
    container = {"StopGracePeriod": STOP_GRACE_NANOSECONDS, **(spec.get("ContainerSpec") or {})}
    parts = [container, *(spec.get(key) or {} for key in ("Resources", "Placement"))]
    return json.dumps(
        [{key: value for key, value in part.items() if value not in absent} for part in parts],
        sort_keys=True,
    )


def roll(
    engine: Engine, path: str, seconds: float, *, prune: bool = True, only: list[str] | None = None
) -> list[str]:
    """Bring the services of the file PATH up, task by task, and wait until all stand; returns those that were rolled.

    ONLY: these of its services, and no others.
    Failure where Swarm took one back, with the last lines of the task that failed, or after SECONDS.
    """
    definitions = json.loads(engine.read(path))
    file = definitions["services"]
    if not file:  # the part of the data stores, where all of them are external
        return []
    before = engine.services()
    known = {
        task["ID"]
        for task in engine.tasks([each["ID"] for each in before.values()])
        if task["Status"]["State"] in ENDED_BADLY
    }
    if only:
        file = definitions["services"] = {name: file[name] for name in only}
    for line in resized(before, file):
        engine.tell(line)
    engine.stack_deploy(path, prune=prune, text=json.dumps(definitions) if only else "")
    release = next(iter(file.values()))["deploy"]["labels"][LABEL]
    deadline = time.monotonic() + seconds
    reported = ""
    since: dict[str, tuple[set[str], float]] = {}
    while True:
        watched = look(engine, before, set(file), known, release)
        standing_still = [each for each in watched if each.done and steady(each, since, time.monotonic())]
        open_ones = [each for each in watched if each not in standing_still]
        text = ", ".join(str(each) for each in watched if each.changed or not each.done)
        if text != reported:
            engine.tell(f"    {text}" if text else "    every service stands")
            reported = text
        bad = [each for each in watched if each.taken_back]
        if bad:
            raise Failure("\n".join(why(engine, each) for each in bad))
        if not open_ones:
            return [each.name for each in watched if each.changed]
        if time.monotonic() > deadline:
            texts = [f"{each}: {each.state or 'waiting'}" for each in open_ones]
            reasons = [why(engine, each) for each in open_ones if each.failed]
            raise Failure(f"not done within {seconds:.0f} s: {'; '.join(texts)}\n" + "\n".join(reasons))
        pause()


def steady(each: Watched, since: dict[str, tuple[set[str], float]], now: float) -> bool:
    """Whether EACH needs no more watching; SINCE remembers which of its tasks ran, and from when."""
    running = {task["ID"] for task in each.tasks if task["Status"]["State"] == "running"}
    if each.name not in since or since[each.name][0] != running:
        since[each.name] = (running, now)
    return not each.unproved or now - since[each.name][1] >= STEADY_SECONDS


def resized(before: dict[str, Any], file: dict[str, Any]) -> list[str]:
    """A line for each service that runs in another number of tasks than the FILE says: scale.yml may have been BEFORE it."""
    numbers = {name: each["deploy"].get("replicas", 0) for name, each in file.items()}
    return [
        f"    {name}: {before[name]['wanted']} tasks run, {name.upper()}_REPLICAS is {number}: it is scaled to {number}"
        for name, number in numbers.items()
        if number and name in before and before[name]["wanted"] != number
    ]


def look(
    engine: Engine, before: dict[str, Any], wanted: set[str], known: set[str], release: str
) -> list[Watched]:
    """Each service of WANTED as it is now."""
    now = {name: each for name, each in engine.services().items() if name in wanted}
    tasks = engine.tasks([each["ID"] for each in now.values()])
    found = []
    for name, each in sorted(now.items()):
        own = [{**task, "known": task["ID"] in known} for task in tasks if task["ServiceID"] == each["ID"]]
        found.append(Watched(name, before.get(name), release, each, own))
    return found


def why(engine: Engine, each: Watched) -> str:
    """One line for a service that did not come up, and the last lines of its newest failed task."""
    message = (each.now.get("UpdateStatus") or {}).get("Message", "")
    if each.failed:
        return engine.complaint(each.failed[0], each.name)
    return f"{each.name}: {message or 'no task came up'}"


def standing(engine: Engine) -> tuple[str, list[str]]:
    """(release that all services belong to, "" where there is none or several; what of it does not stand)."""
    services = engine.services()
    if not services:
        return "", []
    names = {each["Spec"].get("Labels", {}).get(LABEL, "") for each in services.values()}
    name = names.pop() if len(names) == 1 else ""
    watched = look(engine, services, set(services), set(), name)
    return name, [str(each) for each in watched if each.fresh < each.now["wanted"]]


def left(engine: Engine, seconds: float) -> list[str]:
    """Wait until every task that is to stop has stopped; the services of those that run after SECONDS."""
    deadline = time.monotonic() + seconds
    while True:
        services = {each["ID"]: name for name, each in engine.services().items()}
        stopping = {
            services.get(task["ServiceID"], "")
            for task in engine.tasks(list(services))
            if task["Status"]["State"] == "running" and task["DesiredState"] != "running"
        }
        if not stopping or time.monotonic() > deadline:
            return sorted(stopping)
        pause()


def scale(engine: Engine, wanted: dict[str, int], seconds: float) -> list[str]:
    """Run so many tasks of each service of WANTED, and wait until they stand; returns the services that changed."""
    services = engine.services()
    unknown = sorted(
        name
        for name in wanted
        if "Replicated" not in services.get(name, {"Spec": {"Mode": {}}})["Spec"]["Mode"]
    )
    if unknown:
        raise Failure(
            f"{', '.join(unknown)}: not a service that can be scaled; there are: {', '.join(sorted(services))}"
        )
    changed = sorted(name for name, count in wanted.items() if services[name]["wanted"] != count)
    if not changed:
        return []
    engine.docker(
        "service", "scale", "--detach", *(f"{engine.stack}_{name}={wanted[name]}" for name in changed)
    )
    deadline = time.monotonic() + seconds
    reported = ""
    while True:
        watched = look(engine, services, set(changed), set(), "")
        text = ", ".join(f"{each.name} {each.fresh}/{wanted[each.name]}" for each in watched)
        if text != reported:
            engine.tell(f"    {text}")
            reported = text
        if all(each.fresh == wanted[each.name] for each in watched):
            return changed
        if time.monotonic() > deadline:
            raise Failure(f"not done within {seconds:.0f} s: {text}")
        pause()
