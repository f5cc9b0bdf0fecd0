"""The command `channels-stack`, the only thing that runs in an app container.

Exit codes: 0 done, 1 failed, 78 configuration refused (one line for each problem on standard error).
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .. import __version__

if TYPE_CHECKING:
    from ..config.settings import Settings

REFUSED = 78  # EX_CONFIG of sysexits.h
METRICS_FOLDER = "/tmp/metrics-{port}"  # outside of containers several programs share /tmp


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    options = parser().parse_args(arguments)
    if options.command == "paths":
        from ..project import paths

        return paths.main()
    if options.command == "doctor":
        from ..doctor import command

        return command.main(options)
    from ..config.environment import ConfigurationError

    # Until the command handles its signals itself, a stop while it starts is an orderly end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        if options.command == "worker" and options.reload:
            from . import reload

            return reload.main(_again(options))
        return _run(options)
    except ConfigurationError as error:
        from ..jobs import supervised

        # A sibling that ends has the supervisor stop the others: not while this one speaks for all.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if supervised.first_to_tell():
            for problem in error.problems:
                print(f"channels-stack: {problem}", file=sys.stderr)
        return REFUSED


def _again(options: argparse.Namespace) -> list[str]:
    """The command of a worker as it was given, but for --reload."""
    again = [sys.executable, "-m", "channels_stack", "worker", *options.channels]
    again += [f"--port={options.port}", f"--heartbeat={options.heartbeat}"]
    again += [f"--processes={options.processes}"] if options.processes else []
    again += [f"--concurrency={options.concurrency}"] if options.concurrency else []
    return again


def _run(options: argparse.Namespace) -> int:
    if options.command in ("status", "metrics", "compare"):
        return _look(options)
    from ..config.settings import Settings, misspelled

    for line in misspelled():
        print(f"channels-stack: warning: {line}", file=sys.stderr)
    settings = Settings.from_environment()
    if options.command == "dead":
        from ..jobs import dead_letters as dead

        return dead.main(settings, options.action, options.channel, options.id, options.all, options.json)
    service = options.service if options.command == "serve" else options.command
    processes = _processes(options, settings, service)
    if processes > 1:
        # prometheus_client looks at it when it is imported, which the next import does.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = _empty_folder(METRICS_FOLDER.format(port=options.port))
    from ..observability import logs

    logs.configure(settings, service)
    if options.command == "serve":
        from .. import servers

        return servers.serve(settings, service, options.port)
    if options.command == "worker":
        return _work(options, settings, processes)
    if options.command == "migrations":
        from . import migrations

        return migrations.main(settings)
    from . import release

    return release.main(settings, options.program)


def _look(options: argparse.Namespace) -> int:
    """Commands that say what others do, and need no configuration of their own."""
    if options.command == "status":
        from ..status import overview

        return overview.main(options.json)
    if options.command == "metrics":
        from . import scrape

        return scrape.main(options.name)
    from . import compare, traffic

    if options.what == "pages":
        return compare.main(options.new, options.old, options.port, options.host, options.path)
    return traffic.main(options.new, options.port, options.seconds)


def _processes(options: argparse.Namespace, settings: Settings, service: str) -> int:
    """How many processes count together in this container."""
    if service == "worker":
        return options.processes or settings.worker_processes
    return settings.http_processes if service == "http" and settings.server_http == "gunicorn" else 1


def _work(options: argparse.Namespace, settings: Settings, processes: int) -> int:
    concurrency = options.concurrency or settings.worker_concurrency
    if processes > 1:
        from ..jobs import supervisor

        command = [sys.executable, "-m", "channels_stack", "worker", *options.channels]
        command += ["--processes=1", f"--concurrency={concurrency}", "--port=0", "--heartbeat"]
        return supervisor.main(command, processes, options.port, options.heartbeat, settings.stop_seconds)
    from . import worker

    channels = tuple(options.channels) or settings.app_worker_channels
    return worker.main(settings, channels, options.port, options.heartbeat, concurrency)


def _empty_folder(path: str) -> str:
    """What an earlier life of this container has counted must not be counted again."""
    os.makedirs(path, exist_ok=True)
    for name in os.listdir(path):
        os.remove(os.path.join(path, name))
    return path


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def parser() -> argparse.ArgumentParser:
    from ..config.settings import SERVICE_PORT, WORKER_HEARTBEAT
    from ..doctor import arguments

    parser = argparse.ArgumentParser(
        prog="channels-stack", description="Runs a Django Channels application in production."
    )
    parser.add_argument("--version", action="version", version=f"channels-stack {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="serve pages or websockets")
    serve.add_argument("service", choices=("http", "ws"), help="what this process is for")
    serve.add_argument(
        "--port", type=int, default=SERVICE_PORT, help="port to listen on (default: %(default)s)"
    )
    worker = commands.add_parser("worker", help="consume jobs from channels")
    worker.add_argument(
        "--reload", action="store_true", help="development: start again on a change of the source"
    )
    worker.add_argument(
        "channels", nargs="*", metavar="CHANNEL", help="channel names (default: APP_WORKER_CHANNELS)"
    )
    worker.add_argument(
        "--processes", type=_positive, metavar="N", help="worker processes (default: WORKER_PROCESSES)"
    )
    worker.add_argument(
        "--concurrency",
        type=_positive,
        metavar="N",
        help="jobs of a channel that a process runs at a time (default: WORKER_CONCURRENCY)",
    )
    worker.add_argument(
        "--port",
        type=int,
        default=SERVICE_PORT,
        help="port for probes and metrics, 0 for none (default: %(default)s)",
    )
    worker.add_argument(
        "--heartbeat",
        default=WORKER_HEARTBEAT,
        metavar="FILE",
        help="renewed while every channel is listened to (default: %(default)s)",
    )
    dead = commands.add_parser(
        "dead", help="show, retry or drop dead letters: jobs that have used up their retries"
    )
    dead.add_argument("action", choices=("list", "show", "retry", "drop"), help="what to do with them")
    dead.add_argument("channel", nargs="?", default="", metavar="CHANNEL", help="only those of this channel")
    dead.add_argument("--id", default="", help="only this one, as the list names it")
    dead.add_argument("--all", action="store_true", help="retry or drop those of every channel")
    dead.add_argument("--json", action="store_true", help="answer in JSON")
    shown = commands.add_parser("status", help="show what every process of the stack last reported")
    shown.add_argument("--json", action="store_true", help="answer in JSON")
    counted = commands.add_parser("metrics", help="what this container counts")
    counted.add_argument("name", nargs="?", default="", metavar="NAME", help="only what begins with it")
    before = commands.add_parser(
        "release", help="check, migrate and collect static files, once before a deploy"
    )
    before.add_argument(
        "--program",
        action="append",
        default=[],
        metavar="NAME",
        help="refuse the release where the image lacks this program of APP_COMMANDS; may be repeated",
    )
    commands.add_parser(
        "migrations", help="which migrations the database has, and which this code does not know"
    )
    compared = commands.add_parser(
        "compare", help="whether a new release answers as well as the one that serves"
    ).add_subparsers(dest="what", required=True)
    pages = compared.add_parser("pages", help="by its links, before a visitor comes")
    pages.add_argument("new", help="host name of the new servers")
    pages.add_argument("old", help="host name of the servers that serve")
    pages.add_argument("--host", default="localhost", help="name of the site (default: %(default)s)")
    pages.add_argument("--path", default="/", help="page to begin with (default: %(default)s)")
    traffic = compared.add_parser("traffic", help="by what both count while visitors come")
    traffic.add_argument(
        "new", nargs="+", help="host names of the new servers and workers; all others are old"
    )
    traffic.add_argument("--seconds", type=float, default=30.0, help="how long (default: %(default)s)")
    for each in (pages, traffic):
        each.add_argument(
            "--port", type=int, default=SERVICE_PORT, help="of the servers (default: %(default)s)"
        )
    commands.add_parser("paths", help="websocket routes and a static file of the server in this container")
    arguments.add(commands.add_parser("doctor", help="say what will break in production"))
    return parser
