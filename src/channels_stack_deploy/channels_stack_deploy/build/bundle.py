"""`make bundle`: one file with all that a machine needs which reaches nothing; there `make up BUNDLE=…` takes it.

A tar: the sources with playbooks and application, and below `bundle/` the images as `docker save` writes them, Debian packages of
the engine and the tools for each Debian release asked for, wheels of Ansible, and a manifest with the digest of each of these.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..console import Failure, detail, say, step
from ..paths import ROOT, Deployment
from . import build_environment, builder, contexts, images, packages

PYTHONS = {"bookworm": "3.11", "trixie": "3.13"}
"""Debian releases that a bundle can be for, and their Python: wheels are for one."""

TOOLS = ("make", "openssl", "openssh-client", "python3-venv")
"""What the stack's verbs call, in addition to the engine."""

CONTENTS = "bundle"
MANIFEST = f"{CONTENTS}/manifest.json"
SOURCES = "channels-stack"
"""Folders in the tar."""

REQUIREMENTS = ROOT / "ansible/requirements.txt"


def make(deployment: Deployment, settings: dict[str, str], words: str) -> Path:
    """Write the bundle of the stack that DEPLOYMENT is set to run, for machines of the Debian releases in WORDS; its path."""
    suites = words.split() or [build_environment.distribution().get("VERSION_CODENAME", "")]
    unknown = sorted(set(suites) - PYTHONS.keys())
    if unknown:
        raise Failure(
            f"W={' '.join(suites)}: a bundle is for {' or '.join(PYTHONS)}, not {' '.join(unknown)}"
        )
    application = outside(settings)
    names = images.make(settings)
    described = {
        suite: builder.base(settings, suite)[1] for suite in {contexts.SUITE, settings["APP_DEBIAN"]}
    }
    bases = {each["BASE"]: each["BASE_DIGEST"] for each in described.values()}
    version = builder.version()
    digest = hashlib.sha256(" ".join(sorted(names.values())).encode()).hexdigest()[:8]
    target = ROOT / f"dist/channels-stack-{version}-{digest}.bundle.tar"
    target.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="channels-stack-", dir=target.parent) as place:
        folder = Path(place) / CONTENTS
        folder.mkdir()
        for suite in suites:
            with step(f"packages for {suite}"):
                detail(f"{fetched(folder / 'packages' / suite, suite, settings)} packages")
        with step("wheels of Ansible"):
            wheels(folder / "wheels", [PYTHONS[suite] for suite in suites])
        with step("images"):
            saved = sorted({*names.values(), *bases})
            run("docker", "save", "--output", str(folder / "images.tar"), *saved)
            detail(f"{len(saved)} images")
        if deployment.settings.exists():
            (folder / "stack.env").write_text(deployment.settings.read_text())
        manifest: dict[str, Any] = {
            "version": version,
            "images": names,
            "bases": bases,
            "suites": suites,
            "files": {
                str(path.relative_to(folder)): sha256(path)
                for path in sorted(folder.rglob("*"))
                if path.is_file()
            },
        }
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
        with step("the file"):
            write(target, folder, application)
    say(f"{target.relative_to(ROOT)}: {target.stat().st_size / 1e6:,.0f} MB, for {' and '.join(suites)}")
    say(f"  there: tar -xf {target.name} --exclude={CONTENTS}; cd {SOURCES}; make up BUNDLE=../{target.name}")
    return target


def outside(settings: dict[str, str]) -> Path | None:
    """The application's folder where it is not in the checkout; Failure where it is not next to it either."""
    project = (ROOT / "compose" / settings["APP_DIR"]).resolve()
    if project.is_relative_to(ROOT):
        return None
    if not project.is_relative_to(ROOT.parent):
        raise Failure(
            f"APP_DIR is {project}, which is not next to this checkout: a bundle carries both side by side; "
            f"move it to {ROOT.parent}"
        )
    return project


def fetched(into: Path, suite: str, settings: dict[str, str]) -> int:
    """Fetch the packages that a machine of SUITE with nothing but Debian's essential ones lacks; how many they are."""
    base = builder.base(settings, suite)[0]
    status = run("docker", "run", "--rm", "--network", "none", base, "cat", "/var/lib/dpkg/status")
    architecture = run("docker", "version", "--format", "{{.Server.Arch}}").strip()
    into.mkdir(parents=True)
    return len(
        packages.fetch(packages.missing(list(TOOLS), status), status, suite, architecture, settings, into)
    )


def wheels(into: Path, pythons: Iterable[str]) -> None:
    """Fetch what `make controller` installs, for each of PYTHONS."""
    for python in pythons:
        words = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--python-version", python]
        run(
            *(sys.executable, "-m", "pip", "download", "--quiet", *words),
            *("--requirement", str(REQUIREMENTS), "--dest", str(into)),
        )


def write(target: Path, folder: Path, application: Path | None) -> None:
    """Write the TARGET: manifest, the contents of FOLDER, the sources and the APPLICATION."""
    new = target.with_name(target.name + ".new")
    with tarfile.open(new, "w") as tar:
        tar.add(folder / "manifest.json", MANIFEST)
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name != "manifest.json":
                tar.add(path, f"{CONTENTS}/{path.relative_to(folder)}")
        for name in sources():
            tar.add(ROOT / name, f"{SOURCES}/{name}")
        for path in contexts.files(application) if application else ():
            tar.add(path, str(path.relative_to(ROOT.parent)))
    new.replace(target)


def sources() -> list[str]:
    """The files of this checkout; without git, which a source archive has none of, everything that is not made here."""
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Failure(
            "make bundle takes the sources that git knows, and this folder is no clone: clone it, then try again"
        )
    return [name for name in done.stdout.splitlines() if (ROOT / name).is_file()]


def sha256(path: Path) -> str:
    """The digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def run(*command: str) -> str:
    """What COMMAND prints; Failure with its last lines."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = "\n".join(done.stderr.strip().splitlines()[-8:])
        raise Failure(f"{' '.join(command[:3])} failed (exit {done.returncode}):\n{last}")
    return done.stdout
