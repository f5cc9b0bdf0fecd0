"""Talking to HAProxy: its check of a configuration, and the command line of its master process."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import time
from pathlib import Path

from . import settings

STATE = Path("/tmp/edge")
"""What is made at run time; /tmp is a tmpfs."""

MASTER = STATE / "master.sock"
"""The master's command line; only this container's user reaches it."""

SERVERS = STATE / "servers.state"
"""Which replicas the worker knew before a reload, so that the next one need not look for them first."""

ANSWER_SECONDS = 30
"""A reload is answered once the new worker is ready: 0.2 s on an idle machine."""

LOOK_SECONDS = 0.2
"""How often a wait checks whether it has lasted long enough."""

STOPPING = {signal.SIGTERM, signal.SIGINT}
"""Signals that stop the edge. They are blocked in the supervisor, so one that has come is pending."""

PROMPT_SECONDS = 1
"""What is read while the edge stops is answered at once, or there is no time to wait for it."""

ALERT = re.compile(r"^\[ALERT\]\s+\(\d+\) : (?:config : )?(.*)$", re.MULTILINE)
PLACE = re.compile(r"haproxy\.cfg:(\d+)\]")
SUMMARY = (
    "Error(s) found in configuration file",
    "Fatal errors found in configuration",
    "Error in configuration",
)


CONSEQUENCE = "no such ACL"
"""What follows of a rule that was refused before."""


class Unreachable(Exception):
    """HAProxy's master does not answer."""


def command(configuration: Path) -> list[str]:
    """The arguments for HAProxy with the settings in CONFIGURATION."""
    return ["haproxy", "-f", str(configuration), "-f", str(settings.RULES)]


def problems(configuration: Path, values: dict[str, str]) -> list[str]:
    """What HAProxy has against CONFIGURATION, made of VALUES, one line each; empty where it would start."""
    done = subprocess.run([*command(configuration), "-c"], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return []
    found: dict[str, str] = {}
    for alert in ALERT.findall(done.stderr):
        if not alert.startswith(SUMMARY) and CONSEQUENCE not in alert:
            names = settings_of(alert, values)
            # A value that fits nowhere is complained of wherever it stands: once is enough.
            found.setdefault(
                " ".join(names) or alert, alert + "".join(f"; {name} is {values[name]!r}" for name in names)
            )
    return list(found.values()) or [f"haproxy -c ends with {done.returncode}: {done.stderr.strip()[-300:]}"]


def settings_of(alert: str, values: dict[str, str]) -> list[str]:
    """The names in VALUES that are on the line of haproxy.cfg that ALERT names."""
    match = PLACE.search(alert)
    if not match:
        return []
    line = settings.RULES.read_text().splitlines()[int(match[1]) - 1]
    return [name for name in dict.fromkeys(re.findall(r"\$\{(\w+)", line)) if name in values]


def setting(name: str) -> str:
    """The value of the setting NAME that the current worker runs with."""
    return ask(f"@1 show env {name}").strip().partition("=")[2]


def ask(text: str, seconds: float = ANSWER_SECONDS) -> str:
    """The answer of the master to the command TEXT, within SECONDS; `@1 ` in front is for its current worker.

    A request to stop that comes meanwhile ends the wait: the supervisor's own stop has no time for it.
    """
    end = time.monotonic() + seconds
    answer = b""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(LOOK_SECONDS)
        try:
            link.connect(str(MASTER))
            link.sendall(text.encode() + b"\n")
            link.shutdown(socket.SHUT_WR)
            while (more := _more(link)) != b"":
                if more is None and (time.monotonic() > end or signal.sigpending() & STOPPING):
                    raise Unreachable(f"HAProxy does not answer {text!r}: timed out, or the edge is stopping")
                answer += more or b""
        except OSError as error:
            raise Unreachable(f"HAProxy does not answer {text!r}: {error}") from None
    return answer.decode(errors="replace")


def _more(link: socket.socket) -> bytes | None:
    """What comes next, b"" at the end; None where nothing has come within LOOK_SECONDS."""
    try:
        return link.recv(65536)
    except TimeoutError:
        return None


def servers(backend: str = "") -> list[dict[str, str]]:
    """What HAProxy knows of each replica that it has found for BACKEND, or for all. Raises Unreachable."""
    rows = [
        line.removeprefix("# ").split()
        for line in ask(f"@1 show servers state {backend}".rstrip(), PROMPT_SECONDS).splitlines()
    ]
    names = next((row for row in rows if "srv_addr" in row), [])
    found = [dict(zip(names, row, strict=True)) for row in rows if row != names and len(row) == len(names)]
    # A place in the list that no replica has taken has the address "-".
    return [each for each in found if each["srv_addr"] != "-"]
