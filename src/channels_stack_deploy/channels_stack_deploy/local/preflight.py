"""Looking before changing: everything that would stop the stack, in one table with the fix of each."""

from __future__ import annotations

import email.utils
import ipaddress
import json
import os
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

from ..build import apt, build_environment, builder
from ..config import addresses, certificates, concurrency, environments, ownership, ports, sockets
from ..console import Failure, agreed, detail, table
from ..paths import ENGINE, Deployment

DISK_BYTES = 5 * 1024**3
"""Free space for the images (about 1 GB), their build cache and some data."""

MEMORY_BYTES = 1536 * 1024**2
"""Available memory: the idle stack takes about 0.6 GB, a build about as much."""

CLOCK_SECONDS = 30
"""Clock difference that is refused: channel layers and certificates compare wall clocks between machines."""

TOOLS = {"openssl": "openssl", "mmdebstrap": "mmdebstrap"}
"""Commands that the tool calls, and the package of each. mmdebstrap is needed only where no registry answers."""

Problem = tuple[str, str, str]
"""(what was looked at, what is wrong, the fix)."""


def engine(command: str, *, root: bool = False) -> dict[str, Any]:
    """Call the engine tool, with sudo where ROOT is needed and this user is not; its progress is shown."""
    prefix = ["sudo"] if root and os.geteuid() != 0 else []
    done = subprocess.run(
        [*prefix, "python3", str(ENGINE), command], stdout=subprocess.PIPE, text=True, check=False
    )
    if not done.stdout.startswith("{"):
        raise Failure(f"{ENGINE.name} {command} failed (exit {done.returncode}); the lines above say why")
    return json.loads(done.stdout)


def missing_tools(settings: dict[str, str]) -> list[str]:
    """Packages of the TOOLS that are not here; mmdebstrap counts on Debian's own mirror being known, and makes the base image."""
    wanted = dict(TOOLS)
    made = bool(shutil.which("docker")) and builder.exists(builder.base_name(settings)[1])
    if made or build_environment.debian_mirrors(settings["DEBIAN_MIRROR"]) is None:
        del wanted["mmdebstrap"]
    return [package for command, package in wanted.items() if shutil.which(command) is None]


def prepare(settings: dict[str, str]) -> None:
    """Install the engine and the tools where they are missing; ENGINE=keep forbids it. Failure names what remains."""
    state = engine("check")
    packages = missing_tools(settings)
    if not state["problems"] and not packages:
        return
    if os.environ.get("ENGINE") == "keep":
        rows = [
            ("engine", problem, "install Docker Engine >= 24 with Compose >= 2.24 and buildx")
            for problem in state["problems"]
        ]
        rows += [
            ("tools", f"{package} is not installed", f"apt-get install {package}") for package in packages
        ]
        refuse(rows)
    for problem in state["problems"]:
        detail(problem)
    if not agreed(
        f"Install {' and '.join(filter(None, ['the Docker packages' if state['problems'] else '', *packages]))} with apt?"
    ):
        raise Failure("nothing was installed. ENGINE=keep makes this look only")
    if state["problems"]:
        state = engine("install", root=True)
        if state["problems"]:
            refuse([("engine", problem, "see the lines above") for problem in state["problems"]])
    if packages:
        detail(f"installing {' '.join(packages)} ...")
        apt.install(packages)


def refuse(rows: list[Problem]) -> None:
    """Print ROWS as one table and stop, where there are any."""
    if rows:
        table(("looked at", "problem", "fix"), rows)
        raise Failure(
            f"{len(rows)} problem{'s' if len(rows) > 1 else ''} to solve first; nothing that runs was changed"
        )


def look(deployment: Deployment, settings: dict[str, str], ours: set[int]) -> None:
    """Refuse with all problems: project, ports (those in OURS are this stack's), disk, memory, clock and certificate."""
    of_project = ownership.renamed(deployment, settings)
    of_project += ownership.problems(deployment, settings[ownership.NAME])
    of_project += environments.problems(deployment, settings)
    rows = [("project", *row) for row in of_project]
    rows += [
        *ports.problems(deployment, settings, ours),
        *hops(deployment, settings),
        *space(),
        *clock(settings),
    ]
    if why := not rows and addresses.bound(settings["BIND_ADDRESS"], settings[ownership.NAME]).why:
        detail(why)
    rows += concurrency.problems(settings)
    rows += sockets.problems(settings, sockets.tracked())
    rows += [("certificate", *row) for row in certificates.problems(deployment, settings)]
    refuse(rows)
    if words := sockets.summary(settings):
        detail(words)


def hops(deployment: Deployment, settings: dict[str, str]) -> list[Problem]:
    """This machine believed as what is in front, while strangers may come by the same way."""
    if "host" in settings["EDGE_TRUSTED_HOPS"].split() and not all(
        map(local, settings["BIND_ADDRESS"].split())
    ):
        problem = f"EDGE_TRUSTED_HOPS names host, and BIND_ADDRESS={settings['BIND_ADDRESS']} lets others come past it"
        return [("in front", problem, f"BIND_ADDRESS=127.0.0.1 in {deployment.shown(deployment.settings)}")]
    return []


def local(address: str) -> bool:
    """Whether ADDRESS is one of the loopback interface."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def space() -> list[Problem]:
    """Too little disk or memory."""
    rows: list[Problem] = []
    root = Path("/var/lib/docker")
    available = shutil.disk_usage(root if root.exists() else "/").free
    if available < DISK_BYTES:
        rows.append(
            (
                "disk",
                f"{available / 1e9:.1f} GB free at {root}",
                "5 GB are needed: docker image prune, or a larger disk",
            )
        )
    memory = build_environment.available_memory()
    if memory < MEMORY_BYTES:
        rows.append(
            (
                "memory",
                f"{memory / 1e9:.1f} GB available",
                "1.5 GB are needed: stop something, or lower the *_MEMORY settings",
            )
        )
    return rows


def clock(settings: dict[str, str]) -> list[Problem]:
    """A clock that differs from that of the package mirror, where one answers within two seconds."""
    mirrors = build_environment.debian_mirrors(settings["DEBIAN_MIRROR"])
    if mirrors is None or os.environ.get("http_proxy"):
        return []
    request = urllib.request.Request(mirrors[0] + "/", method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:
            date = email.utils.parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except (OSError, TypeError, ValueError):
        return []
    skew = time.time() - date
    fix = "set it right and keep it so: apt-get install chrony"
    return (
        [("clock", f"differs from the package mirror's by {skew:+.0f} s", fix)]
        if abs(skew) > CLOCK_SECONDS
        else []
    )
