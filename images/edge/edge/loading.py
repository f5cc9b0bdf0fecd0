"""From the edge's folder to a HAProxy that runs with it: read, check, start or reload.

What is read is copied before it is checked, so HAProxy runs with exactly what was checked, whatever happens to the
folder meanwhile.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import haproxy, hops, leaving, memory, settings, workers
from .haproxy import STATE

FOLDER = Path("/etc/edge")
"""settings.env, tls.pem, a file `maintenance` while there is one, and a file `share` with a percentage while so many visitors
try a release. All are written by whoever runs the stack."""

ACME = Path("/srv/certificate")
"""What the service `certificates` shares where there is one: the thumbprint of its account, and tls.pem, which wins over the
folder's as soon as it is there."""

PERCENTAGE = re.compile(r"[1-9][0-9]?")
"""What the file `share` holds."""

MAINTENANCE_SPREAD_SECONDS = 2.0
"""Over so long are websockets closed when maintenance begins."""

GRACE_SECONDS = 35
"""stop_grace_period of compose.yml: drain and stop have to be over by then, or the engine kills."""


class Refused(Exception):
    """The folder cannot be used: one problem a line."""


@dataclass(frozen=True)
class Input:
    """What one configuration of the edge is made of."""

    values: dict[str, str]
    certificate: bytes

    @property
    def digest(self) -> str:
        """Equal for inputs that mean the same to HAProxy."""
        return hashlib.sha256(repr(sorted(self.values.items())).encode() + self.certificate).hexdigest()

    @property
    def room(self) -> memory.Room | None:
        """What the container's memory carries of it; None where a number is none, which HAProxy says. Raises memory.TooLittle."""
        wanted, cache = (
            self.values.get(name) or settings.default(name)
            for name in ("EDGE_MAXCONN", "EDGE_CACHE_MEGABYTES")
        )
        if not (wanted.isdecimal() and cache.isdecimal() and int(wanted)):
            return None
        return memory.room(int(wanted), int(cache) * memory.MIB, memory.limit())

    def write(self, folder: Path, worker: str) -> Path:
        """Leave copies in FOLDER; return the configuration to start HAProxy with, whose worker has the secret WORKER."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        own = {
            "EDGE_CERTIFICATE": str(folder / "tls.pem"),
            "EDGE_SERVERS": str(haproxy.SERVERS),
            "EDGE_WORKER": worker,
            "EDGE_IPV6": str(has_ipv6()).lower(),
            "EDGE_THREADS": str(memory.processors()),
            **(self.room.settings() if self.room else {}),
        }
        if "EDGE_TRUSTED_HOPS" in self.values:
            own["EDGE_TRUSTED_HOPS"] = hops.resolved(self.values["EDGE_TRUSTED_HOPS"])
        if "EDGE_CLIENT_FROM" in self.values:
            own["EDGE_CLIENT_FROM"] = self.values["EDGE_CLIENT_FROM"].lower()
        texts = {
            "settings.cfg": settings.configuration({**self.values, **own}).encode(),
            "tls.pem": self.certificate,
            "digest": self.digest.encode(),
        }
        for name, text in texts.items():
            new = folder / f"{name}.new"
            new.unlink(missing_ok=True)
            new.touch(mode=0o600)
            new.write_bytes(text)
            new.replace(folder / name)
        return folder / "settings.cfg"


def has_ipv6() -> bool:
    """Whether a server of this container can listen on IPv6: a kernel may be without it."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True


def read(folder: Path = FOLDER) -> Input:
    """What FOLDER says now; Refused where a file is missing or cannot be read."""
    try:
        path = folder / "settings.env"
        values = settings.given(path.read_text(encoding="utf-8-sig") if path.exists() else "")
        path = ACME / "thumbprint"
        if path.exists():
            values["EDGE_ACME_THUMBPRINT"] = path.read_text().strip()
        if (folder / "maintenance").exists():
            values["EDGE_MAINTENANCE"] = "true"
        path = folder / "share"
        if path.exists():
            values["EDGE_SHARE"] = path.read_text().strip()
        path = ACME / "tls.pem" if (ACME / "tls.pem").exists() and folder == FOLDER else folder / "tls.pem"
        return Input(values, path.read_bytes())
    except FileNotFoundError as error:
        raise Refused(f"{error.filename} is missing: it holds certificate, chain and key") from None
    except UnicodeDecodeError as error:
        raise Refused(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from None
    except OSError as error:
        raise Refused(f"{error.filename}: {error.strerror}; uid 10001 has to read it") from None


def check(wanted: Input) -> None:
    """Refused where HAProxy would not start with WANTED, or its stop could not end in time."""
    found = [
        f"{name} is empty; without the line it has its default"
        for name, value in wanted.values.items()
        if not value
    ]
    found += hops.problems(wanted.values)
    if not PERCENTAGE.fullmatch(wanted.values.get("EDGE_SHARE", "1")):
        found.append(f"{FOLDER / 'share'} holds {wanted.values['EDGE_SHARE']!r}; a number from 1 to 99")
    try:
        found += haproxy.problems(wanted.write(STATE / "new", "checked"), wanted.values)
    except memory.TooLittle as error:
        found.append(str(error))
    try:
        stop = sum(
            settings.seconds(wanted.values.get(name, "0"))
            for name in ("EDGE_DRAIN_TIMEOUT", "EDGE_STOP_TIMEOUT")
        )
        if stop > GRACE_SECONDS - 2:
            found.append(
                f"EDGE_DRAIN_TIMEOUT and EDGE_STOP_TIMEOUT are {stop:g} s together, 33 s is the most: "
                f"the engine kills after {GRACE_SECONDS} s"
            )
    except ValueError as error:
        found.append(f"EDGE_DRAIN_TIMEOUT, EDGE_STOP_TIMEOUT: {error}")
    if found:
        raise Refused("\n".join(found))


@contextmanager
def alone() -> Iterator[None]:
    """Only one reload at a time: people and the watching supervisor may both want one."""
    STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (STATE / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def current() -> str:
    """The digest of what HAProxy runs with; "" before its first start."""
    path = STATE / "digest"
    return path.read_text() if path.exists() else ""


def prepare() -> Path:
    """Check the folder for a start; return the configuration. Refused says why not."""
    with alone():
        wanted = read()
        check(wanted)
        haproxy.SERVERS.write_text("1\n")
        secret = workers.new_secret()
        workers.write([workers.Worker(secret)])
        return wanted.write(STATE, secret)


def lowered(wanted: Input) -> str:
    """What to say of WANTED where memory carries fewer connections than EDGE_MAXCONN; "" where it carries them."""
    most = wanted.values.get("EDGE_MAXCONN") or settings.default("EDGE_MAXCONN")
    if not wanted.room or wanted.room.connections == int(most):
        return ""
    cache = (
        int(wanted.values.get("EDGE_CACHE_MEGABYTES") or settings.default("EDGE_CACHE_MEGABYTES"))
        * memory.MIB
    )
    return (
        f"memory carries {wanted.room.connections} connections and no more are let in; EDGE_MAXCONN={most} "
        f"needs EDGE_MEMORY={memory.needed(int(most), cache) // memory.MIB}M"
    )


def reload() -> bool:
    """Make HAProxy run with the folder as it is now; False where it does already. Refused: the former goes on."""
    with alone():
        wanted = read()
        if wanted.digest == current():
            return False
        check(wanted)
        workers.make_room()
        secret, stays = workers.new_secret(), settings.seconds(haproxy.setting("EDGE_RELOAD_TIMEOUT"))
        haproxy.SERVERS.write_text(haproxy.ask("@1 show servers state"))
        drains, closes = draining(), not maintenance() and "EDGE_MAINTENANCE" in wanted.values
        kept = {name: (STATE / name).read_bytes() for name in ("settings.cfg", "tls.pem", "digest")}
        wanted.write(STATE, secret)
        answer = haproxy.ask("reload")
        if not answer.startswith("Success=1"):
            for name, text in kept.items():
                (STATE / name).write_bytes(text)
            raise Refused("HAProxy did not take it: " + " ".join(answer.split())[:500])
        workers.replaced(secret, stays)
        if drains:
            drain(True)
        if closes:
            # Of the former workers: the new one lets none in.
            leaving.tell(
                MAINTENANCE_SPREAD_SECONDS,
                [each.secret for each in workers.known()],
                code=leaving.MAINTENANCE,
            )
        return True


def maintenance() -> bool:
    """Whether the worker answers all requests with the maintenance page."""
    return haproxy.setting("EDGE_MAINTENANCE") == "true"


def share() -> int:
    """The percentage of visitors that the first tasks of a new release get; 0 where there is no such trial."""
    return int(haproxy.setting("EDGE_SHARE"))


def draining() -> bool:
    """Whether the worker sends load balancers elsewhere."""
    return "value=<1>" in haproxy.ask("@1 get var proc.draining")


def drain(on: bool) -> None:
    """Say 503 at /-/edge, or 200 again; nothing else changes."""
    # HAProxy 3.0 calls the setting of a variable experimental.
    haproxy.ask(f"experimental-mode on; @1 set var proc.draining bool({str(on).lower()})")
    if draining() != on:
        raise haproxy.Unreachable("HAProxy did not change what /-/edge says")
