"""Carrying images to a host without a registry: an archive of those that it lacks, without the layers that it has."""

from __future__ import annotations

import gzip
import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from ..console import Failure

COMPRESSION = 1
"""gzip's level: 1 is about as fast as a good network and halves what goes over it."""


NOWHERE = "127.0.0.1:1"
"""Stands where the name of an image has its registry; nothing listens there.

Swarm asks an image's registry for it at every start of a task, also where the host has the image. A name without a registry
is Docker Hub's, where anyone might publish one, and a host without internet access would wait for the answer.
"""


def bring(name: str) -> str:
    """The id of the image NAME; what is not on this machine is pulled."""
    found = look(name)
    if not found:
        done = subprocess.run(
            ["docker", "pull", "--quiet", name], capture_output=True, text=True, check=False
        )
        if done.returncode:
            last_line = done.stderr.strip().splitlines()[-1:]
            raise Failure(
                f"the image {name} is not on this machine, and no registry gives it: {' '.join(last_line)}. Correct its "
                "name, or bring it here with docker pull or docker load; nothing was changed"
            )
        found = look(name)
    return found


def look(name: str, form: str = "{{.Id}}") -> str:
    """What the engine says of the image NAME, "" where it is not on this machine."""
    command = ["docker", "image", "inspect", "--format", form, name]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def label(name: str) -> str:
    """Repository and tag that always mean this content, for the image NAME.

    Our own tags are hashes of the content. Another image, whose tag may mean another content tomorrow, gets its id for a tag;
    one that is not on this machine keeps what it has.
    """
    if name.startswith("channels-stack/"):
        return name
    repository, _, tag = name.partition("@")[0].rpartition("/")[2].partition(":")
    identity = look(name).removeprefix("sha256:")[:12]
    return f"{repository}:{identity or tag or 'latest'}"


def named(names: dict[str, str]) -> dict[str, str]:
    """The images NAMES (by variables) as the hosts know them that get them over SSH."""
    return {variable: f"{NOWHERE}/{label(name)}" for variable, name in names.items()}


def tag(names: dict[str, str]) -> dict[str, str]:
    """Give the images NAMES, which are brought to this machine, the names that `named` says; returns these."""
    for name in names.values():
        bring(name)
    wanted = named(names)
    for variable, name in names.items():
        subprocess.run(["docker", "tag", name, wanted[variable]], capture_output=True, check=True)
    return wanted


def forget(names: list[str]) -> list[str]:
    """Take those NAMES off this machine that `tag` gave, and return them; the images keep the names that they had before.

    What another environment still deploys is named again by its next deploy. A registry's names stay: they lead to the digests.
    """
    given = [name for name in names if name.startswith(f"{NOWHERE}/") and look(name)]
    if given:
        subprocess.run(["docker", "image", "rm", *given], capture_output=True, check=True)
    return given


def layers(names: list[str]) -> dict[str, list[str]]:
    """The layers (digests of their content, the lowest first) of each image NAMES."""
    done = subprocess.run(["docker", "image", "inspect", *names], capture_output=True, text=True, check=True)
    return dict(zip(names, (image["RootFS"]["Layers"] for image in json.loads(done.stdout)), strict=True))


def known(wanted: dict[str, list[str]], there: list[list[str]]) -> set[str]:
    """Layers of the WANTED images that a host with images of the layers THERE need not be sent.

    A layer is known only on top of the same layers. One that is needed anywhere else is sent.
    """
    chains = {tuple(each[: count + 1]) for each in there for count in range(len(each))}
    have: set[str] = set()
    lacking: set[str] = set()
    for each in wanted.values():
        for count, layer in enumerate(each):
            (have if tuple(each[: count + 1]) in chains else lacking).add(layer)
    return have - lacking


def pack(names: list[str], without: set[str], path: Path, *, compress: bool) -> int:
    """Write an archive of the images NAMES for `docker load` to PATH, WITHOUT some layers; returns its size in bytes."""
    skipped = {f"blobs/{layer.replace(':', '/')}" for layer in without}
    process = subprocess.Popen(["docker", "save", *names], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    with path.open("wb") as plain:
        target: Any = (
            gzip.GzipFile(fileobj=plain, mode="wb", compresslevel=COMPRESSION) if compress else plain
        )
        with (
            tarfile.open(fileobj=process.stdout, mode="r|") as saved,
            tarfile.open(fileobj=target, mode="w|") as archive,
        ):
            for member in saved:
                if member.name not in skipped:
                    archive.addfile(member, saved.extractfile(member) if member.isfile() else None)
        if target is not plain:
            target.close()
    if process.wait():
        raise Failure(f"docker save failed: {process.stderr.read().decode().strip()}")
    return path.stat().st_size
