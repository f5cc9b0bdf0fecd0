"""What a verb acts on: the stack of an environment of this machine, or the one on the hosts of an inventory.

Both are containers on hosts, which bear a label with the name of their stack, and a folder with the releases and what became of
them. So a verb is written once; what differs is here.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..config import environments, inventories, ownership
from ..console import Failure, say
from ..paths import Deployment
from ..swarm import history, rollout
from ..swarm.engine import NAMESPACE, Engine
from ..swarm.render import LABEL
from . import hosts
from .hosts import Host

COMPOSE = "com.docker.compose"
SWARM = "com.docker.swarm"


@dataclass(frozen=True)
class Container:
    """One container of the stack, on its HOST."""

    host: Host
    identity: str
    name: str
    """As people call it: http.2 on servers, http-2 on this machine."""
    service: str
    state: str
    health: str
    """"" where there is no health check."""
    image: str
    created: str
    since: str
    """When it started, or ended: since then it is in its state."""
    code: int
    """With which it ended; 0 while it runs."""
    restarts: int
    task: str
    """Of Swarm; "" on this machine."""
    hash: str
    """Of its definition, as Compose notes it; "" on servers."""

    @property
    def serves(self) -> bool:
        """Whether it runs, and no check says that it is not well."""
        return self.state == "running" and self.health in ("", "healthy")


@dataclass(frozen=True)
class Target:
    """A stack and where it is kept."""

    stack: str
    hosts: tuple[Host, ...]
    folder: str
    """On this machine, or on each manager: releases, history and audit."""
    deployment: Deployment
    """Settings and secrets, on this machine in any case."""
    place: Path
    """The folder that the operator edits: settings or inventory, hooks."""
    env: str
    """What ENV was; "" for the default one."""
    servers: bool

    def verb(self, words: str) -> str:
        """What to type for a verb here: make logs ENV=staging."""
        return f"make {words} ENV={self.env}" if self.env else f"make {words}"

    @property
    def label(self) -> str:
        """What every container of the stack bears."""
        return f"{NAMESPACE}={self.stack}" if self.servers else f"{COMPOSE}.project={self.stack}"

    @property
    def releases(self) -> str:
        """The folder with a folder for each release, and the history."""
        return f"{self.folder}/releases"

    @cached_property
    def managers(self) -> tuple[Host, ...]:
        """The hosts that keep the releases: those that speak for the swarm; this machine."""
        if not self.servers:
            return self.hosts
        asked = ["docker", "info", "--format", "{{.Swarm.ControlAvailable}}"]
        answers = each_host(self.hosts, asked)
        found = tuple(host for host, out in answers if out.strip() == "true")
        if not found:
            raise Failure(
                f"no host of {self.env} is a manager of a swarm: {self.verb('bootstrap')}, then {self.verb('deploy')}"
            )
        return found

    @cached_property
    def engine(self) -> Engine:
        """The engine of the first manager."""
        return Engine(self.managers[0].shell, self.stack, say)

    @cached_property
    def containers(self) -> tuple[Container, ...]:
        """Every container of the stack, running or not, by host and name; a host that does not answer is named on stderr."""
        listing = 'set -- $(docker ps --all --quiet --no-trunc --filter "label=$0"); [ $# = 0 ] || docker inspect "$@"'
        answers = each_host(self.hosts, ["sh", "-c", listing, self.label])
        found = [
            each for host, out in answers for each in containers(host, json.loads(out or "[]"), self.stack)
        ]
        return tuple(sorted(found, key=lambda each: (each.host.name, natural(each.name))))

    def running(self, service: str = "", host: str = "") -> list[Container]:
        """Those that run of SERVICE (its name, or that of one container) on HOST, those that are well first."""
        if host and host not in [each.name for each in self.hosts]:
            raise Failure(f"HOST={host} is none of {', '.join(each.name for each in self.hosts)}")
        chosen = [
            each
            for each in self.containers
            if each.state == "running"
            and service in ("", each.service, each.name)
            and host in ("", each.host.name)
        ]
        return sorted(chosen, key=lambda each: not each.serves)

    def one(self, services: Iterable[str], host: str = "") -> Container:
        """A container of the first of SERVICES that runs. Failure names what runs instead."""
        services = list(services)
        for service in services:
            for each in self.running(service, host):
                return each
        there = sorted({each.service for each in self.running(host=host)})
        where = f" on {host}" if host else ""
        if not there:
            raise Failure(
                f"nothing of {self.stack} runs{where}: {self.verb('deploy' if self.servers else 'up')}"
            )
        raise Failure(
            f"no container of {' or '.join(services)} runs{where}; there {'is' if len(there) == 1 else 'are'} {', '.join(there)}"
        )

    @cached_property
    def current(self) -> str:
        """The name of the release that serves; "" where none is known."""
        code, out, _ = self.managers[0].run(["readlink", f"{self.releases}/current"])
        return out.strip() if not code else ""

    def release_of(self) -> dict[str, str]:
        """Container -> the release that it runs: the current one where its definition is the current one, else the one before."""
        return dict(of_swarm(self) if self.servers else of_compose(self))


def find(env: str) -> Target:
    """The target of ENV. Failure where there is none."""
    inventory = inventories.chosen(env)
    return servers(inventory) if inventory else here(environments.find(env, "target"))


def here(deployment: Deployment) -> Target:
    """The stack of this machine whose settings are in DEPLOYMENT."""
    ownership.claim(deployment)
    if not deployment.generated.exists():
        raise Failure(f"there is no deployment yet: {deployment.verb('up')}")
    stack, folder = ownership.project(deployment), str(deployment.folder)
    return Target(
        stack, (Host(hosts.HERE),), folder, deployment, deployment.folder, deployment.name, servers=False
    )


def servers(inventory: Path) -> Target:
    """The stack on the hosts of INVENTORY."""
    found = hosts.of_inventory(inventory)
    deployment, env = Deployment(found.folder), inventories.shown(inventory)
    return Target(found.stack, found.hosts, found.root, deployment, inventory, env, servers=True)


def each_host(asked: tuple[Host, ...], words: list[str]) -> list[tuple[Host, str]]:
    """What WORDS print on each of the hosts ASKED, all at once. One that does not answer is named; Failure where none does."""
    with ThreadPoolExecutor(8) as threads:
        answers = list(zip(asked, threads.map(lambda host: host.run(words), asked), strict=True))
    lines = {
        host: f"{host.name} cannot be asked: {' '.join((complaint or out).split())[-300:]}"
        for host, (code, out, complaint) in answers
        if code
    }
    if len(lines) == len(asked):
        raise Failure("\n".join(lines.values()))
    for line in lines.values():
        print(line, file=sys.stderr, flush=True)
    return [(host, out) for host, (code, out, _) in answers if not code]


def containers(host: Host, found: list[dict[str, Any]], stack: str) -> Iterator[Container]:
    """What `docker inspect` FOUND on HOST; what a job of Compose ran once is none of it."""
    for each in found:
        labels, state = each["Config"]["Labels"], each["State"]
        if labels.get(f"{COMPOSE}.oneoff") == "True":
            continue
        swarm = labels.get(f"{SWARM}.service.name", "").removeprefix(f"{stack}_")
        # channels-stack_http.2.k3x…: a task of a service that is on each node has the node's id in the place of the number.
        task = re.match(r"\.(\d+)\.", each["Name"].lstrip("/").removeprefix(f"{stack}_{swarm}"))
        service = swarm or labels.get(f"{COMPOSE}.service", "")
        name = (
            f"{service}.{task[1]}"
            if task
            else f"{service}-{labels.get(f'{COMPOSE}.container-number', '')}".rstrip("-")
        )
        yield Container(
            host=host,
            identity=each["Id"],
            name=name,
            service=service,
            state=state["Status"],
            health=(state.get("Health") or {}).get("Status", ""),
            image=each["Config"]["Image"],
            created=each["Created"],
            since=moment(state, each["Created"]),
            code=state["ExitCode"],
            restarts=each["RestartCount"],
            task=labels.get(f"{SWARM}.task.id", ""),
            hash=labels.get(f"{COMPOSE}.config-hash", ""),
        )


def moment(state: dict[str, Any], created: str) -> str:
    """Since when a container is in its STATE, as `docker inspect` has it; since it was CREATED where it never started."""
    found = str(state["StartedAt"] if state["Status"] in ("running", "paused") else state["FinishedAt"])
    return created if found.startswith("0001-") else found


def natural(name: str) -> list[tuple[bool, int, str]]:
    """NAME so that http.10 comes after http.9."""
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", name)]


def of_swarm(target: Target) -> Iterator[tuple[str, str]]:
    """By the definition that each task was made from."""
    services = target.engine.services()
    names = {each["ID"]: name for name, each in services.items()}
    tasks = {task["ID"]: task for task in target.engine.tasks([each["ID"] for each in services.values()])}
    for each in target.containers:
        task = tasks.get(each.task)
        if task and task["ServiceID"] in names:
            service = services[names[task["ServiceID"]]]
            fresh = rollout.definition(task["Spec"]) == rollout.definition(service["Spec"]["TaskTemplate"])
            spec = service["Spec"] if fresh else service.get("PreviousSpec") or {}
            yield each.identity, spec.get("Labels", {}).get(LABEL, "")


def of_compose(target: Target) -> Iterator[tuple[str, str]]:
    """By the hash of its definition, which each release has noted; before it has, by which one had begun when it was created."""
    kept = history.releases(target.engine, target.releases)["manifests"]
    past = history.events(target.engine, target.releases)
    # The newest one with this definition: it did not have to replace the container.
    order = [kept[each.release] for each in past if each.event == "served" and each.release in kept]
    for each in target.containers:
        noted = [one["release"] for one in order if one.get("hashes", {}).get(each.service) == each.hash]
        begun = [one.release for one in past if one.event == "begun" and one.at[:19] <= each.created[:19]]
        yield each.identity, next(iter([*noted[-1:], *begun[-1:]]), "")
