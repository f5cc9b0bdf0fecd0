"""`make up BUNDLE=…`, on a machine that reaches nothing: what a bundle has is put where `make up` looks for it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import IO, Any

from ..build import build_environment, builder
from ..build.bundle import CONTENTS, MANIFEST
from ..console import Failure, detail, step
from ..paths import BASES, WHEELS, Deployment
from . import preflight

CHUNK = 1024 * 1024


def take(deployment: Deployment, path: Path) -> None:
    """Install the engine from the bundle at PATH where it is missing, load the images, keep the rest for later."""
    try:
        tar = tarfile.open(path)  # noqa: SIM115 the block below closes it
    except (OSError, tarfile.TarError) as error:
        raise Failure(
            f"BUNDLE={path} cannot be read: {error}. Is it the file that `make bundle` wrote, whole?"
        ) from None
    with tar, step("what the bundle has"):
        manifest = checked(tar, path)
        prepare(tar, manifest)
        load(tar, manifest)
        if not deployment.settings.exists() and "stack.env" in manifest["files"]:
            deployment.folder.mkdir(parents=True, exist_ok=True)
            deployment.settings.write_bytes(member(tar, "stack.env").read())
            detail(f"made {deployment.shown(deployment.settings)}, as it was where the bundle was made")


def checked(tar: tarfile.TarFile, path: Path) -> dict[str, Any]:
    """The manifest; Failure where a file that it names is not there, or not as it was."""
    try:
        manifest = json.loads(tar.extractfile(MANIFEST).read())  # type: ignore[union-attr]
        for name, digest in manifest["files"].items():
            found = hashlib.sha256()
            with member(tar, name) as file:
                while chunk := file.read(CHUNK):
                    found.update(chunk)
            if found.hexdigest() != digest:
                raise Failure(f"BUNDLE={path}: {name} is not what `make bundle` wrote: copy the file again")
    except (KeyError, OSError, tarfile.TarError) as error:
        raise Failure(f"BUNDLE={path} is no bundle, or was cut off ({error}): copy the file again") from None
    return dict(manifest)


def member(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    """One file of the bundle."""
    file = tar.extractfile(f"{CONTENTS}/{name}")
    assert file is not None
    return file


def prepare(tar: tarfile.TarFile, manifest: dict[str, Any]) -> None:
    """The engine and the tools, from the bundle's packages; wheels go to their folder."""
    found = preflight.engine("check")
    missing = set(found["problems"]) - {"the Docker Engine is installed but does not answer"}
    if missing or not shutil.which("openssl"):
        suite = build_environment.distribution().get("VERSION_CODENAME", "")
        names = [name for name in manifest["files"] if name.startswith(f"packages/{suite}/")]
        if not names:
            raise Failure(
                f"the bundle has packages for {' and '.join(manifest['suites'])}, and this is {suite or 'another system'}: "
                f"make bundle W={suite or 'trixie'}"
            )
        install(tar, names)
    if found["problems"]:
        preflight.engine("install", root=True)
    wheels = [name for name in manifest["files"] if name.startswith("wheels/")]
    if wheels:
        WHEELS.mkdir(exist_ok=True)
    for name in wheels:
        (WHEELS / Path(name).name).write_bytes(member(tar, name).read())


def install(tar: tarfile.TarFile, names: list[str]) -> None:
    """Install the packages NAMES; what is there as new already stays."""
    with tempfile.TemporaryDirectory(prefix="channels-stack-") as place:
        for name in names:
            (Path(place) / Path(name).name).write_bytes(member(tar, name).read())
        prefix = ["sudo"] if os.geteuid() else []
        command = [
            *prefix,
            "env",
            "DEBIAN_FRONTEND=noninteractive",
            "dpkg",
            "--install",
            "--skip-same-version",
        ]
        files = sorted(str(path) for path in Path(place).iterdir())
        done = subprocess.run(
            [*command, "--refuse-downgrade", *files], capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise Failure("dpkg --install failed:\n" + "\n".join((done.stdout + done.stderr).splitlines()[-8:]))
    detail(f"installed from {len(names)} packages")


def load(tar: tarfile.TarFile, manifest: dict[str, Any]) -> None:
    """The images that are not here yet; and by which digest of its base each was named."""
    BASES.write_text(json.dumps(manifest["bases"], indent=2) + "\n")
    wanted = {*manifest["images"].values(), *manifest["bases"]}
    missing = sorted(name for name in wanted if not builder.exists(name))
    if not missing:
        return
    with subprocess.Popen(
        ["docker", "load", "--quiet"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as loading:
        assert loading.stdin and loading.stderr
        try:
            with member(tar, "images.tar") as file:
                shutil.copyfileobj(file, loading.stdin, CHUNK)
            loading.stdin.close()
        except BrokenPipeError:
            pass  # it says why
        complaint = loading.stderr.read().decode(errors="replace")
    if loading.returncode:
        raise Failure(f"docker load failed: {complaint.strip()}")
    detail(f"loaded {len(missing)} images")
