"""Whether a unit of systemd has its present settings: python3 - UNIT FILE

Prints {"there": bool, "stale": bool, "impossible": bool}: whether systemd knows the unit, whether FILE was written after
it started, and whether a start was tried and a condition of the unit was not met (a container has no clock to set).
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def main(unit: str, settings: str) -> None:
    """Print it. A unit that does not run is not stale: its start reads the file."""
    names = "LoadState,ActiveState,ActiveEnterTimestamp,ConditionResult,ConditionTimestamp"
    command = ["systemctl", "show", "--timestamp=unix", f"--property={names}", unit]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    fields = dict(line.split("=", 1) for line in answer.splitlines())
    since = int(fields["ActiveEnterTimestamp"].lstrip("@") or 0)
    path = Path(settings)
    stale = fields["ActiveState"] == "active" and path.exists() and int(path.stat().st_mtime) > since
    impossible = bool(fields["ConditionTimestamp"]) and fields["ConditionResult"] == "no"
    print(json.dumps({"there": fields["LoadState"] == "loaded", "stale": stale, "impossible": impossible}))


if __name__ == "__main__":
    main(*sys.argv[1:])
