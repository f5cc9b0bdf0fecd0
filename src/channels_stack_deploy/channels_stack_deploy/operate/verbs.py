"""The table of verbs: what `make VERB` does with the stack of ENV, on this machine or on servers.

A verb takes its variables from the environment, as the Makefile exports them. One that is `noted` changes something or looks
behind the application, and is written down (audit.py).
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..console import Failure, aligned, say
from ..paths import Deployment
from . import audit, commands, details, logs, maintenance, releases, targets
from .targets import Target

Variables = Mapping[str, str]


@dataclass(frozen=True)
class Verb:
    """One row: RUN returns an exit code."""

    run: Callable[[Target, Variables], int]
    noted: bool = False


def command(run: Callable[[Target, str, str, list[str]], int]) -> Callable[[Target, Variables], int]:
    """RUN with the service S, the host HOST and the words of C."""

    def act(target: Target, given: Variables) -> int:
        return run(target, given.get("S", ""), given.get("HOST", ""), words(given))

    return act


def words(given: Variables) -> list[str]:
    """C as a shell would split it. Failure where a quote is open."""
    try:
        return shlex.split(given.get("C", ""))
    except ValueError as error:
        raise Failure(f"C={given['C']!r} cannot be split into words: {error}") from None


def show_logs(target: Target, given: Variables) -> int:
    """Follow the logs, or print them once with FOLLOW=no."""
    chosen = logs.Filter(given.get("LEVEL", ""), given.get("REQUEST", ""), given.get("RELEASE", ""))
    logs.show(
        target,
        given.get("S", ""),
        chosen,
        since=given.get("SINCE", ""),
        tail=given.get("TAIL", ""),
        following=given.get("FOLLOW", "") not in ("no", "0", "false"),
        raw=given.get("RAW", "") in ("yes", "1", "true"),
    )
    return 0


def show_details(target: Target, given: Variables) -> int:
    """What runs where."""
    details.show(target)
    return 0


def show_audit(target: Target, given: Variables) -> int:
    """Who did what."""
    rows = audit.rows(audit.read(target.managers, target.folder))[-int(given.get("TAIL") or 100) :]
    for line in aligned([["at", "who", "what", "ended"], *rows]):
        say(line)
    return 0


def show_releases(target: Target, given: Variables) -> int:
    """The releases, or what one of them changes: W=ONE, or W="ONE OTHER"."""
    names = given.get("W", "").split()
    if not names:
        releases.show(target)
    else:
        releases.compare(target, *(names if len(names) == 2 else (target.current, names[0])))
    return 0


def switch_maintenance(target: Target, given: Variables) -> int:
    """Begin maintenance with W=on, end it with W=off, show it without."""
    match given.get("W", ""):
        case "":
            maintenance.show(target)
        case "on" | "off" as word:
            maintenance.switch(target, word == "on")
        case other:
            raise Failure(f"W={other} is neither on nor off")
    return 0


VERBS = {
    "logs": Verb(show_logs),
    "shell": Verb(command(commands.shell), noted=True),
    "manage": Verb(command(commands.manage), noted=True),
    "dbshell": Verb(command(commands.database), noted=True),
    "job": Verb(command(commands.job), noted=True),
    "maintenance": Verb(switch_maintenance, noted=True),
    "status": Verb(command(commands.status)),
    "details": Verb(show_details),
    "releases": Verb(show_releases),
    "audit": Verb(show_audit),
}


def run(name: str, env: str, deployment: Deployment | None = None) -> int:
    """Run the verb NAME on the target of ENV, or on a DEPLOYMENT of this machine; its exit code."""
    target = targets.here(deployment) if deployment else targets.find(env)
    verb, given = VERBS[name], os.environ
    if not verb.noted:
        return verb.run(target, given)
    typed = [f"{key}={given[key]}" for key in ("S", "HOST", "W") if given.get(key)] + words(given)
    with audit.noted(target.managers, target.folder, name, typed) as ended:
        ended["exit"] = code = verb.run(target, given)
    return code
