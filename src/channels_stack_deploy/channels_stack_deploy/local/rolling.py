"""A changed release starts alongside the old one: new containers first, healthy and found by the edge; then the old ones drain.

`docker compose up` would replace them in place. This takes the services whose definition says `order: start-first`, as Swarm
does, and leaves the rest (data stores, edge, what holds a port) to Compose. It begins from what is there, so that one that was
cut short is gone on with.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..build import build_environment
from ..console import Failure, detail
from .compose import Project

UP = ("up", "--detach", "--no-build")
"""Not --no-deps: a container without its dependencies has another hash, and the next `up` would replace it."""

FOUND_SECONDS = 20
"""How long the edge may take to find new replicas: the name service is asked each second, and so are they."""

LOOK_SECONDS = 0.25


@dataclass(frozen=True)
class Change:
    """A service to be replaced: ids of the OLD containers, how many NEW ones are missing, memory of each in bytes."""

    service: str
    old: list[str]
    new: int
    memory: int


def roll(project: Project, slots: dict[str, int], seconds: int) -> None:
    """Replace what has changed and can be replaced with zero downtime; Failure leaves the old release serving.

    SLOTS: how many replicas of a service the edge can find at a time; for SECONDS the first new ones are on trial.
    """
    changes = changed(project)
    if not changes:
        return
    for number, batch in enumerate(
        batches(changes, build_environment.available_memory(), there(project), slots)
    ):
        create(project, batch, seconds=0 if number else seconds)
        drain([one for each in batch for one in each.old])


def changed(project: Project) -> list[Change]:
    """What differs from the definitions now, by Compose's own judgement, and is rolled."""
    definitions = json.loads(project.run("config", "--format", "json", quiet=True).stdout)["services"]
    running: dict[str, list[dict[str, Any]]] = {}
    for container in project.containers():
        if container["Service"] in definitions and rolled(definitions[container["Service"]]):
            running.setdefault(container["Service"], []).append(container)
    serving = {
        name: those for name, those in running.items() if any(one["State"] == "running" for one in those)
    }
    if not serving:
        return []
    to_go = recreated(project, {name: len(those) for name, those in serving.items()})
    changes = []
    for name, those in serving.items():
        old = [one["ID"] for one in those if one["Name"] in to_go]
        wanted = int(definitions[name]["deploy"].get("replicas", 1))
        if old and wanted:
            memory = int(definitions[name]["deploy"]["resources"]["limits"]["memory"])
            changes.append(Change(name, old, max(0, wanted - (len(those) - len(old))), memory))
    return changes


def rolled(definition: dict[str, Any]) -> bool:
    """Whether two releases of a service may run side by side: its definition says so, and it holds no port of this machine."""
    order = definition.get("deploy", {}).get("update_config", {}).get("order")
    return order == "start-first" and not definition.get("ports")


def recreated(project: Project, counts: dict[str, int]) -> set[str]:
    """Names of the containers that `docker compose up` would replace; COUNTS keeps it from removing any."""
    words = ["--dry-run", *UP, *scale(counts), *counts]
    done = subprocess.run(
        project.command(*words, progress="plain"),
        env=project.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Failure(f"docker compose --dry-run up failed (exit {done.returncode})\n{done.stderr.strip()}")
    return set(re.findall(r"Container (\S+)\s+Recreate\b", done.stdout + done.stderr))


def batches(
    changes: list[Change], memory: int, counts: dict[str, int], slots: dict[str, int]
) -> Iterator[list[Change]]:
    """What is started and drained together: all of it, or one container at a time, or nothing, as MEMORY and SLOTS allow.

    COUNTS: the containers that each service has. With nothing the caller replaces in place.
    """
    needed = sum(change.new * change.memory for change in changes)
    largest = max(change.memory for change in changes)
    crowded = [
        change.service
        for change in changes
        if counts[change.service] + change.new
        > slots.get(change.service, counts[change.service] + change.new)
    ]
    if needed <= memory and not crowded:
        yield changes
        return
    reason = f"both releases at once would need {needed / 1e9:.1f} GB of memory, {memory / 1e9:.1f} GB are available"
    if crowded and needed <= memory:
        reason = (
            f"both releases at once are more replicas than the edge finds (*_SLOTS): {', '.join(crowded)}"
        )
    if largest > memory:
        detail(f"{reason}: replaced in place, pages and sockets are interrupted for some seconds")
        return
    detail(f"{reason}: replaced one container at a time")
    for change in changes:
        old = list(change.old)
        for left in range(change.new, 0, -1):
            # The last one takes with it what is left: there may be fewer replicas than before.
            going, old = (old[:1], old[1:]) if left > 1 else (old, [])
            yield [Change(change.service, going, 1, change.memory)]
        if not change.new:
            yield [change]


def create(project: Project, batch: list[Change], seconds: int) -> None:
    """Start what BATCH lacks and wait until it is healthy and the edge sends requests there; then it is on trial for SECONDS.

    A Failure takes it away again.
    """
    counts, before = there(project), project.identities(running=False)
    wanted = {each.service: counts[each.service] + each.new for each in batch if each.new}
    if not wanted:
        return
    try:
        project.run(*UP, "--no-recreate", *scale(wanted), *wanted, quiet=True)
        new = project.identities(running=False) - before
        project.wait(only=new)
        found_by_the_edge(project, new)
        if seconds and any(each.old for each in batch):
            # A container's name in its networks, and its host name.
            trial(project, [identity[:12] for identity in sorted(new)], seconds)
    except Failure as failure:
        drain(sorted(project.identities(running=False) - before))
        raise Failure(
            f"{failure}\nthe new release was taken away again; the one before goes on serving"
        ) from None


def trial(project: Project, names: list[str], seconds: int) -> None:
    """Compare for SECONDS what those with NAMES and the old ones do for visitors; Failure with the counts where they do worse."""
    words = ["channels-stack", "compare", "traffic", *names, "--seconds", str(seconds)]
    command = project.command("run", "--rm", "--no-deps", "--no-TTY", "traffic", *words)
    # First containers are of no service that is defined.
    environment = {**project.environment(), "COMPOSE_IGNORE_ORPHANS": "true"}
    detail(f"on trial for {seconds} s alongside the old ones")
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as compared:
        assert compared.stdout and compared.stderr
        for line in compared.stdout:
            detail(line.rstrip())
        complaint = compared.stderr.read().strip()
    if compared.returncode:
        raise Failure(f"the new release does worse than the old one:\n{complaint}")


def found_by_the_edge(project: Project, new: set[str]) -> None:
    """Wait until every edge that runs sends requests to those of NEW that it should."""
    edges = [
        container["ID"]
        for container in project.containers()
        if container["Service"] == "edge" and container["State"] == "running"
    ]
    expected = addresses(sorted(new))
    deadline = time.monotonic() + FOUND_SECONDS
    for edge in edges:
        while True:
            known = used(edge)
            missing = [
                service
                for service, those in expected.items()
                if service in known and not all(set(one) & known[service] for one in those)
            ]
            if not missing:
                break
            if time.monotonic() > deadline:
                raise Failure(
                    f"the edge has not found the new {' and '.join(missing)} within {FOUND_SECONDS} s: make logs"
                )
            time.sleep(LOOK_SECONDS)


def addresses(containers: list[str]) -> dict[str, list[list[str]]]:
    """Service -> for each of its CONTAINERS the addresses that it has."""
    done = subprocess.run(["docker", "inspect", *containers], capture_output=True, text=True, check=True)
    found: dict[str, list[list[str]]] = {}
    for container in json.loads(done.stdout):
        networks = container["NetworkSettings"]["Networks"].values()
        service = container["Config"]["Labels"]["com.docker.compose.service"]
        found.setdefault(service, []).append([network["IPAddress"] for network in networks])
    return found


def used(edge: str) -> dict[str, set[str]]:
    """Service -> the addresses that an edge sends requests to. An edge of an earlier version does not say."""
    return {service: set(those) for service, those in status(edge).get("replicas", {}).items()}


def status(edge: str) -> dict[str, Any]:
    """What an edge says of itself; nothing where it cannot."""
    done = subprocess.run(
        ["docker", "exec", edge, "edge", "status"], capture_output=True, text=True, check=False
    )
    return json.loads(done.stdout) if done.returncode == 0 else {}


def drain(containers: list[str]) -> None:
    """Stop CONTAINERS, all at the same time and each in its own time, and remove them."""
    if containers:
        for words in (["stop"], ["rm", "--force", "--volumes"]):
            subprocess.run(["docker", *words, *containers], capture_output=True, check=False)


def there(project: Project) -> dict[str, int]:
    """Service -> how many containers it has."""
    counts: dict[str, int] = {}
    for container in project.containers():
        counts[container["Service"]] = counts.get(container["Service"], 0) + 1
    return counts


def scale(counts: dict[str, int]) -> list[str]:
    """The options that ask Compose for COUNTS."""
    return [word for name, count in counts.items() for word in ("--scale", f"{name}={count}")]
