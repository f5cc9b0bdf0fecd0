"""Debian packages on this machine, for the tool and for the tests. On a host the role `engine` has a program of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from ..console import Failure

SHOWN_LINES = 8
"""How many of apt's last lines an error shows."""


LOCK_SECONDS = 120
"""How long another apt may be waited for, as in the role `engine`."""


def install(names: Sequence[str]) -> None:
    """Install NAMES with apt, as root or through sudo; Failure with its last words."""
    prefix = ["sudo"] if os.geteuid() != 0 else []
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", *names]):
        # A fresh machine may be at its first security updates, which hold the lock.
        command = [*prefix, "apt-get", "-q", "-o", f"DPkg::Lock::Timeout={LOCK_SECONDS}", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            last_lines = (done.stdout + done.stderr).splitlines()[-SHOWN_LINES:]
            raise Failure(f"apt-get {arguments[0]} failed:\n" + "\n".join(last_lines))
