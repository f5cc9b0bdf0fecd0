"""Hosts with a kernel of their own, for what a container cannot show: IPsec, kernel modules, settings that come back at boot."""

from __future__ import annotations

import platform
import shlex
import subprocess
import time
from pathlib import Path

from . import image
from .hosts import Hosts

MEMORY_MB = 2560
"""Memory of each machine; the host with all of the stack but the edge uses about half."""

START_SECONDS = 300
"""A boot takes some 25 s on an idle machine, with the disk made first; system calls are ten times as slow as elsewhere."""


def missing() -> str:
    """Why this machine cannot have virtual machines; "" where it can."""
    if platform.machine() != "x86_64":
        return f"Debian has User Mode Linux for x86_64 only, and this is {platform.machine()}"
    if not Path("/dev/net/tun").exists():
        return "there is no /dev/net/tun here: the machines have no line to their network (modprobe tun)"
    return ""


class Machines(Hosts):
    """COUNT virtual machines instead of containers, made, used and removed in the same way: `with Machines(2) as hosts: …`.

    Each is a User Mode Linux (Debian's package: cgroup v2, IPVS, IPsec, one processor, no hardware support needed) inside a
    container, whose eth0 is the machine's line. `disconnect` and `reboot` are not for them: `kill` and `power_on` are.
    """

    start_seconds = START_SECONDS

    def _image(self, suite: str) -> str:
        return image.machine(suite)

    def start(self) -> None:
        """As of Hosts, with the machines' boot (25 s on an idle machine)."""
        super().start()
        started = time.monotonic()
        try:
            for name in self.names:
                self.wait(name)
        except BaseException:
            self.remove()
            raise
        print(f"hosts: booted in {time.monotonic() - started:.1f} s", flush=True)

    def _container_options(self) -> dict:
        return {
            **super()._container_options(),
            "devices": ["/dev/net/tun"],
            "environment": {"MACHINE_MEMORY_MB": str(MEMORY_MB)},
            "restart": "no",
        }

    def _inside(self, name: str, *command: str) -> list[str]:
        return ["ssh", "-F", str(self.ssh_config), name, shlex.join(["sudo", *command])]

    def kill(self, name: str) -> None:
        """Power loss; it stays down."""
        super().kill(name)
        self.hang_up()

    def read(self, name: str, path: str) -> bytes:
        """The file PATH of the container that the machine NAME runs in."""
        command = ["docker", "exec", self.container(name), "cat", path]
        return subprocess.run(command, check=True, capture_output=True).stdout
