"""What a host is, as one JSON object on standard output. Standard library only; needs root to name other users' processes.

{"distribution": "debian 13", "memory_mb", "swap_mb", "disk_gb", "cpus", "time", "synchronised", "ipvs", "firewalls": [...],
 "listeners": {"tcp/443": "nginx", ...}}
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

LISTEN = {"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"}
"""State of a socket that takes connections or datagrams, in /proc/net/* (kernel: include/net/tcp_states.h)."""


def distribution() -> str:
    """For example "debian 13"."""
    lines = Path("/etc/os-release").read_text().splitlines()
    fields = {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}
    return f"{fields.get('ID', 'unknown')} {fields.get('VERSION_ID', '')}".strip()


def memory() -> dict[str, int]:
    """Memory and swap in MB."""
    fields = dict(re.findall(r"^(\w+):\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.M))
    return {"memory_mb": int(fields["MemTotal"]) // 1024, "swap_mb": int(fields["SwapTotal"]) // 1024}


def disk_gb() -> float:
    """Free space of the file system that /var/lib/docker is or will be on."""
    place = Path("/var/lib/docker")
    while not place.exists():
        place = place.parent
    return round(shutil.disk_usage(place).free / 1e9, 1)


def synchronised() -> bool | None:
    """Whether the kernel's clock is being steered; None where that is unknown (a container has no clock of its own)."""
    if shutil.which("timedatectl") is None:
        return None
    command = ["timedatectl", "show", "--property", "NTPSynchronized", "--value"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    return done.stdout.strip() == "yes" if done.returncode == 0 else None


def owners() -> dict[str, str]:
    """Inode of a socket -> name of the process that has it."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            name = (entry / "comm").read_text().strip()
            for handle in (entry / "fd").iterdir():
                target = os.readlink(handle)
                if target.startswith("socket:["):
                    found.setdefault(target[8:-1], name)
        except OSError:  # it has ended meanwhile
            continue
    return found


def listeners() -> dict[str, str]:
    """ "tcp/443" -> name of the process; "the kernel" where no process has the socket (VXLAN)."""
    names, found = owners(), {}
    for kind, state in LISTEN.items():
        table = Path("/proc/net", kind)
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            fields = line.split()
            if fields[3] == state:
                port = int(fields[1].rpartition(":")[2], 16)
                found[f"{kind[:3]}/{port}"] = names.get(fields[9], "the kernel")
    return found


def firewalls() -> list[str]:
    """Firewalls of others that are active."""
    active = []
    for name in ("ufw", "firewalld"):
        command = ["systemctl", "is-active", "--quiet", f"{name}.service"]
        if shutil.which("systemctl") and subprocess.run(command, check=False).returncode == 0:
            active.append(name)
    if "ufw" in active and "ENABLED=yes" not in Path("/etc/ufw/ufw.conf").read_text():
        active.remove("ufw")
    return active


def main() -> None:
    """Print it."""
    facts = {
        "distribution": distribution(),
        **memory(),
        "disk_gb": disk_gb(),
        "cpus": os.cpu_count(),
        "time": time.time(),
        "synchronised": synchronised(),
        "systemd": Path("/run/systemd/system").is_dir(),
        "ipvs": Path("/proc/net/ip_vs").exists(),
        "firewalls": firewalls(),
        "listeners": listeners(),
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
