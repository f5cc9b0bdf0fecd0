#!/usr/bin/env python3
"""Fill the application's virtual environment: its own lock first, then what the stack needs to serve it.

    install.py --venv /opt/venv --application FILE --stack FILE --wheel FILE

Where the application pins a package that the stack's lock has as well, the application's version stays: it knows
why. `pip check` then says whether the two fit. A requirements file with hashes is held to them (pip's
--require-hashes), the stack's own lock always.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path


def pip(venv: str, *arguments: str) -> str:
    """Run this interpreter's pip on VENV; it ends the build where pip fails."""
    command = [sys.executable, "-m", "pip", "--python", f"{venv}/bin/python", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        raise SystemExit(f"install.py: pip {arguments[0]} failed; its message stands above")
    return done.stdout


def canonical(name: str) -> str:
    """The one spelling of a package name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def entries(lock: str) -> dict[str, str]:
    """Package name -> its lines of a compiled requirements file."""
    text = re.sub(r"^\s*#.*\n", "", lock, flags=re.M)
    blocks = re.findall(r"^(\S.*(?:\n[ \t]+\S.*)*)", text, flags=re.M)
    return {canonical(re.split(r"[=\[ ;]", block, maxsplit=1)[0]): block for block in blocks}


def installed(venv: str) -> dict[str, str]:
    """Package name -> version in VENV."""
    lines = pip(venv, "list", "--format", "freeze").splitlines()
    return {canonical(name): version for name, _, version in (line.partition("==") for line in lines)}


def main() -> int:
    """Install, then check that everything fits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("venv", "application", "stack", "wheel"):
        parser.add_argument(f"--{name}", required=True)
    options = parser.parse_args()
    pip(options.venv, "install", "--requirement", options.application)
    present = installed(options.venv)
    missing = []
    for name, block in entries(Path(options.stack).read_text()).items():
        if name not in present:
            missing.append(block)
        elif f"=={present[name]}" not in block:
            print(
                f"install.py: {name} {present[name]} as the application pins it, not {block.split()[0].partition('==')[2]}"
            )
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as rest:
        rest.write("\n".join(missing))
        rest.flush()
        pip(options.venv, "install", "--no-deps", "--require-hashes", "--requirement", rest.name)
    pip(options.venv, "install", "--no-deps", "--no-index", options.wheel)
    pip(options.venv, "check")
    for source in Path(options.venv).rglob("locale/*/LC_MESSAGES/*.po"):
        source.unlink()  # sources of the compiled translations beside them, 12 MB of Django's
    return 0


if __name__ == "__main__":
    sys.exit(main())
