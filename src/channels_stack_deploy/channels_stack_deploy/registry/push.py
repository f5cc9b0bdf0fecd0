"""Carrying images through a registry: the controller pushes, the hosts pull, and the digest of its content names each.

The login is a file of the controller, USER:PASSWORD. It reaches an engine's command line as the configuration of one call,
in a folder that is removed after it; no `docker login` is needed, and nothing of it is printed.

The hosts may know the registry by another name than this machine, which reaches it THROUGH an address of its own
(ssh_forward.py).
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..console import Failure
from . import transfer


def configuration(registry: str, login: Path) -> str:
    """The text of a config.json with the login that the file LOGIN has for REGISTRY (HOST[:PORT][/PATH]); "" without a file.

    Failure where it is no USER:PASSWORD, or others may read it.
    """
    name = host(registry)
    if not login.exists():
        return ""
    if not login.is_file() or login.stat().st_mode & 0o077:
        raise Failure(
            f"{login} holds the login of the registry and must be a file for your eyes only: chmod 600 {login}"
        )
    text = login.read_text().strip()
    user, _, password = text.partition(":")
    if not user or not password or "\n" in text:
        raise Failure(f"{login} is no login: it takes one line, USER:PASSWORD")
    return json.dumps({"auths": {name: {"auth": base64.b64encode(text.encode()).decode()}}})


def host(registry: str) -> str:
    """HOST[:PORT] of REGISTRY; Failure where its form is wrong."""
    name = registry.partition("/")[0]
    if (
        "://" in registry
        or registry != registry.lower()
        or registry.endswith("/")
        or not ("." in name or ":" in name)
    ):
        raise Failure(
            f"stack_registry: {registry} is no registry: registry.example.org/rooms and 192.0.2.7:5000 are; in small letters, "
            "without https://"
        )
    return name


@contextlib.contextmanager
def logged_in(registry: str, login: Path) -> Iterator[list[str]]:
    """The beginning of a docker command that has the login; without a file it has what `docker login` has left."""
    text = configuration(registry, login)
    if not text:
        yield ["docker"]
        return
    with tempfile.TemporaryDirectory(prefix="channels-stack-") as folder:
        place = Path(folder, "config.json")
        place.touch(mode=0o600)
        place.write_text(text)
        yield ["docker", "--config", folder]


def named(names: dict[str, str], registry: str, login: Path, through: str = "") -> dict[str, str]:
    """The images NAMES (by variables) as REGISTRY has them; one that was never pushed from here has no digest yet."""
    configuration(registry, login)
    place = through or registry
    return {
        variable: registry + digest(f"{place}/{transfer.label(name)}").removeprefix(place)
        for variable, name in names.items()
    }


def digest(name: str) -> str:
    """REPOSITORY@DIGEST of the image NAME that was pushed from here, or NAME."""
    repository = name.rpartition(":")[0]
    found = json.loads(transfer.look(name, "{{json .RepoDigests}}") or "[]")
    return next((each for each in found if each.startswith(f"{repository}@")), name)


def push(names: dict[str, str], registry: str, login: Path, through: str = "") -> dict[str, str]:
    """Push the images NAMES to REGISTRY and return their names with digests. What it has already is not sent again."""
    pushed = {}
    place = through or registry
    with logged_in(place, login) as docker:
        for name in dict.fromkeys(names.values()):
            transfer.bring(name)
            target = f"{place}/{transfer.label(name)}"
            subprocess.run(["docker", "tag", name, target], capture_output=True, check=True)
            done = subprocess.run([*docker, "push", target], capture_output=True, text=True, check=False)
            digest = re.search(r"digest: (sha256:[0-9a-f]+)", done.stdout)
            if done.returncode or not digest:
                raise Failure(refused(registry, login, done.stderr or done.stdout))
            pushed[name] = f"{registry}/{transfer.label(name).rpartition(':')[0]}@{digest[1]}"
    return {variable: pushed[name] for variable, name in names.items()}


def refused(registry: str, login: Path, complaint: str) -> str:
    """Why REGISTRY was of no use, and the fix, from the COMPLAINT of docker."""
    last_line = " ".join(complaint.strip().splitlines()[-1:])
    if "unauthorized" in last_line or "no basic auth credentials" in last_line or "denied" in last_line:
        known = "does not take the login in" if login.exists() else "wants a login: write USER:PASSWORD into"
        way = f"the registry {host(registry)} {known} {login} (chmod 600)"
    elif "x509" in last_line or "certificate" in last_line:
        way = (
            f"the certificate of the registry {host(registry)} is not trusted: its authority belongs into "
            f"/etc/docker/certs.d/{host(registry)}/ca.crt of the controller, and into stack_registry_ca for the hosts"
        )
    else:
        way = f"the registry {registry} cannot be used: check stack_registry, or the host of the group `registry`"
    return f"{way}. Its message: {last_line}. Nothing was changed"
