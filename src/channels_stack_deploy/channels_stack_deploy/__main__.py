"""Command line of the tool; the Makefile calls it, people need not.

python3 -m channels_stack_deploy [--env NAME] [--overlay NAME]… up|rollback|down|purge|check|images|bundle|backup|restore|drill
python3 -m channels_stack_deploy [--env NAME] compose ARGUMENT…    `docker compose` on this environment
python3 -m channels_stack_deploy [--env NAME] adopt|doctor PATH    a project's lines of stack.env; what will break in it
python3 -m channels_stack_deploy [--env NAME] capacity            how many visitors it can serve (MINUTES, APPLY=yes)
python3 -m channels_stack_deploy [--env NAME] logs|shell|manage|…   the verbs of operate/verbs.py, here and on servers
python3 -m channels_stack_deploy [--env NAME] target [TESTS]       which tests look at it, and how they get in: a line each
python3 -m channels_stack_deploy --folder DIR …                    the same for a deployment in another folder
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from .adopt import command as adopt
from .build import bundle, images
from .capacity import run as capacity
from .checks import suites
from .config import certificates, edge, environments
from .config import settings as stack_settings
from .console import Failure, printable, say
from .local import backup, preflight, rollback, up
from .local.compose import Project
from .operate import audit, verbs
from .operate.hosts import HERE, Host
from .paths import IMAGE_NAMES, Deployment

NOTED = ("up", "rollback", "down", "purge", "backup", "restore", "drill")
"""Commands that change what runs, or what it keeps: they are written down (operate/audit.py)."""

COMMANDS = [
    "up",
    "rollback",
    "down",
    "purge",
    "check",
    "capacity",
    "images",
    "bundle",
    "edge",
    "backup",
    "restore",
    "drill",
    "adopt",
    "doctor",
    "target",
    "compose",
    *verbs.VERBS,
]


def main() -> int:
    """Run one command; 0 done, 1 failed with the reason printed."""
    parser = argparse.ArgumentParser(
        prog="channels-stack-deploy", description="Run the stack with Docker Compose on this machine."
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--env", default="", help="an environment, compose/environments/<NAME>; default: the one in compose/"
    )
    where.add_argument("--folder", type=Path, help="settings and secrets of another deployment")
    parser.add_argument(
        "--overlay", action="append", default=[], help="a compose.<NAME>.yml to add: dev, test"
    )
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of `docker compose`, or a path")
    options = parser.parse_args()
    overlays = tuple(options.overlay)
    try:
        if options.command == "target" and not options.folder:
            given = (os.environ.get(each, "") for each in ("TARGET", "OPTIONS"))
            say("\n".join(suites.of(options.env, " ".join(options.arguments), *given)))
            return 0
        if options.command == "capacity":
            capacity.refuse_elsewhere(options.env, os.environ.get("TARGET", ""))
        if options.command in verbs.VERBS:
            deployment = Deployment(options.folder.resolve()) if options.folder else None
            return verbs.run(options.command, options.env, deployment)
        if options.folder:
            deployment = Deployment(options.folder.resolve(), overlays)
        else:
            deployment = environments.find(options.env, options.command, overlays)
        with noted(deployment, options.command):
            return act(deployment, options)
    except Failure as failure:
        print(f"\nFAILED: {printable(str(failure))}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `make doctor | head`: whoever reads has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("\nstopped; `make up` goes on from here", file=sys.stderr)
        return 130
    return 0


@contextlib.contextmanager
def noted(deployment: Deployment, command: str) -> Iterator[None]:
    """Write down who ran COMMAND and how it ended, where it is one of NOTED."""
    # A folder that was removed before its stack stays removed.
    if command not in NOTED or (command in environments.REMOVING and not deployment.folder.is_dir()):
        yield
        return
    with audit.noted([Host(HERE)], str(deployment.folder), command) as ended:
        yield
        ended["exit"] = 0


def act(deployment: Deployment, options: argparse.Namespace) -> int:
    """Run the command of OPTIONS on DEPLOYMENT."""
    match options.command:
        case "up":
            up.up(deployment, os.environ.get("BUNDLE", ""), os.environ.get("SHARE", ""))
        case "rollback":
            rollback.rollback(deployment, os.environ.get("RELEASE", ""))
        case "down":
            up.down(deployment)
        case "purge":
            up.purge(deployment, confirmed=os.environ.get("CONFIRM") == "yes")
        case "backup":
            backup.now(Project(deployment))
        case "drill":
            backup.drill(Project(deployment))
        case "restore":
            confirmed = os.environ.get("CONFIRM") == "yes"
            moment = os.environ.get("TIME", "")
            backup.restore(deployment, Project(deployment), confirmed=confirmed, moment=moment)
        case "check":
            values = stack_settings.of(deployment)
            preflight.prepare(values)
            preflight.look(deployment, values, up.published(Project(deployment)))
            say("this machine is able to run the stack")
        case "capacity":
            minutes, apply = os.environ.get("MINUTES", ""), os.environ.get("APPLY") == "yes"
            capacity.measure(deployment, minutes=minutes, apply=apply)
        case "images":
            values = stack_settings.of(deployment)
            preflight.prepare(values)
            names = images.make(values, images.everything(values))
            IMAGE_NAMES.write_text("".join(f"{name}={tag}\n" for name, tag in names.items()))
        case "bundle":
            values = stack_settings.of(deployment)
            preflight.prepare(values)
            bundle.make(deployment, values, os.environ.get("W", ""))
        case "target":
            say("\n".join(suites.of_deployment(deployment, " ".join(options.arguments))))
        case "adopt":
            adopt.adopt(deployment, " ".join(options.arguments))
        case "doctor":
            return adopt.doctor(deployment, " ".join(options.arguments))
        case "compose":
            up.compose(deployment, options.arguments)
        case "edge":  # for servers: what the role `certificates` brings to each edge
            values = stack_settings.load(deployment.settings)
            edge.stage(deployment.edge, values, certificates.make(deployment, values))
    return 0


if __name__ == "__main__":
    sys.exit(main())
