#!/usr/bin/python3
"""The first process of a test host: make the container look like a machine, then become systemd.

/host is a folder of the test run, read-only: authorized_key, and what this network needs for apt.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from pathlib import Path

GIVEN = Path("/host")
APT = {
    "apt_sources": "/etc/apt/sources.list.d/debian.sources",
    "apt_conf": "/etc/apt/apt.conf.d/99host",
    "ca": "/etc/ssl/host-ca.crt",
}
"""File of GIVEN -> its place. apt_conf names /run/secrets/ca, which is /etc/ssl/host-ca.crt here."""


def mount(*arguments: str) -> None:
    """Call mount(8)."""
    subprocess.run(["mount", *arguments], check=True)


def open_cgroups() -> None:
    """Let systemd make control groups: a container without --privileged has them read-only.

    The remount must say `bind`: without it, it is the whole hierarchy's and "busy" on cgroup v1.
    """
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind, options = line.split()[:4]
        if kind in ("cgroup", "cgroup2") and "ro" in options.split(","):
            mount("-o", "remount,bind,rw", place)


def close_kernel_settings() -> None:
    """Make /proc/sys read-only except /proc/sys/net, which is the container's own.

    Everything else there is the developer's real kernel, and a role under test sets vm.* and fs.*.
    """
    mount("--bind", "/proc/sys/net", "/proc/sys/net")
    mount("-o", "remount,bind,rw", "/proc/sys/net")
    mount("--rbind", "/proc/sys", "/proc/sys")
    mount("-o", "remount,bind,ro", "/proc/sys")


def first_boot() -> None:
    """An identity of its own (systemd would derive the same for all), ssh host keys, the operator's key, apt."""
    Path("/etc/machine-id").write_text(uuid.uuid4().hex + "\n")
    subprocess.run(["ssh-keygen", "-A"], check=True, stdout=subprocess.DEVNULL)
    home = Path("/home/admin/.ssh")
    home.mkdir(mode=0o700)
    key = home / "authorized_keys"
    shutil.copy(GIVEN / "authorized_key", key)
    key.chmod(0o600)
    for path in (home, key):
        shutil.chown(path, "admin", "admin")
    for name, place in APT.items():
        if (GIVEN / name).exists():
            text = (GIVEN / name).read_text().replace("/run/secrets/ca", APT["ca"])
            Path(place).write_text(text)


def main() -> None:
    """Prepare, then let systemd take over as PID 1."""
    done = Path("/var/lib/host-init.done")
    open_cgroups()
    close_kernel_settings()
    if not done.exists():
        first_boot()
        done.touch()
    os.execv("/sbin/init", ["/sbin/init"])


if __name__ == "__main__":
    main()
