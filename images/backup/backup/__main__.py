"""The commands of the service `backup`; `docker compose exec backup backup <command>` calls them."""

from __future__ import annotations

import argparse
import os
import sys

from . import alive, cluster, drill, jobs, repository, restore, serve, settings, status, work
from .console import Failure, moment, say, size


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="backup", description="Backups of PostgreSQL and of waiting jobs, and their restore."
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("serve", help="store WAL, make backups when they are due (the service)")
    commands.add_parser("alive", help="the health check: exit 0 where the service takes WAL")
    now = commands.add_parser("now", help="make a backup now")
    now.add_argument("--full", action="store_true", help="a full one, though a part would do")
    commands.add_parser("list", help="the backups there are")
    shown = commands.add_parser("status", help="how old, how far behind; exit 1 where something is not well")
    shown.add_argument("--format", choices=["text", "json", "prometheus"], default="text")
    commands.add_parser("verify", help="read the whole repository and check every checksum")
    commands.add_parser(
        "drill", help="restore the newest backup alongside the stack and compare; prints RPO and RTO"
    )
    back = commands.add_parser(
        "restore", help="replace the database by a backup (the stack has to be stopped)"
    )
    back.add_argument("--yes", action="store_true", help="it is meant")
    back.add_argument(
        "--time", default="", metavar="MOMENT", help="the state of this moment, 2026-03-31T17:05:00+00:00"
    )
    back.add_argument("--set", default="", metavar="LABEL", help="begin from this backup; `list` shows them")
    back.add_argument("--keep-jobs", action="store_true", help="leave the waiting jobs as they are")
    commands.add_parser("discard", help="remove what the last restore has kept aside")
    fetch = commands.add_parser("fetch", help="a WAL segment for a recovery (PostgreSQL calls it)")
    fetch.add_argument("name")
    fetch.add_argument("target")
    return top


def main(arguments: list[str]) -> int:
    """Run one command; exit codes: 0 done, 1 failed, 78 refused."""
    options = parser().parse_args(arguments)
    try:
        return run(options)
    except Failure as failure:
        for line in str(failure).splitlines():
            say(line)
        return failure.code
    except OSError as error:
        say(f"{options.command}: {error}")
        return 1
    except KeyboardInterrupt:
        say("stopped")
        return 130


def run(options: argparse.Namespace) -> int:
    """Run the command of OPTIONS; its exit code."""
    if options.command == "alive":
        return alive.alive()
    if options.command == "fetch":
        return cluster.fetch(options.name, options.target)
    found = settings.load(dict(os.environ))
    found.write()
    match options.command:
        case "serve":
            return serve.serve(found)
        case "now":
            serve.make(found, full=options.full)
            if jobs.present():
                with work.alone("a copy of the waiting jobs"):
                    jobs.store()
        case "list":
            for each in repository.backups():
                print(
                    f"{each.label}  {each.kind}  {moment(each.stop)}  {size(each.database_bytes)}"
                    + ("  DAMAGED" if each.damaged else "")
                )
        case "status":
            return status.show(found, options.format)
        case "verify":
            return verify()
        case "drill":
            with work.alone("a drill"):
                return drill.drill(found)
        case "restore":
            with work.alone("a restore"):
                return restore.restore(
                    found,
                    confirmed=options.yes,
                    at=options.time,
                    label=options.set,
                    keep_jobs=options.keep_jobs,
                )
        case "discard":
            with work.alone("the removal of what was kept aside"):
                return restore.discard()
    return 0


def verify() -> int:
    """Have pgBackRest read everything; its report is shown where something is wrong."""
    report = repository.run("--output=text", "verify").decode()
    if "status: error" in report:
        raise Failure("the repository is damaged:\n" + report.strip())
    for copy in jobs.copies():
        jobs.fetch(copy, work.STATE.with_name("verify"))
    jobs.clean(work.STATE.with_name("verify"))
    say("every file of the repository is whole")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
