"""The ports of this machine: which a deployment publishes, who holds them already, which are free."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from ..paths import COMPOSE, ENVIRONMENTS, Deployment
from . import addresses, environments, ownership, settings

Problem = tuple[str, str, str]
"""(what was looked at, what is wrong, the fix), as in preflight."""

PROPOSED = {"HTTP_PORT": 8080, "HTTPS_PORT": 8443, "DEV_PORT": 8001, "MONITORING_PORT": 9090}
"""Settings that name a port, and where the search for a free one begins."""


def published(deployment: Deployment, chosen: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """The ports that DEPLOYMENT publishes, by the settings that name them, and their addresses. ValueError: those are none."""
    if "dev" in deployment.overlays:
        return {"DEV_PORT": ("127.0.0.1",)}
    wanted = addresses.asked(chosen["BIND_ADDRESS"])
    found: dict[str, tuple[str, ...]] = dict.fromkeys(("HTTP_PORT", "HTTPS_PORT"), (wanted.four, wanted.six))
    return found | ({"MONITORING_PORT": (wanted.four, "")} if chosen["MONITORING"] == "on" else {})


def problems(deployment: Deployment, chosen: dict[str, str], ours: set[int]) -> list[Problem]:
    """What keeps DEPLOYMENT from its ports; those in OURS it has already. All that one program holds are one line."""
    try:
        wanted = published(deployment, chosen)
    except ValueError as error:
        fix = ":: for all, 0.0.0.0 for IPv4 alone, or one address of each family"
        return [("address", f"BIND_ADDRESS: {error}", fix)]
    rows = []
    held: dict[tuple[str, str], list[str]] = {}
    for name, where in wanted.items():
        number = int(chosen[name])
        if not 0 < number < 65536:
            rows.append(("port", f"{name}={number} is no port", "1 to 65535"))
        elif number not in ours and not free(where, number):
            held.setdefault(holder(where, number), []).append(name)
    if len({chosen[name] for name in wanted}) < len(wanted):
        rows.append(
            ("port", f"{' and '.join(wanted)} are both {chosen[next(iter(wanted))]}", "one of its own each")
        )
    for (who, stop), names in held.items():
        numbers = " and ".join(chosen[name] for name in names)
        problem = f"{numbers} {'is' if len(names) == 1 else 'are'} in use{who and f' by {who}'}"
        other = " and ".join(f"{name}={proposal(name, wanted[name])}" for name in names)
        rows.append(
            ("port", problem, f"{other} in {deployment.shown(deployment.settings)} (free now); or {stop}")
        )
    return rows


def free(where: tuple[str, ...], number: int) -> bool:
    """Whether NUMBER can be bound at each address of WHERE ("": none)."""
    return all(bindable(address, number) for address in where if address)


def bindable(address: str, number: int) -> bool:
    """Whether NUMBER can be bound at ADDRESS, or this machine has none of that family."""
    if ":" in address and not addresses.reachable():
        return True
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if ":" in address:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            probe.bind((address, number))
        except PermissionError:
            return True  # the engine binds it, as root
        except OSError:
            return False
    return True


def proposal(name: str, where: tuple[str, ...]) -> int:
    """A port for the setting NAME that is free at WHERE and that no environment of this checkout is set to."""
    chosen = set(spoken_for())
    return next(
        number for number in range(PROPOSED[name], 65536) if str(number) not in chosen and free(where, number)
    )


def spoken_for() -> Iterator[str]:
    """The ports that environments are set to, whether they run or not."""
    for each in environments.every():
        known = settings.parse(each.settings)
        yield from (known[name] for name in PROPOSED if name in known)


def holder(where: tuple[str, ...], number: int) -> tuple[str, str]:
    """Who has NUMBER at WHERE, as far as this user may see it, and how it is stopped."""
    return container(where, number) or (process(number), "stop that")


def container(where: tuple[str, ...], number: int) -> tuple[str, str] | None:
    """The same of a container: the environment or stack that it is of; None where none publishes NUMBER."""
    if shutil.which("docker") is None:
        return None
    form = f'{{{{.Ports}}}}\t{{{{.Names}}}}\t{{{{.Label "{ownership.LABEL}"}}}}'
    command = ["docker", "ps", "--filter", f"publish={number}", "--format", form]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    every = {addresses.EVERY, addresses.EVERY_4}
    for line in found.splitlines():
        shown, name, folder = line.split("\t")
        at = {
            word.partition(f":{number}->")[0].strip("[]")
            for word in shown.split(", ")
            if f":{number}->" in word
        }
        if not at & {*where, *every} and not every & {*where}:
            continue
        if not folder:
            return f"the container {name}", f"docker stop {name}"
        if Path(folder) in (COMPOSE, ENVIRONMENTS / Path(folder).name):
            other = Deployment(Path(folder))
            return f"the environment {other.name}" if other.name else "the default environment", other.verb(
                "down"
            )
        return f"the stack of {folder}", "make down there"
    return None


def process(number: int) -> str:
    """The process that listens on NUMBER; "" where this user may not see it."""
    if shutil.which("ss") is None:
        return ""
    command = ["ss", "-Hltnp", f"sport = :{number}"]
    quoted = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split('"')
    return quoted[1] if len(quoted) > 1 else ""
