"""What an operator has run before and after a release: programs in the folder `hooks` of the environment.

`before-release` may forbid it: nothing was changed by then. `after-release` and `failed-release` run when it has ended. `notify`
runs for each event: these three, a rollback, maintenance. What happened is in their environment (VARIABLES); what they print
is shown.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ..console import Failure, detail
from ..person import who

FOLDER = "hooks"
EVENTS = (
    *("before-release", "after-release", "failed-release", "rolled-back"),
    *("maintenance-on", "maintenance-off"),
)
FORBIDS = "before-release"
NOTIFY = "notify"
VARIABLES = (
    "HOOK_EVENT",
    "HOOK_STACK",
    "HOOK_ENV",
    "HOOK_RELEASE",
    "HOOK_PREVIOUS",
    "HOOK_ADDRESS",
    "HOOK_WHO",
    "HOOK_REASON",
)
SECONDS = 300
"""One that takes longer is ended."""


def run(folder: Path, event: str, **values: str) -> None:
    """Run the hooks for EVENT in FOLDER, an environment's; VALUES are those of VARIABLES without HOOK_, in small letters.

    Failure where FORBIDS fails. Another one that fails is reported, and changes nothing: its event has happened.
    """
    assert event in EVENTS
    given = {
        f"HOOK_{name.upper()}": value for name, value in ({"event": event, "who": who()} | values).items()
    }
    for name in (event, NOTIFY):
        path = folder / FOLDER / name
        if not path.exists():
            continue
        complaint = called(path, {name: given.get(name, "") for name in VARIABLES})
        if complaint is not None and name == FORBIDS:
            raise Failure(f"{path} forbids it; nothing was changed\n{complaint}".rstrip())
        if complaint is not None:
            detail(f"{path} failed: {complaint}")


def called(path: Path, variables: dict[str, str]) -> str | None:
    """What the program at PATH has to say where it fails, None where it does not."""
    try:
        done = subprocess.run(
            [str(path)],
            cwd=path.parent,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except PermissionError:
        return f"it cannot be run: chmod +x {path}"
    except OSError as error:
        return f"it cannot be run: {error.strerror}; does its first line name its interpreter, #!/bin/sh?"
    except subprocess.TimeoutExpired:
        return f"it did not end within {SECONDS} s"
    lines = done.stdout.strip().splitlines()
    if done.returncode:
        return "\n".join([*lines[-5:], f"exit {done.returncode}"])
    for line in lines:
        detail(f"{path.name}: {line}")
    return None
