"""Which units of systemd do not run as they should: python3 - UNIT=FILE [UNIT=FILE ...]

Prints {"restart": [...], "start": [...]}: units whose FILE was written after they started, and units that do not run. A
unit that is not installed is left out, and so is one that was started in vain because a condition of it is not met (a
container has no clock to set).
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PROPERTIES = "LoadState,ActiveState,ActiveEnterTimestamp,ConditionResult,ConditionTimestamp"


def look(unit: str, settings: Path) -> str:
    """ "restart", "start", or "" where there is nothing to do."""
    command = ["systemctl", "show", "--timestamp=unix", f"--property={PROPERTIES}", unit]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    fields = dict(line.split("=", 1) for line in answer.splitlines())
    if fields["LoadState"] != "loaded":
        return ""
    if fields["ActiveState"] == "active":
        since = int(fields["ActiveEnterTimestamp"].lstrip("@") or 0)
        return "restart" if settings.exists() and int(settings.stat().st_mtime) > since else ""
    tried_in_vain = bool(fields["ConditionTimestamp"]) and fields["ConditionResult"] == "no"
    return "" if tried_in_vain else "start"


def main(pairs: list[str]) -> None:
    """Look at each and print."""
    found: dict[str, list[str]] = {"restart": [], "start": []}
    for unit, _, settings in (pair.partition("=") for pair in pairs):
        word = look(unit, Path(settings))
        if word:
            found[word].append(unit)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
