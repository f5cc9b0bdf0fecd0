"""The options of `channels-stack doctor`. Imported with every command: nothing but argparse."""

from __future__ import annotations

import argparse


def add(parser: argparse.ArgumentParser) -> None:
    """Add them to ``parser``."""
    parser.add_argument(
        "path", nargs="?", default=".", metavar="PATH", help="folder of the project (default: .)"
    )
    parser.add_argument("--run", action="store_true", help="import the project, and look at that too")
    parser.add_argument(
        "--stack",
        action="store_true",
        help="look at the Redis of REDIS_URL and the PostgreSQL of DATABASE_URL too",
    )
    parser.add_argument(
        "--settings", default="", metavar="MODULE", help="settings module (default: APP_SETTINGS)"
    )
    parser.add_argument(
        "--asgi", default="", metavar="MODULE:NAME", help="ASGI application, for --run (default: APP_ASGI)"
    )
    parser.add_argument(
        "--deployed",
        action="store_true",
        help="leave out what the stack does itself, or sets over the project (APP_OVERLAY)",
    )
    parser.add_argument("--json", action="store_true", help="write JSON")
    parser.add_argument("--list", action="store_true", help="print every rule, and look at nothing")
