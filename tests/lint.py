"""Every linter, one after the other; all findings are shown before it fails. `make lint` calls it.

The names of the images come from the environment, as `make images` leaves them in .images.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent


def files(*patterns: str) -> list[str]:
    """Tracked and new files that match the git PATTERNS."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()


def container(image: str, *command: str, options: tuple[str, ...] = ()) -> list[str]:
    """Run COMMAND in the image that the variable IMAGE names, with the sources read-only at /src."""
    mount = ["--volume", f"{ROOT}:/src:ro", "--network", "none", "--tmpfs", "/tmp:mode=1777"]
    return ["docker", "run", "--rm", *mount, *options, os.environ[image], *command]


def checks() -> dict[str, list[str]]:
    """Name -> command line."""
    placeholders = {
        "SECRET_KEY": "for-this-check-only-" + "0123456789abcdefghijklmnopqrstuvwxyz",
        "DATABASE_URL": "postgresql://app:none@db/app",
        "REDIS_URL": "redis://redis/0",
    }
    environment = tuple(part for name, value in placeholders.items() for part in ("--env", f"{name}={value}"))
    return {
        "ruff check": [str(BIN / "ruff"), "check", "."],
        "ruff format": [str(BIN / "ruff"), "format", "--check", "."],
        "yamllint": [str(BIN / "yamllint"), "--strict", *files("*.yml", "*.yaml")],
        "hadolint": [str(BIN / "hadolint"), *files("*Dockerfile")],
        "shellcheck": [str(BIN / "shellcheck"), ".ci/run", *files("*.sh")],
        "mypy": container(
            "TEST_IMAGE", "mypy", "--config-file", "/src/.mypy.ini", "--cache-dir", "/tmp/mypy"
        ),
        "haproxy -c": container("EDGE_IMAGE", "haproxy", "-c", "-f", "/etc/haproxy/haproxy.cfg"),
        "manage.py check --deploy": container(
            "UVICORN_IMAGE",
            "python",
            "manage.py",
            "check",
            "--deploy",
            "--fail-level",
            "WARNING",
            options=environment,
        ),
    }


def main() -> int:
    """Run them all; 1 where any found something."""
    failed = []
    for name, command in checks().items():
        started = time.monotonic()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        print(
            f"{'FAILED' if done.returncode else 'ok':>6}  {name}  ({time.monotonic() - started:.1f} s)",
            flush=True,
        )
        if done.returncode:
            failed.append(name)
            print(done.stdout + done.stderr, flush=True)
    print(f"{len(checks()) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
