"""Maintenance: every edge answers 503 with Retry-After, open sockets are closed with 1013; the application runs on, unseen.

It is a file in the folder that each edge reads at its start and at a reload: it outlasts restarts, reboots and deploys.
"""

from __future__ import annotations

import json
import shlex

from ..console import Failure, say
from . import hooks
from .targets import Target

FILE = "maintenance"


def switch(target: Target, on: bool) -> None:
    """Begin it or end it on every edge; Failure names the edges that did not take it."""
    edges = target.running("edge")
    if not edges:
        raise Failure(f"no edge runs: {target.verb('deploy' if target.servers else 'up')}")
    path = shlex.quote(f"{target.folder}/edge/{FILE}")
    problems = []
    for each in edges:
        each.host.asked(["sh", "-c", f"umask 022; touch {path}" if on else f"rm -f {path}"])
        code, _, complaint = each.host.run(["docker", "exec", each.identity, "edge", "reload"])
        if code:
            problems.append(f"the edge on {each.host.name} goes on as before: {complaint.strip()}")
    if problems:
        raise Failure("\n".join(problems))
    show(target)
    facts = {"stack": target.stack, "env": target.env, "release": target.current}
    hooks.run(target.place, "maintenance-on" if on else "maintenance-off", **facts)


def show(target: Target) -> None:
    """Print for each edge whether there is."""
    for each in target.running("edge"):
        status = json.loads(each.host.asked(["docker", "exec", each.identity, "edge", "status"]))
        text = "maintenance: 503, sockets are closed with 1013" if status.get("maintenance") else "serves"
        say(f"{each.host.name} {each.name}  {text}, {status['connections']} connections")
