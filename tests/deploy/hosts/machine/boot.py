#!/usr/bin/python3
"""The first process of a virtual machine's container: make its disk and its line to the network, then become its kernel.

The machine gets the files of this container on an ext4 of its own, and the container's address. Frames go from the
container's eth0 through a bridge to the machine, so that what is on eth0 is what is on the line between the machines.
"""

from __future__ import annotations

import json
import os
import runpy
import socket
import subprocess
from pathlib import Path

STATE = Path("/var/lib/docker")
"""A volume: the disk is there."""
ROOT = Path("/srv/root")
"""This container's files without what is mounted over them."""
MEMORY = Path("/srv/memory")
"""The machine's memory is a file here: User Mode Linux needs a tmpfs that may be executed from."""
DISK_SIZE = "12G"
MEMORY_MB = int(os.environ["MACHINE_MEMORY_MB"])


def call(*command: str) -> str:
    """What COMMAND prints; its failure is the container's end, its complaint is in the container's log."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def network() -> dict[str, str]:
    """Take the address off eth0 and make the bridge; returns what the machine is to have: ADDRESS and GATEWAY."""
    address = json.loads(call("ip", "-json", "-4", "address", "show", "dev", "eth0"))[0]["addr_info"][0]
    gateway = json.loads(call("ip", "-json", "route", "show", "default"))[0]["gateway"]
    call("ip", "address", "flush", "dev", "eth0")
    call("ip", "tuntap", "add", "tap0", "mode", "tap")
    call("ip", "link", "add", "br0", "type", "bridge")
    for name in ("eth0", "tap0"):
        call("ip", "link", "set", name, "master", "br0", "up")
    call("ip", "link", "set", "br0", "up")
    return {"ADDRESS": f"{address['local']}/{address['prefixlen']}", "GATEWAY": gateway}


def make_disk(disk: Path, lan: dict[str, str]) -> None:
    """A disk with the files of this container, its identity and its address."""
    runpy.run_path("/usr/local/sbin/host-init")["first_boot"]()
    ROOT.mkdir()
    call("mount", "--bind", "/", str(ROOT))
    etc = ROOT / "etc"
    (etc / "hostname").write_text(socket.gethostname() + "\n")
    (etc / "hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {socket.gethostname()}\n")
    (etc / "lan.env").write_text("".join(f"{key}={value}\n" for key, value in lan.items()))
    call("mke2fs", "-q", "-t", "ext4", "-d", str(ROOT), str(disk), DISK_SIZE)


def main() -> None:
    """Prepare, then let the machine's kernel take over as PID 1."""
    lan = network()
    disk = STATE / "disk.ext4"
    if not disk.exists():
        make_disk(disk, lan)
    MEMORY.mkdir(exist_ok=True)
    call("mount", "-t", "tmpfs", "-o", f"size={MEMORY_MB + 64}m,exec", "tmpfs", str(MEMORY))
    os.environ["TMPDIR"] = str(MEMORY)
    mac = "02:" + ":".join(f"{byte:02x}" for byte in os.urandom(5))
    os.execv(
        "/usr/bin/linux.uml",
        [
            "linux.uml",
            f"mem={MEMORY_MB}M",
            f"ubd0={disk}",
            "root=/dev/ubda",
            "rw",
            f"vec0:transport=tap,ifname=tap0,mac={mac},depth=128,gro=1",
            "con=null",
            "con0=null,fd:1",
            "console=tty0",
        ],
    )


if __name__ == "__main__":
    main()
