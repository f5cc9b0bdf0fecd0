"""The end of `make up`: the stack of this machine answers a page and a websocket through its edge, and goes on doing so."""

from __future__ import annotations

import subprocess

from ..config import addresses, ownership, services
from ..console import Failure, detail
from ..local.compose import Project
from . import probes, reasons, visit


def check(project: Project, settings: dict[str, str]) -> None:
    """Visit PROJECT as SETTINGS say; Failure with what was not answered, and the reason of each replica."""
    deployment = project.deployment
    file, wanted = probes.declared(deployment, settings)
    if (deployment.edge / "maintenance").exists():
        detail(f"not visited: there is maintenance; {deployment.verb('maintenance W=off')} ends it")
        return
    if settings["HTTP_REPLICAS"] == "0":
        detail("not visited: HTTP_REPLICAS=0")
        return
    found = visit.Paths.read(paths(project)).served(settings)
    there = visit.reached(settings, visit.site(settings, deployment, listening(project, settings)))
    problems = visit.everything([there], "/", found, deployment.folder, wanted)
    if problems:
        for line in why(project):
            detail(line)
        raise Failure("\n".join([reasons.ABOVE, *problems]))
    answered = "a page" + (" and a websocket" if found.routes else "; the application has no websocket route")
    detail(f"{there.url}: {answered}" + (f", {len(wanted)} probes of {file}" if wanted else ""))


def listening(project: Project, settings: dict[str, str]) -> str:
    """An address of this machine at which the edge of PROJECT listens."""
    four = addresses.bound(settings["BIND_ADDRESS"], ownership.project(project.deployment)).four
    return "127.0.0.1" if four == addresses.EVERY_4 else four


def why(project: Project) -> list[str]:
    """The reason of each replica, as far as it has one."""
    return reasons.lines(
        docker, [(container["Name"], container["Service"]) for container in project.containers()]
    )


def docker(words: list[str]) -> tuple[int, str]:
    """Run `docker WORDS`."""
    done = subprocess.run(
        ["docker", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    return done.returncode, done.stdout


def paths(project: Project) -> str:
    """The JSON of `channels-stack paths`; "" where no replica answers."""
    for service in reversed(services.VISITED):
        for container in project.containers():
            if container["Service"] == service and container["State"] == "running":
                code, text = docker(["exec", container["Name"], "channels-stack", "paths"])
                if not code:
                    return text
    return ""
