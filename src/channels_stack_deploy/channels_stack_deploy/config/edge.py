"""What the edge reads from its folder: settings and certificate, checked before they are put there, and its reload.

The folder is mounted as a whole, because a mounted file does not follow the renaming by which it is replaced.
"""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from ..console import Failure
from ..local.compose import Project, quoted
from ..paths import Deployment
from . import concurrency, schema, secrets

FILES = ("settings.env", "tls.pem", "tls.sha256")
"""The last one shows whether the certificate changed, to those who may not read it."""

SHARE = "share"
"""There while a new release is on trial with a share of the visitors: their percentage."""


def write(deployment: Deployment, settings: dict[str, str], certificate: str, image: str) -> bool:
    """Put SETTINGS and CERTIFICATE (PEM, with its key) into the folder once IMAGE has no objection; Failure with its lines.

    False where they are there already.
    """
    folder, new = deployment.edge, deployment.edge / "new"
    texts = contents(settings, certificate)
    if all((folder / name).exists() and (folder / name).read_text() == text for name, text in texts.items()):
        return False
    for place in (folder, new):
        place.mkdir(mode=0o755, parents=True, exist_ok=True)
    stage(new, settings, certificate, secrets.APPLICATION)
    secrets.own(new, {"tls.pem": secrets.APPLICATION}, image)
    check(new, image)
    for name in FILES:
        (new / name).replace(folder / name)
    new.rmdir()
    return True


def contents(settings: dict[str, str], certificate: str) -> dict[str, str]:
    """What anyone may read of the folder, by file name: a change of a setting that the edge does not read does not change it."""
    read = schema.read_by(schema.EDGE)
    lines = {name: value for name, value in settings.items() if name in read}
    lines["HTTP_MAXCONN"] = concurrency.derived(settings)["HTTP_MAXCONN"]
    return {
        "settings.env": "".join(f"{name}={quoted(value)}\n" for name, value in lines.items() if value),
        "tls.sha256": hashlib.sha256(certificate.encode()).hexdigest() + "\n",
    }


def stage(folder: Path, settings: dict[str, str], certificate: str, owner: int | None = None) -> None:
    """Leave all files in FOLDER, the certificate with its key for the user id OWNER (this user's own) alone."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
    for name, text in contents(settings, certificate).items():
        (folder / name).write_text(text)
    secrets.write(folder / "tls.pem", certificate, owner)


def check(folder: Path, image: str) -> None:
    """Failure where an edge of IMAGE would not run with FOLDER."""
    rights = ["--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"]
    command = ["docker", "run", *rights, "--volume", f"{folder}:/etc/edge:ro", image, "edge", "check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(
            f"the edge refuses its settings or certificate; what runs stays as it is\n{done.stderr.strip()}"
        )


def reload(project: Project) -> set[str]:
    """Have every edge of PROJECT run with its folder as it is, without an interruption; Failure with what it has against it.

    Each would take it up by itself within seconds; this makes sure, and says why not. Returns their containers' ids.
    """
    found = set()
    for container in project.containers():
        if container["Service"] == "edge" and container["State"] == "running":
            found.add(container["ID"])
            command = ["docker", "exec", container["ID"], "edge", "reload"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise Failure(
                    f"the edge was not reloaded, its former configuration goes on\n{done.stderr.strip()}"
                )
    return found
