"""What is on the line to a virtual machine: a capture by tcpdump beside it, with what its packets are."""

from __future__ import annotations

import struct
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from stacks import docker, eventually

from .machines import Machines

PACKETS = 20_000
"""The most that a capture keeps; tcpdump ends by itself after it."""

ESP, UDP, VXLAN = 50, 17, 4789
"""Numbers of the protocols (IANA) and the port of VXLAN (RFC 7348)."""

FILE = "/srv/line.pcap"


@dataclass
class Capture:
    """Packets between hosts that travel in VXLAN or ESP; filled when the block of `captured` ends."""

    packets: list[bytes] = field(default_factory=list)
    """Each from its IPv4 header on."""

    @property
    def esp(self) -> int:
        """How many are encrypted."""
        return sum(packet[9] == ESP for packet in self.packets)

    @property
    def vxlan(self) -> Counter[int]:
        """VXLAN network identifier -> how many are in the plain."""
        found: Counter[int] = Counter()
        for packet in self.packets:
            payload = packet[(packet[0] & 15) * 4 :]
            if packet[9] == UDP and int.from_bytes(payload[2:4]) == VXLAN:
                found[int.from_bytes(payload[12:15])] += 1
        return found

    def shows(self, text: str) -> bool:
        """Whether TEXT can be read in one of them."""
        return any(text.encode() in packet for packet in self.packets)

    def __str__(self) -> str:
        sizes = max(map(len, self.packets), default=0)
        return f"{self.esp} packets of ESP, {sum(self.vxlan.values())} of plain VXLAN, the largest has {sizes} bytes"


@contextmanager
def captured(hosts: Machines, name: str) -> Iterator[Capture]:
    """What goes to and from the machine NAME in VXLAN or ESP while the block runs."""
    found = Capture()
    container = hosts.container(name)
    docker("exec", container, "rm", "--force", FILE)
    command = [
        "tcpdump",
        "-i",
        "eth0",
        "-w",
        FILE,
        "-U",
        "-Z",
        "root",
        "-c",
        str(PACKETS),
        "--immediate-mode",
    ]
    tcpdump = subprocess.Popen(
        ["docker", "exec", container, *command, f"ip proto {ESP} or udp port {VXLAN}"],
        stderr=subprocess.DEVNULL,
    )
    # It writes the file's header when it listens.
    listens = ["docker", "exec", container, "test", "-s", FILE]
    eventually(lambda: subprocess.run(listens, check=False).returncode == 0, 30, "tcpdump listens")
    try:
        yield found
    finally:
        docker("exec", container, "pkill", "-INT", "tcpdump")
        tcpdump.wait(30)
    found.packets = packets(hosts.read(name, FILE))
    print(f"figure: line: {found}", flush=True)


def packets(text: bytes) -> list[bytes]:
    """The IPv4 packets of a file of tcpdump (pcap, Ethernet)."""
    found, place = [], 24
    while place < len(text):
        (length,) = struct.unpack_from("<8xI4x", text, place)
        frame = text[place + 16 : place + 16 + length]
        if frame[12:14] == b"\x08\x00":
            found.append(frame[14:])
        place += 16 + length
    return found
