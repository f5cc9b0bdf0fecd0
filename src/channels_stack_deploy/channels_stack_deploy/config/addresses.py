"""Where visitors come in: the addresses of both families that ports are bound to, each visitor with their own.

An engine that does not translate IPv6 lets a program of its own accept such connections: all visitors would be one address to
the edge, its limits and every log. Then IPv6 stays closed, and one line says why.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

EVERY, EVERY_4 = "::", "0.0.0.0"
CONFIGURATION = Path("/etc/docker/daemon.json")
TRANSLATES = 27
"""The first version of Docker Engine that translates IPv6 by default; before it that is experimental."""

GLOBAL = "00"
"""The scope, in /proc/net/if_inet6, of addresses that are not for one line or this machine alone."""

ADVERTISED = 0x40000
"""RTF_ADDRCONF of linux/ipv6_route.h: the kernel has a route from a router's advertisement."""


@dataclass(frozen=True)
class Bound:
    """What ports are bound to: an IPv4 and an IPv6 address, "" for none, and `why` IPv6 is closed although it was asked for."""

    four: str
    six: str = ""
    why: str = ""


def asked(setting: str) -> Bound:
    """The addresses in BIND_ADDRESS: `::` is every one of both families; ValueError says what is wrong."""
    addresses: dict[int, str] = {}
    for word in setting.split():
        address = ipaddress.ip_address(word)
        if address.version in addresses:
            raise ValueError(f"{addresses[address.version]} and {word} are two of one family")
        addresses[address.version] = str(address)
    if not addresses:
        raise ValueError("no address")
    # An IPv6 address alone leaves the IPv4 entry of the machine as it is.
    return Bound(
        addresses.get(4, EVERY_4 if addresses[6] == EVERY else "127.0.0.1")
        if 6 in addresses
        else addresses[4],
        addresses.get(6, ""),
    )


def bound(setting: str, project: str) -> Bound:
    """What of BIND_ADDRESS this machine and its engine can do for PROJECT."""
    wanted = asked(setting)
    if not wanted.six:
        return wanted
    if not reachable():
        return Bound(
            wanted.four, "", "" if wanted.six == EVERY else f"this machine has no IPv6 for {wanted.six}"
        )
    why = untranslated() or advertised() or former(project)
    return Bound(wanted.four, "" if why else wanted.six, why)


def reachable(addresses: Path = Path("/proc/net/if_inet6")) -> bool:
    """Whether this machine has an IPv6 address that others may reach; those of container networks do not count."""
    lines = addresses.read_text().splitlines() if addresses.exists() else []
    return any(
        scope == GLOBAL and not re.match(r"(docker|br-|veth)", name)
        for _, _, _, scope, _, name in map(str.split, lines)
    )


def untranslated() -> str:
    """Why this machine's engine would hide IPv6 visitors behind one address; "" where it does not."""
    asking = ["docker", "version", "--format", "{{json .Server}}"]
    server = json.loads(subprocess.run(asking, capture_output=True, text=True, check=True).stdout)
    version = server["Version"]
    new = int(version.split(".")[0]) >= TRANSLATES
    if configured().get("ip6tables", new) and (new or server.get("Experimental")):
        return ""
    options = '{"ip6tables": true}' if new else '{"experimental": true, "ip6tables": true}'
    return (
        f"IPv6 stays closed: Docker Engine {version} as it is would give all its visitors one address. To open it: {options} "
        f"in {CONFIGURATION}, restart the engine, make down, make up"
    )


def configured(file: Path = CONFIGURATION, processes: Path = Path("/proc")) -> dict[str, bool]:
    """Switches of the engine: those of its command line win over those of its FILE."""
    options = {}
    with contextlib.suppress(OSError, ValueError):
        options = json.loads(file.read_text())
    for path in processes.glob("[0-9]*/cmdline"):
        try:
            words = path.read_text(errors="replace").split("\0")
        except OSError:
            continue  # it has ended meanwhile
        if Path(words[0]).name == "dockerd":
            switches = (re.fullmatch(r"--(ip6tables|experimental)(?:=(\w+))?", word) for word in words)
            options |= {match[1]: match[2] in (None, "true", "1") for match in switches if match}
    return options


def advertised(
    routes: Path = Path("/proc/net/ipv6_route"), settings: Path = Path("/proc/sys/net/ipv6/conf")
) -> str:
    """Why this machine would lose its default route: the engine makes it a router, and routers accept no advertised routes."""
    for line in routes.read_text().splitlines() if routes.exists() else []:
        destination, length, _, _, _, _, _, _, flags, name = line.split()
        setting = settings / name / "accept_ra"
        if (
            destination.strip("0")
            or length != "00"
            or not int(flags, 16) & ADVERTISED
            or not setting.exists()
        ):
            continue
        if setting.read_text().strip() == "1":
            return (
                f"IPv6 stays closed: the route of {name} is advertised, and the kernel drops it where containers have IPv6. "
                f"To open it: net.ipv6.conf.{name}.accept_ra = 2 in /etc/sysctl.d, sysctl --system, make up"
            )
    return ""


def former(project: str) -> str:
    """Why the network of the running PROJECT has no IPv6 yet; "" where it has, or is not there."""
    asking = ["docker", "network", "inspect", "--format", "{{.EnableIPv6}}", f"{project}_public"]
    done = subprocess.run(asking, capture_output=True, text=True, check=False)
    if done.stdout.strip() == "false":
        return (
            "IPv6 stays closed: the network of the ports was made without it. To open it: make down, make up"
        )
    return ""


def subnet(identity: str) -> str:
    """The IPv6 network (RFC 4193) for the ports of the stack that IDENTITY distinguishes."""
    digits = hashlib.sha256(identity.encode()).hexdigest()
    return f"fd{digits[:2]}:{digits[2:6]}:{digits[6:10]}::/64"
