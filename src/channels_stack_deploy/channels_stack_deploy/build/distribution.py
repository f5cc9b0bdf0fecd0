"""What a release consists of, in dist/: wheel and source of `channels_stack`, images by digest, their bills of materials, notes.

Called by `make release`, with the images built and their names in the environment (.images). Needs the tests' virtual
environment (build, cyclonedx). Nothing is uploaded; .github/workflows/release.yml does that for a tag.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from ..console import Failure, detail, step
from ..paths import ROOT
from .builder import version

PUBLISHED = ("UVICORN", "DAPHNE", "EDGE", "REDIS", "DB", "CERTIFICATES", "REGISTRY", "BACKUP", "MONITORING")
"""Images of a release, as .images names them; the other ones are for tests alone."""

INVENTORY = r"""
dpkg-query --show --showformat 'deb ${Package} ${Version} ${Architecture}\n'
for file in $(find / -xdev -path '*.dist-info/METADATA' -not -path '/usr/lib/*'); do
  echo pypi $(sed -n '/^$/q; s/^Name: //p; s/^Version: //p' "$file")
done
"""
"""Lists what an image contains: Debian packages, and Python packages outside of them."""


def notes(changelog: str, wanted: str) -> str:
    """The section of WANTED in the text of CHANGELOG.md; "" where it has none with a date."""
    match = re.search(
        rf"^## \[{re.escape(wanted)}\] - \d{{4}}-\d\d-\d\d\n(.*?)(?=^## |\Z)",
        changelog,
        re.MULTILINE | re.DOTALL,
    )
    return match[1].strip() + "\n" if match else ""


def problems(root: Path, wanted: str) -> list[str]:
    """Why the repository in ROOT cannot be released as WANTED, a line each."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
        return done.stdout.rstrip()

    problems = []
    changed = [line[3:] for line in git("status", "--porcelain").splitlines()]
    if changed:
        problems.append(f"not committed: {', '.join(changed[:5])}{' …' if changed[5:] else ''}")
    if not notes((root / "CHANGELOG.md").read_text(), wanted):
        problems.append(
            f"CHANGELOG.md has no section `## [{wanted}] - YYYY-MM-DD`: write the date of the release"
        )
    tagged = git("tag", "--list", f"v{wanted}")
    if tagged and git("rev-list", "-n1", tagged) != git("rev-parse", "HEAD"):
        problems.append(
            f"{tagged} is another commit: raise __version__ in src/channels_stack/channels_stack/__init__.py"
        )
    return problems


def bill(image: str) -> Bom:
    """The bill of materials of IMAGE: everything that Debian's and Python's package managers know in it."""
    command = [
        "docker",
        "run",
        "--rm",
        "--network=none",
        "--user=0",
        "--entrypoint=sh",
        image,
        "-c",
        INVENTORY,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(f"{image} cannot be listed: {done.stderr.strip()}")
    name, _, tag = image.partition(":")
    bom = Bom()
    bom.metadata.component = Component(type=ComponentType.CONTAINER, name=name, version=tag)
    for line in done.stdout.splitlines():
        kind, package, number, *architecture = line.split()
        qualifiers = {"arch": architecture[0]} if architecture else None
        namespace = "debian" if kind == "deb" else None
        purl = PackageURL(kind, namespace, package, number, qualifiers)
        bom.components.add(Component(name=package, version=number, purl=purl, bom_ref=purl.to_string()))
    return bom


def images() -> list[str]:
    """The full name of each image of a release."""
    names = {key: os.environ.get(f"{key}_IMAGE", "") for key in PUBLISHED}
    missing = [f"{key}_IMAGE" for key, name in names.items() if not name]
    if missing:
        raise Failure(f"not in the environment: {' '.join(missing)}; `make images` writes them to .images")
    return list(names.values())


def packages(folder: Path) -> None:
    """Wheel and source of the library; the same commit gives the same bytes."""
    moment = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT / "src/channels_stack")]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": moment}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise Failure(f"the library cannot be packaged:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def main() -> None:
    """Make dist/, or say everything that keeps it from being made."""
    wanted = version()
    found = problems(ROOT, wanted)
    if found:
        raise Failure("\n".join([f"{wanted} cannot be released:", *(f"  {line}" for line in found)]))
    folder = ROOT / "dist"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    with step("wheel and source of channels_stack"):
        packages(folder)
    (folder / "NOTES.md").write_text(notes((ROOT / "CHANGELOG.md").read_text(), wanted))
    ids = {}
    for image in images():
        with step(f"bill of materials of {image}"):
            inspect = ["docker", "image", "inspect", "--format", "{{.Id}}", image]
            ids[image] = subprocess.run(inspect, capture_output=True, text=True, check=True).stdout.strip()
            name = image.partition(":")[0].rpartition("/")[2]
            written = make_outputter(bill(image), OutputFormat.JSON, SchemaVersion.V1_6)
            written.output_to_file(str(folder / f"{name}.cdx.json"), indent=1)
    (folder / "images.json").write_text(json.dumps(ids, indent=1) + "\n")
    sums = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in sorted(folder.iterdir())
    ]
    (folder / "SHA256SUMS").write_text("\n".join(sums) + "\n")
    for path in sorted(folder.iterdir()):
        detail(f"dist/{path.name}")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"release: {failure}")
