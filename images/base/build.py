#!/usr/bin/env python3
"""Make the Debian base image: pull it where a registry answers, else build it from Debian's signed archive.

    build.py --suite trixie --tag channels-stack/base:trixie --image debian:trixie-slim[@sha256:…] [--sources FILE]

A registry that does not answer within PULL_SECONDS counts as none: air-gapped and regulated networks drop packets
rather than refuse them. What is built is as slim as the official image: `minbase`, without documentation, manual
pages, translations and package lists. Prints one JSON object: {"id": image id, "source": "registry"|"archive",
"digest": repository digest or null}. Progress goes to standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PULL_SECONDS = 8
"""How long a registry may take to name the image; the pull itself may take longer."""

SLIM = [
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-include=/usr/share/locale/locale.alias",
    "path-exclude=/usr/share/lintian/*",
]
"""dpkg options of the official slim images; they stay in the image, so that later installs are slim as well."""

APT = ["Apt::AutoRemove::SuggestsImportant false", "Acquire::Languages none", "APT::Install-Recommends false"]
"""apt options that stay in the image: no translations, nothing that is only recommended."""


def say(text: str) -> None:
    """Progress for people."""
    print(f"base: {text}", file=sys.stderr, flush=True)


def pull(image: str) -> str | None:
    """Pull IMAGE and return its repository digest, or None where no registry answers for it."""
    try:
        asked = subprocess.run(
            ["docker", "manifest", "inspect", image], capture_output=True, timeout=PULL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return None
    if asked.returncode:
        return None
    say(f"pulling {image} ...")
    if subprocess.run(
        ["docker", "pull", "--quiet", image], stdout=subprocess.DEVNULL, check=False
    ).returncode:
        return None
    seen = subprocess.run(
        ["docker", "image", "inspect", "-f", "{{json .RepoDigests}}", image],
        capture_output=True,
        text=True,
        check=True,
    )
    return (json.loads(seen.stdout) or [None])[0]


def bootstrap(suite: str, sources: str, tag: str) -> None:
    """Build TAG with mmdebstrap from the archive that SOURCES (a .sources file of apt) names.

    The image keeps no address of a mirror: builds on top of it bring their own, as a secret.
    """
    if shutil.which("mmdebstrap") is None:
        raise SystemExit(
            "base: mmdebstrap is not installed: apt-get install mmdebstrap, or let `make up` do it"
        )
    say(f"no registry answers: building {suite} from the Debian archive of this host's apt (about 20 s) ...")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="channels-stack-base-") as folder:
        archive = Path(folder) / "rootfs.tar"
        command = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=ca-certificates"]
        command += [f"--dpkgopt={option}" for option in SLIM]
        command += [f"--aptopt={option}" for option in APT]
        for unwanted in ("/usr/share/locale/*/", "/etc/apt/sources.list", "/etc/apt/sources.list.d/*"):
            command.append(f'--customize-hook=rm -rf "$1"{unwanted}')
        command += [suite, str(archive), sources]
        environment = {**os.environ, "SOURCE_DATE_EPOCH": "0"}
        done = subprocess.run(command, text=True, capture_output=True, env=environment, check=False)
        if done.returncode:
            raise SystemExit("base: mmdebstrap failed:\n" + "\n".join(done.stderr.splitlines()[-10:]))
        change = ['CMD ["bash"]', f"LABEL org.opencontainers.image.title=debian-{suite}-slim"]
        options = [part for text in change for part in ("--change", text)]
        subprocess.run(
            ["docker", "import", *options, str(archive), tag], stdout=subprocess.DEVNULL, check=True
        )
    say(f"built in {time.monotonic() - started:.0f} s")


def main() -> int:
    """Make the image and print what it is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", default="trixie")
    parser.add_argument("--tag", required=True)
    parser.add_argument("--image", required=True, help="the official image to pull, perhaps with @sha256:…")
    parser.add_argument("--sources", help="apt .sources file to build from where no registry answers")
    options = parser.parse_args()
    digest = pull(options.image)
    if digest:
        subprocess.run(["docker", "tag", options.image, options.tag], check=True)
    elif "@sha256:" in options.image:
        raise SystemExit(
            f"base: {options.image} is pinned by digest and no registry delivers it: unpin BASE_IMAGE, or give one that does"
        )
    elif not options.sources:
        raise SystemExit(
            "base: no registry answers, and this host's apt names no Debian archive: set DEBIAN_MIRROR in stack.env"
        )
    else:
        bootstrap(options.suite, options.sources, options.tag)
    seen = subprocess.run(
        ["docker", "image", "inspect", "-f", "{{.Id}}", options.tag],
        capture_output=True,
        text=True,
        check=True,
    )
    print(
        json.dumps(
            {"id": seen.stdout.strip(), "source": "registry" if digest else "archive", "digest": digest}
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
