"""The command line of the image.

edge run            start HAProxy with the folder /etc/edge and stay with it
edge check [FOLDER] whether it would start with FOLDER; every problem is a line
edge reload         take up the folder now, without an interruption
edge drain|undrain  say 503 or 200 at /-/edge; nothing else changes
edge status         one JSON object: certificate, workers, sockets
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from . import loading, status
from .haproxy import Unreachable
from .loading import Refused
from .supervisor import Supervisor, say


def main() -> int:
    """Run one command: 0 done, 78 configuration refused, 1 failed; the reason is on stderr."""
    parser = argparse.ArgumentParser(
        prog="edge", description="HAProxy at the edge of a Channels application."
    )
    parser.add_argument("command", choices=["run", "check", "reload", "drain", "undrain", "status"])
    parser.add_argument("folder", nargs="?", type=Path, default=loading.FOLDER, help="for check")
    options = parser.parse_args()
    try:
        match options.command:
            case "run":
                return Supervisor().run()
            case "check":
                with loading.alone():
                    loading.check(loading.read(options.folder))
            case "reload":
                print("reloaded" if loading.reload() else "nothing changed")
            case "drain" | "undrain":
                loading.drain(options.command == "drain")
            case "status":
                print(json.dumps(status.status()))
    except Refused as error:
        say(str(error))
        return 78
    except Unreachable as error:
        say(str(error))
        return 1
    return 0
