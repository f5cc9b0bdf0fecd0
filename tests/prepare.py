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
LOCK = ROOT / "tests/requirements.txt"
STAMP = VENV / "lock.sha256"


def packages() -> list[str]:
    """Debian packages that are missing: the venv module's other half, and a browser."""
    missing = []
    if importlib.util.find_spec("ensurepip") is None:
        missing.append("python3-venv")
    if shutil.which("chromium") is None:
        missing.append("chromium")
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
    wanted = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()
    if STAMP.exists() and STAMP.read_text() == wanted:
        return
    print(
        f"==> {VENV.name}: Python {sys.version.split()[0]}, packages of {LOCK.relative_to(ROOT)}", flush=True
    )
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
    subprocess.run(
        [VENV / "bin/pip", "install", "--quiet", "--require-hashes", "--requirement", LOCK], check=True
    )
    STAMP.write_text(wanted)


if __name__ == "__main__":
    main()
