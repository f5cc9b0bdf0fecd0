"""The addresses that a process listens on: all, or all but the one on the side of the data stores.

Those are called and call no one, so nothing has to come in from their network. CLOSED_TO_DATA_STORES asks for it: where the edge
and the data stores share a network it would shut the edge out.
"""

from __future__ import annotations

import fcntl
import logging
import socket
import struct
import time
from urllib.parse import urlsplit

from .environment import Environment

ALL = ["0.0.0.0"]
SIOCGIFADDR = 0x8915  # netdevice(7)
WAIT_SECONDS, LOOK_SECONDS = 20, 0.5  # for the name service to know a data store

log = logging.getLogger("channels_stack.addresses")


def to_listen_on(wait_seconds: float = WAIT_SECONDS) -> list[str]:
    """IPv4 addresses to listen on. Where no data store is known after ``wait_seconds``, all, and the log says so."""
    env = Environment()
    if not env.boolean("CLOSED_TO_DATA_STORES", False):
        return ALL
    stores = [host for name in ("DATABASE_URL", "REDIS_URL") for host in hosts(env.secret(name, ""))]
    deadline = time.monotonic() + wait_seconds
    while True:
        sides = {side for side in map(own_address, stores) if side}
        if sides:
            return [
                address for address in own_addresses() if address.startswith("127.") or address not in sides
            ]
        if not stores or time.monotonic() > deadline:
            log.warning("listening on every address, because the way to the data stores is not known")
            return ALL
        time.sleep(LOOK_SECONDS)


def hosts(url: str) -> list[str]:
    """The hosts in ``url``; those of Sentinels are several."""
    places = urlsplit(url).netloc.rpartition("@")[2].split(",")
    return [host for host in (place.partition(":")[0] for place in places) if host]


def own_address(host: str) -> str:
    """Our IPv4 address on the way to ``host``; "" while that is not known."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, 9))  # chooses a way; nothing is sent
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def own_addresses() -> list[str]:
    """The IPv4 address of each interface that has one."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(probe, SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:
                continue
            found.append(socket.inet_ntoa(answer[20:24]))
    return sorted(found)
