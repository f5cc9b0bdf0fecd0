"""`make up SHARE=10`: a first container of each changed service, tried by a share of the visitors before the release is rolled.

The first containers have names of their own (`first-http`), as on servers, so that the edge can distinguish them from the old
ones: while its folder has a file `share` it sends those visitors there whose number is below it (images/edge/haproxy.cfg). In the
end they go, whatever came of it: the release is rolled as without a share, or not at all.
"""

from __future__ import annotations

import json
import tempfile
from typing import Any

from ..build import build_environment
from ..config import edge
from ..config import services as table
from ..console import Failure, detail
from . import rolling
from .compose import Project

PREFIX = "first-"
FIRST = {name for name in table.NAMES if name.startswith(PREFIX)}
"""Other names with that beginning are services of APP_COMMANDS."""


def percent(text: str, seconds: int) -> int:
    """The number that SHARE says, 0 where it is not given; Failure where it is none, or no trial of SECONDS could use it."""
    if not text:
        return 0
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 100):
        raise Failure(f"SHARE={text} is no share of the visitors; a whole number from 1 to 99: SHARE=10")
    if not seconds:
        raise Failure(
            f"SHARE={text} is for the time on trial, and TRIAL_SECONDS is 0: set TRIAL_SECONDS=30, or leave SHARE out"
        )
    return int(text)


def tried(project: Project, share: int, seconds: int) -> None:
    """Compare for SECONDS what a new release does for a SHARE of the visitors, and the old one for the others.

    Failure where the new one does worse. Nothing of it stays.
    """
    changes = [change for change in rolling.changed(project) if PREFIX + change.service in FIRST]
    if not changes:
        detail(f"nothing is replaced that {share} % of the visitors could try")
        return
    needed, memory = sum(change.memory for change in changes), build_environment.available_memory()
    if needed > memory:
        raise Failure(
            f"SHARE={share} needs a container more of {', '.join(change.service for change in changes)}: {needed / 1e9:.1f} GB "
            f"of memory, {memory / 1e9:.1f} GB are available; leave SHARE out, or make room"
        )
    try:
        before = project.identities(running=False)
        start(project, [change.service for change in changes])
        new = project.identities(running=False) - before
        project.wait(only=new)
        # Not sooner: an edge sends visitors to a name that it finds until a check says otherwise.
        divide(project, share)
        rolling.found_by_the_edge(project, new)
        detail(f"{share} % of the visitors reach the new release")
        rolling.trial(project, [PREFIX + change.service for change in changes], seconds)
    except Failure as failure:
        raise Failure(
            f"{failure}\nthe new release was taken away again; the one before goes on serving"
        ) from None
    finally:
        clear(project)


def divide(project: Project, share: int) -> None:
    """Have every edge divide the visitors; Failure where one cannot: it is of an earlier version."""
    file = project.deployment.edge / edge.SHARE
    file.write_text(f"{share}\n")
    file.chmod(0o644)
    for container in edge.reload(project):
        if rolling.status(container).get("share") != share:
            raise Failure(
                f"the edge that runs does not know SHARE, it is of an earlier version: release once without SHARE={share}"
            )


def start(project: Project, services: list[str]) -> None:
    """Start one container for each of SERVICES, under a name of its own."""
    definitions = json.loads(project.run("config", "--format", "json", quiet=True).stdout)
    first = {PREFIX + name: definition(PREFIX + name, definitions["services"][name]) for name in services}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({**definitions, "services": first}, file)
        file.flush()
        project.run("--file", file.name, *rolling.UP, *first, quiet=True)


def definition(name: str, service: dict[str, Any]) -> dict[str, Any]:
    """The SERVICE as it is defined, once, with NAME in place of its own."""
    kept = {key: value for key, value in service.items() if key not in ("depends_on", "scale")}
    return {**kept, "hostname": name, "restart": "no", "deploy": {**service["deploy"], "replicas": 1}}


def clear(project: Project) -> None:
    """Leave nothing of a trial by a share, this one's or one's that was cut short: visitors are divided no more, then it goes."""
    file = project.deployment.edge / edge.SHARE
    try:
        if file.exists():
            file.unlink()
            edge.reload(project)
    finally:
        rolling.drain([each["ID"] for each in project.containers() if each["Service"] in FIRST])
