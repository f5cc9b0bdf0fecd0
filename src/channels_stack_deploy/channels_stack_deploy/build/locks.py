"""Compile the lock files: every dependency with its hashes, no address of any index.

Called by `make lock`; uv comes from the tests' virtual environment. A lock is compiled for the Python of the
image it is for, on Linux, for every processor that the packages are published for; that of the build's tools for
every Python from Debian 11's on, because APP_DEBIAN may ask for any of them.
"""

from __future__ import annotations

import subprocess
import sys

from ..paths import ROOT

TRIXIE = "3.13"
OLDEST_HOST = "3.11"
BULLSEYE_AND_LATER = "3.9"

LOCKS = (
    ("app/requirements", TRIXIE, ()),
    ("images/app/requirements/build", BULLSEYE_AND_LATER, ()),
    ("images/app/requirements/uvicorn", TRIXIE, ("app/requirements.txt",)),
    ("images/app/requirements/daphne", TRIXIE, ("app/requirements.txt",)),
    ("images/app/requirements/overlay", TRIXIE, ("app/requirements.txt",)),
    (
        "images/app/requirements/tracing",
        TRIXIE,
        ("app/requirements.txt", "images/app/requirements/uvicorn.txt", "images/app/requirements/daphne.txt"),
    ),
    (
        "images/test/requirements",
        TRIXIE,
        (
            "app/requirements.txt",
            *(f"images/app/requirements/{name}.txt" for name in ("uvicorn", "daphne", "tracing")),
        ),
    ),
    ("tests/image/s3/requirements", TRIXIE, ()),
    ("ansible/requirements", OLDEST_HOST, ()),
    ("tests/requirements", OLDEST_HOST, ("ansible/requirements.txt",)),
)
"""(file without ending, Python version, locks that it must agree with), in this order."""


def main(upgrade: bool) -> None:
    """Compile all locks; with UPGRADE to the newest versions that the .in files admit."""
    for name, python, constraints in LOCKS:
        print(f"==> {name}.txt", flush=True)
        command = [
            sys.executable,
            "-m",
            "uv",
            "pip",
            "compile",
            "--quiet",
            "--generate-hashes",
            "--no-emit-index-url",
        ]
        command += ["--python-version", python, "--custom-compile-command", "make lock"]
        command += ["--universal"] if python == BULLSEYE_AND_LATER else ["--python-platform", "linux"]
        command += ["--upgrade"] if upgrade else []
        command += [part for constraint in constraints for part in ("--constraint", constraint)]
        subprocess.run([*command, f"{name}.in", "--output-file", f"{name}.txt"], cwd=ROOT, check=True)


if __name__ == "__main__":
    main(upgrade="--upgrade" in sys.argv[1:])
