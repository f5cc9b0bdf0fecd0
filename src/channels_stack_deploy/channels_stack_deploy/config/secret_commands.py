"""Secrets that come from a command of the operator's, a vault's client or a password manager: SECRET_COMMANDS.

What the command prints becomes the file of the secret, at each `make up` and each deploy. Where it prints the same as before the
file stays as it is, so that nothing is replaced. No value and no line of a command's output is ever printed.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path

from ..console import Failure, note
from ..paths import ROOT, Deployment
from . import app_services

SETTING = "SECRET_COMMANDS"
EXAMPLE = f"write for example {SETTING}=secret_key: pass show rooms/secret_key; data_ca: cat /etc/ssl/ca.pem"
SECONDS = 60
"""A program that has not ended by then waits for an answer."""


def commands(text: str) -> dict[str, list[str]]:
    """The command for each secret: `name: command; name: command`, quoted as in a shell. Failure where TEXT is anything else."""
    found: dict[str, list[str]] = {}
    for words in app_services.lines(text, EXAMPLE, SETTING):
        name, colon, rest = words[0].partition(":")
        command = [rest, *words[1:]] if rest else words[1:]
        if not colon or not name or not command:
            raise Failure(f"{SETTING} has {words[0]!r}, which does not begin with `name: command`; {EXAMPLE}")
        if name in found:
            raise Failure(f"{SETTING} names {name!r} more than once; {EXAMPLE}")
        found[name] = command
    return found


def values(text: str, known: Collection[str]) -> dict[str, str]:
    """What the command of each secret in TEXT says. Failure before any of them runs where one is none of KNOWN."""
    chosen = commands(text)
    for name in chosen:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(sorted(known))}"
            raise Failure(f"{SETTING} names {name!r}, which is no secret of the stack; {hint}")
    return {name: value(name, command) for name, command in chosen.items()}


def value(name: str, command: list[str]) -> str:
    """What COMMAND prints, a single line without its end. Failure in one line, with the last line of its complaint."""
    what = f"{SETTING}: the command of {name}, {command[0]},"
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except (FileNotFoundError, NotADirectoryError):
        raise Failure(f"{what} is not there: install it, or name it by its whole path") from None
    except OSError as error:
        raise Failure(f"{what} cannot be run: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Failure(f"{what} prints what is no text (UTF-8)") from None
    except subprocess.TimeoutExpired:
        raise Failure(f"{what} did not end within {SECONDS} s; does it ask for a password?") from None
    if done.returncode:
        complaint = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise Failure(f"{what} failed (exit {done.returncode}){': ' + complaint[-1] if complaint else ''}")
    lines = done.stdout.splitlines()
    if not any(line.strip() for line in lines):
        raise Failure(f"{what} prints nothing")
    return lines[0] if len(lines) == 1 else done.stdout


def changed(deployment: Deployment, found: Mapping[str, str]) -> list[str]:
    """Names of those FOUND that the files of DEPLOYMENT do not say. Who runs this may not be able to read the files."""
    known = remembered(deployment)
    return [name for name, text in found.items() if known.get(name) != state(deployment.secrets / name, text)]


def remember(deployment: Deployment, found: Mapping[str, str]) -> None:
    """The files of DEPLOYMENT say what was FOUND."""
    states = {name: state(deployment.secrets / name, text) for name, text in found.items()}
    if states == remembered(deployment):
        return
    if not states:
        deployment.fetched.unlink(missing_ok=True)
        return
    new = deployment.fetched.with_name(deployment.fetched.name + ".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(states, file)
    new.replace(deployment.fetched)
    note(f"{', '.join(states)}: by {SETTING}")


def remembered(deployment: Deployment) -> dict[str, str]:
    """The states of the files when they were written."""
    path = deployment.fetched
    return json.loads(path.read_text()) if path.exists() else {}


def state(path: Path, text: str) -> str:
    """What the file PATH is like, and a digest of the TEXT that it should hold; "" where it is not there."""
    if not path.exists():
        return ""
    there = path.stat()
    digest = hashlib.sha256(f"{there.st_mtime_ns} {there.st_size} {text}".encode())
    return digest.hexdigest()
