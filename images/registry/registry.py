#!/usr/bin/python3
"""`registry serve`: the registry, with the one login of its secret. `registry collect`: give back what nothing names any more.

The secret holds USER:PASSWORD, the very line that those have who log in: distribution wants a hash (htpasswd, bcrypt), which is
made at each start, so that the two can never disagree.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CONFIGURATION = "/etc/registry.yml"
LOGIN = Path("/run/secrets/registry_login")
HTPASSWD = Path("/tmp/htpasswd")

REFUSED = 78
"""EX_CONFIG of sysexits.h, as in all images of the stack."""


def hashed(login: Path) -> str:
    """The line of an htpasswd file for the LOGIN. htpasswd's own cost of bcrypt (5): it is computed again for every request."""
    try:
        user, _, password = login.read_text().strip().partition(":")
    except OSError as error:
        sys.exit(refuse(f"{login} cannot be read: {error.strerror}"))
    if not user or not password or "\n" in password:
        sys.exit(refuse(f"{login} is no login: it takes one line, USER:PASSWORD"))
    done = subprocess.run(
        ["htpasswd", "-niB", user], input=password, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(refuse(f"{login} cannot be used: {done.stderr.strip()}"))
    return done.stdout.strip() + "\n"


def refuse(problem: str) -> int:
    """Say the PROBLEM; the exit code."""
    print(f"registry: {problem}", file=sys.stderr)
    return REFUSED


def main(command: str) -> int:
    """Become distribution; an exit code where that is not to be."""
    if command == "serve":
        os.umask(0o077)
        HTPASSWD.write_text(hashed(LOGIN))
        os.execvp("docker-registry", ["docker-registry", "serve", CONFIGURATION])
    if command == "collect":
        os.execvp("docker-registry", ["docker-registry", "garbage-collect", CONFIGURATION])
    return refuse(f"{command or 'no command'}: there are serve and collect")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) == 2 else ""))
