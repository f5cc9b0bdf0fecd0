#!/usr/bin/env python3
"""Make this machine able to run the tests: a virtual environment from the lock, and Debian's Chromium.

`prepare.py controller`: Ansible alone, for who only runs the playbooks. Standard library only. What is there
already is left alone: a lock that changes is installed into the environment, which is new for another Python only, so
that nothing is pulled away under tests that run.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src/channels_stack_deploy"))

from channels_stack_deploy.build import apt  # noqa: E402
from channels_stack_deploy.console import Failure  # noqa: E402
from channels_stack_deploy.paths import WHEELS  # noqa: E402

VENV = ROOT / ".venv"
CONTROLLER = [ROOT / "ansible/requirements.txt"]
LOCKS = {"controller": CONTROLLER, "tests": [ROOT / "tests/requirements.txt", *CONTROLLER]}
"""The two agree with each other (channels_stack_deploy.build.locks)."""

STAMP = VENV / "locks.sha256"


def packages(*, browser: bool) -> list[str]:
    """Debian packages that are missing: the venv module's other half, a BROWSER where one is wanted, Ansible's way to hosts."""
    missing = []
    if importlib.util.find_spec("ensurepip") is None:
        missing.append("python3-venv")
    if browser and shutil.which("chromium") is None:
        missing.append("chromium")
    if shutil.which("ssh") is None:
        missing.append("openssh-client")
    return missing


def main(what: str = "tests") -> None:
    """Prepare for WHAT, tests or controller, and say what was done."""
    if what not in LOCKS:
        raise Failure(f"{what} is nothing to prepare for; there are: {', '.join(LOCKS)}")
    missing = packages(browser=what == "tests")
    if missing:
        print(f"==> apt-get install {' '.join(missing)}", flush=True)
        apt.install(missing)
    # Who has what the tests need has what a controller needs.
    enough = {digest(what), digest("tests")}
    if STAMP.exists() and STAMP.read_text() in enough:
        return
    names = " and ".join(str(lock.relative_to(ROOT)) for lock in LOCKS[what])
    print(f"==> {VENV.name}: Python {sys.version.split()[0]}, packages of {names}", flush=True)
    if not (VENV / f"lib/python{sys.version_info.major}.{sys.version_info.minor}").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
    requirements = [part for lock in LOCKS[what] for part in ("--requirement", lock)]
    bundled = ["--no-index", "--find-links", str(WHEELS)] if WHEELS.is_dir() and what == "controller" else []
    command = [VENV / "bin/pip", "install", "--quiet", "--require-hashes", *bundled, *requirements]
    subprocess.run(command, check=True)
    STAMP.write_text(digest(what))


def digest(what: str) -> str:
    """What distinguishes an environment for WHAT: its locks, and this Python."""
    content = b"".join(lock.read_bytes() for lock in LOCKS[what])
    return hashlib.sha256(content + sys.version.encode()).hexdigest()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:2])
    except Failure as failure:
        sys.exit(f"prepare: {failure}")
