#!/usr/bin/env python3
"""Make a host able to run containers: Docker Engine, Compose and buildx from the distribution's own archive.

One file, standard library only, because it runs before anything is installed: `make up` calls it on a fresh
machine, and the Ansible role `engine` runs the same file on every server.

    engine.py check            say what is there and what is missing (exit 0: able, 1: something is missing)
    engine.py packages         install what is missing (needs root)
    engine.py install          the same, and start the engine
    engine.py apply            restart the engine if its configuration is newer than its start (through systemd)
    engine.py start | stop     start it (through systemd where that is PID 1) | stop what `start` started

Every command prints one JSON object on standard output: {"changed": bool, "engine": ..., "problems": [...]}; of the
problems, engine["refused"] are those that no installation cures. What it is doing goes to standard error.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

COMPOSE_MINIMUM = (2, 24)
"""Compose 2.24 is the first with `!override` and `env_file` in long form; our overlays use them."""

PACKAGES = {
    "debian": ["docker.io", "docker-cli", "docker-compose", "docker-buildx", "containerd", "iptables"],
    "ubuntu": ["docker.io", "docker-compose-v2", "docker-buildx", "iptables"],
}
"""Packages by distribution; `iptables` is only recommended by docker.io, and no port is published without it."""

PINNED = ["docker.io", "docker-cli", "docker-compose", "docker-buildx", "containerd"]
"""What bookworm takes from trixie: its own Compose is version 1 and it has no buildx. They need libc6 >= 2.34 only."""

SOURCES = Path("/etc/apt/sources.list.d/channels-stack-engine.sources")
PREFERENCES = Path("/etc/apt/preferences.d/channels-stack-engine")
SNAP = Path("/snap/bin/docker")
LOG = Path("/var/log/channels-stack-dockerd.log")
CONFIGURATION = Path("/etc/docker/daemon.json")
PID_FILE = Path("/run/channels-stack-dockerd.pid")
ROUTES = Path("/proc/net/ipv6_route")
TRANSLATING = {"experimental": True, "ip6tables": True}
"""What makes an engine before version 27 hand IPv6 visitors on with their own addresses."""

START_SECONDS = 60
NOT_ANSWERING = "the Docker Engine is installed but does not answer"
"""The one problem that takes a start and no package."""


class EngineError(Exception):
    """Something the operator has to decide or repair; the text says what and how."""


def say(text: str) -> None:
    """Progress for people, on standard error, so that standard output stays one JSON object."""
    print(f"engine: {text}", file=sys.stderr, flush=True)


def run(*command: str, timeout: float = 900, **options) -> subprocess.CompletedProcess[str]:
    """Run COMMAND and return it, finished, with its output as text."""
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, **options)


def version_of(*command: str) -> tuple[int, ...] | None:
    """The first dotted number that COMMAND prints, or None where it does not run."""
    if shutil.which(command[0]) is None:
        return None
    answer = run(*command, timeout=30)
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", answer.stdout) if answer.returncode == 0 else None
    return tuple(int(part) for part in found.groups() if part) if found else None


def distribution() -> tuple[str, str, str]:
    """(id, version number, code name) of this host, from /etc/os-release."""
    lines = Path("/etc/os-release").read_text().splitlines()
    fields = dict(line.split("=", 1) for line in lines if "=" in line)
    return tuple(fields.get(key, "").strip('"') for key in ("ID", "VERSION_ID", "VERSION_CODENAME"))  # type: ignore[return-value]


def answers() -> bool:
    """Whether an engine answers this user."""
    return (
        shutil.which("docker") is not None
        and run("docker", "version", "-f", "{{.Server.Version}}", timeout=20).returncode == 0
    )


def state() -> dict:
    """What is there: versions as text, and the list of problems in the order to solve them."""
    engine = shutil.which("dockerd") or shutil.which("/usr/sbin/dockerd")
    running = answers()
    compose, buildx = version_of("docker", "compose", "version"), version_of("docker", "buildx", "version")
    problems = refused()
    if not running and not engine:
        problems.append("no Docker Engine on this host")
    elif not running:
        problems.append(NOT_ANSWERING)
    if compose is None or compose < COMPOSE_MINIMUM:
        problems.append(f"Docker Compose {dotted(compose)}: {dotted(COMPOSE_MINIMUM)} or newer is needed")
    if buildx is None:
        problems.append("no docker buildx")
    return {
        "installed": bool(engine),
        "running": running,
        "stale": running and stale(),
        "compose": dotted(compose),
        "buildx": dotted(buildx),
        "problems": problems,
        "refused": refused(),
    }


def refused() -> list[str]:
    """What has to be taken away before anything is installed."""
    if not SNAP.exists():
        return []
    return [
        "Docker is a snap here, which reads no /etc/docker and no /tmp of the host, and does not run alongside docker.io: "
        "snap remove docker (its containers and volumes go with it), then try again"
    ]


def stale() -> bool:
    """Whether the configuration was written after the engine that runs was started; False where systemd does not run it."""
    if not systemd() or not CONFIGURATION.exists():
        return False
    command = ("systemctl", "show", "--timestamp=unix", "--property=ActiveEnterTimestamp", "--value")
    since = run(*command, "docker.service", timeout=20).stdout.strip().lstrip("@")
    return since.isdigit() and int(CONFIGURATION.stat().st_mtime) > int(since)


def dotted(version: tuple[int, ...] | None) -> str:
    """(2, 24) -> "2.24"; None -> "none"."""
    return ".".join(map(str, version)) if version else "none"


def apt_uri(codename: str) -> str:
    """The address of the archive that this host's apt takes CODENAME from, so that a mirror stays the only one asked."""
    for path in sorted(Path("/etc/apt").glob("sources.list*")) + sorted(
        Path("/etc/apt/sources.list.d").glob("*")
    ):
        if not path.is_file() or path == SOURCES:
            continue
        text = path.read_text()
        for stanza in text.split("\n\n"):
            fields = dict(re.findall(r"^(URIs|Suites|Types):\s*(.+)$", stanza, re.M))
            if codename in fields.get("Suites", "").split() and "deb" in fields.get("Types", "").split():
                return fields["URIs"].split()[0]
        line = re.search(rf"^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+{re.escape(codename)}\s", text, re.M)
        if line:
            return line.group(1)
    raise EngineError(
        f"no apt source for {codename} in /etc/apt: which mirror shall be used? Add one, then try again"
    )


def source(archive: str, security: str) -> str:
    """The apt sources by which bookworm sees trixie, from the addresses of ARCHIVE and SECURITY archive ("": there is none)."""
    text = "# Made by channels-stack: Docker with Compose 2 for bookworm; see the pin in /etc/apt/preferences.d\n"
    stanzas = [
        f"Types: deb\nURIs: {uri}\nSuites: {suite}\nComponents: main\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
        for uri, suite in ((archive, "trixie"), (security, "trixie-security"))
        if uri
    ]
    return text + "\n".join(stanzas)


def preferences() -> str:
    """The pins by which bookworm takes the PINNED packages from trixie, with their security updates, and nothing else."""
    return "\n".join(
        f"Package: {names}\nPin: release n={suite}\nPin-Priority: {priority}\n"
        for suite in ("trixie", "trixie-security")
        for names, priority in (("*", -1), (" ".join(PINNED), 990))
    )


def pin_trixie(codename: str) -> None:
    """Let bookworm's apt see trixie for the PINNED packages and for nothing else."""
    security = ""
    with contextlib.suppress(EngineError):
        security = apt_uri(f"{codename}-security")
    SOURCES.write_text(source(apt_uri(codename), security))
    PREFERENCES.write_text(preferences())


def apt_get(*arguments: str) -> None:
    """Run apt-get without questions; EngineError with its last lines where it fails."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if run("dpkg", "--audit").stdout:  # an installation was killed in the middle
        run("dpkg", "--configure", "-a", env=environment)
    done = run("apt-get", "-q", "-o", "DPkg::Lock::Timeout=120", *arguments, env=environment)
    if done.returncode:
        raise EngineError(
            f"apt-get {' '.join(arguments)} failed:\n"
            + "\n".join((done.stdout + done.stderr).splitlines()[-8:])
        )


def lists_are_fresh() -> bool:
    """Whether apt fetched package lists within the last hour."""
    lists = Path("/var/lib/apt/lists")
    return any(lists.glob("*Release")) and time.time() - lists.stat().st_mtime < 3600


def packages() -> bool:
    """Install what `state` misses. Returns whether anything was installed."""
    if not set(state()["problems"]) - {NOT_ANSWERING}:
        return False
    if refused():
        raise EngineError("\n".join(refused()))
    name, number, codename = distribution()
    if name not in PACKAGES:
        raise EngineError(
            f"{name} {number} is not known here (Debian 12 and 13 and Ubuntu 24.04 are): install Docker Engine by hand"
        )
    if os.geteuid() != 0:
        raise EngineError("installing packages needs root: run as root, or with sudo")
    if codename == "bookworm":
        pin_trixie(codename)
    say(f"installing {' '.join(PACKAGES[name])} from the archive of {name} (about 15 s) ...")
    started = time.monotonic()
    if codename == "bookworm" or not lists_are_fresh():
        apt_get("update")
    apt_get("install", "-y", "--no-install-recommends", *PACKAGES[name])
    say(f"installed in {time.monotonic() - started:.0f} s")
    return True


def install() -> bool:
    """Install what is missing and start the engine. Returns whether either was needed."""
    fresh = shutil.which("dockerd") is None
    installed = packages()
    if fresh and translate() and systemd():
        run("systemctl", "restart", "docker.service")  # `start` says what is wrong, if anything is
    return start() or installed


def translate() -> bool:
    """Have an engine that has no configuration yet translate IPv6, where this host has it. Returns whether that is needed."""
    if CONFIGURATION.exists() or not any(route.startswith("0" * 32 + " 00") for route in lines(ROUTES)):
        return False
    if run("ip6tables", "--table", "nat", "--list", "--numeric").returncode:
        return False  # with the option the engine would not start
    CONFIGURATION.parent.mkdir(exist_ok=True)
    CONFIGURATION.write_text(json.dumps(TRANSLATING, indent=4) + "\n")
    return True


def lines(path: Path) -> list[str]:
    """The lines of PATH, none where there is no such file."""
    return path.read_text().splitlines() if path.exists() else []


def systemd() -> bool:
    """Whether systemd is this host's PID 1."""
    return Path("/run/systemd/system").is_dir()


def start() -> bool:
    """Start the engine and wait until it answers. Returns whether it had to be started."""
    if answers():
        return False
    if os.geteuid() != 0:
        raise EngineError(
            "the Docker Engine does not answer. Start it as root, or join the group `docker`: sudo usermod -aG docker $USER"
        )
    if systemd():
        say("starting the engine through systemd ...")
        done = run("systemctl", "enable", "--now", "docker.service")
        if done.returncode:
            raise EngineError(
                f"systemctl could not start docker.service: {done.stderr.strip()}. See: journalctl -u docker"
            )
    else:
        say(f"starting the engine directly (systemd is not PID 1), its log is {LOG} ...")
        with LOG.open("ab") as log:
            daemon = subprocess.Popen(
                ["dockerd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        PID_FILE.write_text(str(daemon.pid))
    deadline = time.monotonic() + START_SECONDS
    while not answers():
        if time.monotonic() > deadline or (not systemd() and daemon.poll() is not None):
            tail = (
                "\n".join(LOG.read_text(errors="replace").splitlines()[-8:])
                if LOG.exists()
                else "see: journalctl -u docker"
            )
            raise EngineError(f"the Docker Engine did not answer within {START_SECONDS} s:\n{tail}")
        time.sleep(0.2)
    return True


def apply() -> bool:
    """Restart the engine where its configuration is newer than its start. Its containers restart with it."""
    if not answers() or not stale():
        return False
    say("restarting the engine with its new configuration ...")
    done = run("systemctl", "restart", "docker.service")
    if done.returncode:
        raise EngineError(
            f"the engine did not start again with {CONFIGURATION}: {done.stderr.strip()}. See: journalctl -u docker"
        )
    start()
    return True


def stop() -> bool:
    """Stop the engine that `start` started without systemd. Returns whether there was one."""
    if not PID_FILE.exists():
        return False
    pid = int(PID_FILE.read_text())
    PID_FILE.unlink()
    command = Path(f"/proc/{pid}/comm")
    if not command.exists() or command.read_text().strip() != "dockerd":
        return False
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + START_SECONDS
    while command.exists() and time.monotonic() < deadline:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        time.sleep(0.1)
    return True


def main(arguments: list[str]) -> int:
    """Run one command; 0 done and able, 1 problems remain, 2 wrong use."""
    commands = {
        "check": lambda: False,
        "packages": packages,
        "install": install,
        "apply": apply,
        "start": start,
        "stop": stop,
    }
    if len(arguments) != 1 or arguments[0] not in commands:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        changed = commands[arguments[0]]()
        problems = [] if arguments[0] == "stop" else None
    except EngineError as error:
        changed, problems = False, [str(error)]
    engine = state()
    remaining = engine.pop("problems") if problems is None else problems
    if arguments[0] == "packages":
        remaining = [problem for problem in remaining if problem != NOT_ANSWERING]
    print(json.dumps({"changed": changed, "engine": engine, "problems": remaining}))
    return 1 if remaining else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
