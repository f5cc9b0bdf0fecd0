#!/usr/bin/env python3
"""Make this machine able to run the tests: a virtual environment from the lock, and Debian's Chromium.

Standard library only. What is there already is left alone; the environment is made anew when the lock changes.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
LOCKS = [ROOT / "tests/requirements.txt", ROOT / "ansible/requirements.txt"]
"""The second one is what an operator's controller has; the two agree with each other (stack.lock)."""

STAMP = VENV / "lock.sha256"


def packages() -> list[str]:
    """Debian packages that are missing: the venv module's other half, a browser, Ansible's way to hosts."""
    missing = []
    if importlib.util.find_spec("ensurepip") is None:
        missing.append("python3-venv")
    if shutil.which("chromium") is None:
        missing.append("chromium")
    if shutil.which("ssh") is None:
        missing.append("openssh-client")
    return missing


def install(names: list[str]) -> None:
    """Install NAMES with apt, as root or through sudo."""
    prefix = ["sudo"] if os.geteuid() != 0 else []
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", *names]):
        print(f"==> apt-get {' '.join(arguments)}", flush=True)
        done = subprocess.run(
            [*prefix, "apt-get", "-q", *arguments],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
        if done.returncode:
            sys.exit("\n".join((done.stdout + done.stderr).splitlines()[-8:]))


def main() -> None:
    """Prepare, and say what was done."""
    missing = packages()
    if missing:
        install(missing)
    content = b"".join(lock.read_bytes() for lock in LOCKS)
    wanted = hashlib.sha256(content + sys.version.encode()).hexdigest()
    if STAMP.exists() and STAMP.read_text() == wanted:
        return
    names = " and ".join(str(lock.relative_to(ROOT)) for lock in LOCKS)
    print(f"==> {VENV.name}: Python {sys.version.split()[0]}, packages of {names}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
    requirements = [part for lock in LOCKS for part in ("--requirement", lock)]
    command = [VENV / "bin/pip", "install", "--quiet", "--require-hashes", *requirements]
    subprocess.run(command, check=True)
    STAMP.write_text(wanted)


if __name__ == "__main__":
    main()
