"""Every linter, one after the other; all findings are shown before it fails. `make lint` calls it.

The names of the images come from the environment, as `make images` leaves them in .images.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from selfsigned import self_signed

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent

PHRASES = (
    *(
        "way out",
        "way in",
        "made able",
        "comes? into force",
        "look whether",
        "without a gap",
        "stands in",
        "lies in",
    ),
    *("comes back", "came back", "for good", "from now on", "once more", "by whomever"),
)
"""What docs/development/terms.md replaces."""

PROSE = (".", ":!tests", ":!*.svg", ":!LICENSE", ":!docs/development/terms.md")
"""Where people read: everything but tests and the list itself."""


def files(*patterns: str) -> list[str]:
    """Tracked and new files that match the git PATTERNS."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()


def container(image: str, *command: str, options: tuple[str, ...] = ()) -> list[str]:
    """Run COMMAND in the image that the variable IMAGE names, with the sources read-only at /src."""
    mount = ["--volume", f"{ROOT}:/src:ro", "--network", "none", "--tmpfs", "/tmp:mode=1777"]
    return ["docker", "run", "--rm", *mount, *options, os.environ[image], *command]


def certificate(folder: Path) -> Path:
    """A throw-away certificate with its key in one file: HAProxy reads it while it checks its configuration."""
    key, pem = folder / "key", folder / "pem"
    self_signed("lint", "localhost", pem, key)
    pem.write_text(pem.read_text() + key.read_text())
    folder.chmod(0o755)
    return pem


def checks(folder: Path) -> dict[str, list[str]]:
    """Name -> command line. FOLDER is for what a check needs beside the sources."""
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
        "shellcheck": [str(BIN / "shellcheck"), ".ci/run", *files("*.sh", "images/steps/*")],
        # HAProxy gives scripts the globals `core` and `filter`, and calls functions with arguments that not each of them needs.
        "luacheck": container(
            *("TEST_IMAGE", "luacheck", "--std", "max", "--globals", "core", "filter"),
            *("--no-unused-args", "--max-line-length", "130", "--", *files("*.lua")),
        ),
        "oxlint": [str(BIN / "oxlint"), "--deny-warnings", *files("*.js")],
        # `!important` for [hidden] is what it is for.
        "biome": [
            *(str(BIN / "biome"), "lint", "--error-on-warnings", "--skip=complexity/noImportantStyles"),
            *files("app/*.css", "src/*.css"),
        ],
        "rumdl": [str(BIN / "rumdl"), "check", "--no-cache", "."],
        "typos": [str(BIN / "typos")],
        # Words are typos' (.typos.toml); this finds what consists of several. `git grep` exits with 1 where it finds nothing.
        "phrases": ["sh", "-c", '! git grep -nwiE "$@"', "sh", "|".join(PHRASES), "--", *PROSE],
        # It reads a file of tasks from a folder of its own, without ansible.cfg.
        "ansible-lint": [
            *("env", f"ANSIBLE_ROLES_PATH={ROOT / 'ansible/roles'}"),
            f"ANSIBLE_COLLECTIONS_PATH={ROOT / 'ansible/collections'}",
            *(str(BIN / "ansible-lint"), "--offline", "--profile", "production", "ansible"),
        ],
        # Not from the root of the sources, where the folder `ansible` would pass for the package of that name.
        "mypy": container(
            *("TEST_IMAGE", "mypy", "--config-file", "/src/.mypy.ini", "--cache-dir", "/tmp/mypy"),
            options=("--workdir", "/tmp"),
        ),
        "haproxy -c": container(
            *("EDGE_IMAGE", "haproxy", "-c", "-f", "/etc/haproxy/haproxy.cfg"),
            options=("--volume", f"{certificate(folder)}:/etc/edge/tls.pem:ro"),
        ),
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


def passes(name: str, command: list[str]) -> bool:
    """Run one check and say how it went; what it found is shown."""
    started = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    word = "FAILED" if done.returncode else "ok"
    print(f"{word:>6}  {name}  ({time.monotonic() - started:.1f} s)", flush=True)
    if done.returncode:
        print(done.stdout + done.stderr, flush=True)
    return done.returncode == 0


def main() -> int:
    """Run them all; 1 where any found something."""
    with tempfile.TemporaryDirectory(prefix="channels-stack-lint-") as folder:
        results = [passes(name, command) for name, command in checks(Path(folder)).items()]
    print(f"{results.count(True)} passed, {results.count(False)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
