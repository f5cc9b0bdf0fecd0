"""Servers of one's own on this machine, for as long as a `with` block: started, reached over SSH, broken, removed.

Each is a container with systemd as PID 1, sshd, and (by its flavour) a real Docker Engine inside. They have static
addresses in a network of their own, because Swarm managers never find each other again after an address changed.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml
from stacks import ROOT, StackError, docker, eventually

from . import image
from .play import Play

FOLDER = ROOT / "tests/.hosts"
"""One folder for each set of hosts while it runs: keys, inventory, logs."""

POOL = ipaddress.ip_network("10.89.0.0/16")
"""Where a set of hosts takes the first free /24 from, unless it is given one."""

CUT = """
table netdev cut {
    chain in { type filter hook ingress device eth0 priority -500; policy drop; }
    chain out { type filter hook egress device eth0 priority -500; policy drop; }
}
"""

USER = "admin"


class HostsError(Exception):
    """The hosts cannot be made or do not do what they must; says which and why."""


@dataclass
class Options:
    """How the hosts are made."""

    flavour: str
    suites: dict[str, str]
    internal: bool
    ipv6: bool


class Hosts:
    """COUNT servers `host1`, `host2`, …: `with Hosts(3) as hosts: …`.

    `prefix` begins the name of every container, network and volume (default: HOSTS_PREFIX, else "test-");
    `subnet` is a /24 (default: HOSTS_SUBNET, else the first free one of POOL);
    `flavour` "engine" has the packages that the roles would install first, "bare" has what a fresh machine has;
    `suite` is the Debian release of all, or a list of one for each; `internal` hosts reach each other and this machine, and
    nothing else; with `ipv6` they have IPv6 addresses beside the others, and it is by these that Ansible reaches them.
    """

    start_seconds = 90
    """How long a host may take until systemd says "running"."""

    def __init__(
        self,
        count: int = 1,
        prefix: str | None = None,
        subnet: str | None = None,
        flavour: str = "engine",
        suite: str | list[str] = "trixie",
        internal: bool = False,
        ipv6: bool = False,
    ) -> None:
        self.names = [f"host{number}" for number in range(1, count + 1)]
        self.project = f"{prefix or os.environ.get('HOSTS_PREFIX', 'test-')}{os.getpid()}"
        suites = [suite] * count if isinstance(suite, str) else suite
        self.options = Options(flavour, dict(zip(self.names, suites, strict=True)), internal, ipv6)
        self.wanted_subnet = subnet or os.environ.get("HOSTS_SUBNET")
        self.folder = FOLDER / self.project
        self.addresses: dict[str, str] = {}
        self.plays: list[Play] = []
        self._number = 0

    # Life

    def __enter__(self) -> Hosts:
        remove_stale()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def start(self) -> None:
        """Make and start them, and wait until systemd says "running" on each (3-5 s)."""
        images = {suite: self._image(suite) for suite in set(self.options.suites.values())}
        started = time.monotonic()
        self._write_keys()
        for suite in images:
            given = self._given(suite)
            given.mkdir(parents=True)
            shutil.copy(self.folder / "key.pub", given / "authorized_key")
            for file, text in image.network_files(suite).items():
                (given / file).write_text(text)
        try:
            self._up(images)
        except BaseException:
            self.remove()
            raise
        self._write_ssh()
        what = " and ".join(sorted(images.values()))
        print(f"hosts: {len(self.names)} x {what} in {time.monotonic() - started:.1f} s", flush=True)

    def _image(self, suite: str) -> str:
        """The image of hosts of the Debian release SUITE, built where it is not there yet."""
        return image.make(self.options.flavour, suite)

    def _given(self, suite: str) -> Path:
        """What hosts of the Debian release SUITE find in /host."""
        return self.folder / "given" / suite

    def _up(self, images: dict[str, str]) -> None:
        for subnet in self._subnets():
            network = ipaddress.ip_network(subnet)
            self.addresses = {host: str(network[10 + number]) for number, host in enumerate(self.names, 1)}
            (self.folder / "compose.json").write_text(json.dumps(self._definition(images, subnet)))
            try:
                self.compose("up", "--detach", "--wait", "--wait-timeout", str(self.start_seconds))
                return
            except StackError as error:
                # Somebody took the subnet in the meantime: the next one may be free.
                if self.wanted_subnet or "overlap" not in str(error):
                    raise HostsError(f"the hosts did not come up:\n{error}\n{self._complaints()}") from None
                self.compose("down", "--volumes")
        raise HostsError(f"no free /24 in {POOL}")

    def _subnets(self) -> list[str]:
        if self.wanted_subnet:
            return [self.wanted_subnet]
        names = docker("network", "ls", "--quiet").split()
        taken = [
            ipaddress.ip_network(config["Subnet"])
            for network in json.loads(docker("network", "inspect", *names))
            for config in network["IPAM"]["Config"] or []
            if ":" not in config["Subnet"]
        ]
        return [
            str(subnet)
            for subnet in POOL.subnets(new_prefix=24)
            if not any(subnet.overlaps(other) for other in taken)
        ]

    def _definition(self, images: dict[str, str], subnet: str) -> dict:
        """The Compose project."""
        services = {
            host_name: {
                "image": images[self.options.suites[host_name]],
                **self._container_options(),
                "hostname": host_name,
                "container_name": self.container(host_name),
                "volumes": [
                    f"{self._given(self.options.suites[host_name])}:/host:ro",
                    f"{host_name}:/var/lib/docker",
                    # Images are there where the engine keeps them in containerd.
                    f"{host_name}-containerd:/var/lib/containerd",
                ],
                "networks": {"lan": {"ipv4_address": address, **self._ipv6("ipv6_address", ipv6(address))}},
            }
            for host_name, address in self.addresses.items()
        }
        subnets = [
            {"subnet": each}
            for each in (subnet, *self._ipv6("", f"{ipv6(subnet.split('/')[0])}/120").values())
        ]
        network = {
            "ipam": {"config": subnets},
            "internal": self.options.internal,
            "enable_ipv6": self.options.ipv6,
        }
        return {
            "name": self.project,
            "services": services,
            "networks": {"lan": network},
            "volumes": {f"{name}{ending}": {} for name in self.names for ending in ("", "-containerd")},
        }

    def _ipv6(self, name: str, value: str) -> dict[str, str]:
        """NAME: VALUE where the hosts have IPv6."""
        return {name: value} if self.options.ipv6 else {}

    def _container_options(self) -> dict:
        """How a host's container is run. The capabilities are all that systemd and a nested engine need, and no more."""
        return {
            "cgroup": "private",
            "cap_add": ["ALL"],
            "cap_drop": ["SYS_MODULE", "SYS_RAWIO", "SYS_TIME"],
            "security_opt": ["seccomp=unconfined", "apparmor=unconfined"],
            # A `reboot` inside is a reboot; `docker kill` keeps it down.
            "restart": "unless-stopped",
        }

    def _complaints(self) -> str:
        """What the hosts that do not run say."""
        texts = []
        for name in self.names:
            with contextlib.suppress(StackError):
                texts.append(f"{name}:\n" + docker("logs", "--tail", "20", self.container(name)))
            with contextlib.suppress(StackError):
                texts.append(self.run(name, "systemctl", "--failed", "--no-legend", check=False).stdout)
        return "\n".join(texts)

    def _write_keys(self) -> None:
        self.folder.mkdir(parents=True)
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.project, "-f"]
        subprocess.run([*command, str(self.folder / "key")], check=True)

    def _write_ssh(self) -> None:
        """known_hosts from the hosts themselves, and a configuration for `ssh -F`."""
        lines, blocks = [], []
        for name, address in self.addresses.items():
            key = docker("exec", self.container(name), "cat", "/etc/ssh/ssh_host_ed25519_key.pub").split()
            lines.append(f"{address},{ipv6(address)},{name} {key[0]} {key[1]}\n")
            blocks.append(f"Host {name}\n  HostName {address}\n")
        (self.folder / "known_hosts").write_text("".join(lines))
        common = f"Host *\n  User {USER}\n  IdentityFile {self.folder / 'key'}\n  IdentitiesOnly yes\n"
        common += f"  UserKnownHostsFile {self.folder / 'known_hosts'}\n  ConnectTimeout 10\n"
        common += f"  ControlMaster auto\n  ControlPersist 60\n  ControlPath {self.control_folder}/%C\n"
        self.ssh_config.write_text("".join(blocks) + common)

    @property
    def ssh_config(self) -> Path:
        """A file for `ssh -F FILE host1` and testinfra."""
        return self.folder / "ssh_config"

    @cached_property
    def control_folder(self) -> str:
        """Where ssh keeps its control sockets: their path must be short."""
        return tempfile.mkdtemp(prefix="hosts-")

    def remove(self) -> None:
        """Remove every container, network, volume and file of this set."""
        self.hang_up()
        shutil.rmtree(self.control_folder)
        _remove(self.folder)

    def hang_up(self) -> None:
        """End the SSH connections that are kept for the next command."""
        for path in Path(self.control_folder).iterdir():
            subprocess.run(
                ["ssh", "-o", f"ControlPath={path}", "-O", "exit", "any"], capture_output=True, check=False
            )

    # The outside of a host

    def container(self, name: str) -> str:
        """The container that is the host NAME."""
        return f"{self.project}-{name}"

    def labels(self, service: str) -> list[str]:
        """Flags for `docker run` by which a container beside the hosts goes with them, should this run be killed."""
        labels = {
            "com.docker.compose.project": self.project,
            "com.docker.compose.service": service,
            "com.docker.compose.oneoff": "False",
        }
        return [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]

    def compose(self, *arguments: str) -> str:
        """Run `docker compose` on the project of these hosts."""
        return docker("compose", "--file", str(self.folder / "compose.json"), *arguments)

    def kill(self, name: str) -> None:
        """Power loss; it stays down."""
        docker("kill", self.container(name))

    def power_on(self, name: str) -> None:
        """Start a host that was killed, and wait until it runs."""
        docker("start", self.container(name))
        self.wait(name)

    def reboot(self, name: str) -> None:
        """`systemctl reboot` on the host; returns when it runs again (about 4 s)."""
        before = docker("inspect", "-f", "{{.State.StartedAt}}", self.container(name))
        self.run(name, "systemctl", "reboot", check=False)
        form = ("inspect", "-f", "{{.State.StartedAt}}", self.container(name))
        eventually(lambda: docker(*form) != before, self.start_seconds, f"{name} rebooted")
        self.wait(name)

    def disconnect(self, name: str) -> None:
        """Cut the host off its network."""
        docker("network", "disconnect", f"{self.project}_lan", self.container(name))

    def connect(self, name: str) -> None:
        """Give it back its address."""
        docker(
            *("network", "connect", "--ip", self.addresses[name]), f"{self.project}_lan", self.container(name)
        )

    @contextlib.contextmanager
    def cut_off(self, name: str) -> Iterator[None]:
        """While the block runs no packet leaves or reaches the host NAME, which works on: a pulled cable, its addresses kept."""
        self.run(name, "nft", "--file", "-", stdin=CUT)
        try:
            yield
        finally:
            self.run(name, "nft", "delete", "table", "netdev", "cut")

    def wait(self, name: str) -> None:
        """Until systemd says "running"."""
        command = ("systemctl", "is-system-running", "--quiet")
        eventually(
            lambda: self.run(name, *command, check=False).returncode == 0, self.start_seconds, f"{name} runs"
        )

    def reachable(self, name: str, port: int) -> bool:
        """Whether this machine can connect to PORT of the host NAME."""
        try:
            socket.create_connection((self.addresses[name], port), timeout=2).close()
        except OSError:
            return False
        return True

    # The inside of a host

    def run(
        self, name: str, *command: str, check: bool = True, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """COMMAND as root on the host NAME, past SSH; HostsError with its complaint where CHECK and it fails."""
        done = subprocess.run(
            self._inside(name, *command),
            input=stdin or "",
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise HostsError(f"{name}: {' '.join(command)} failed ({done.returncode}):\n{done.stderr}")
        return done

    def _inside(self, name: str, *command: str) -> list[str]:
        """The command of this machine that runs COMMAND as root on the host NAME."""
        return ["docker", "exec", "--interactive", self.container(name), *command]

    def ssh(self, name: str, *command: str) -> subprocess.CompletedProcess[str]:
        """COMMAND on the host NAME over SSH, as the operator."""
        line = ["ssh", "-F", str(self.ssh_config), name, *command]
        return subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)

    def load_image(self, name: str, reference: str) -> None:
        """Give the host's engine an image of this machine's engine."""
        load = shlex.join(self._inside(name, "docker", "load", "-q"))
        pipe = f"docker save {reference} | {load}"
        subprocess.run(["bash", "-o", "pipefail", "-c", pipe], check=True, stdout=subprocess.DEVNULL)

    def base_image(self) -> str:
        """The stack's Debian base: an image to run anything small in."""
        return image.base()

    def testinfra(self, name: str, user: str = USER):
        """The host as testinfra sees it: over SSH, as root through sudo."""
        import testinfra

        return testinfra.get_host(f"ssh://{user}@{name}", ssh_config=str(self.ssh_config), sudo=True)

    # Ansible

    def inventory(
        self,
        edge: list[str] | None = None,
        app: list[str] | None = None,
        data: list[str] | None = None,
        registry: list[str] | None = None,
        **variables: object,
    ) -> Path:
        """Write an inventory and return its folder.

        Groups default to: every host in `edge` and `app`, the first in `data`, none in `registry`.
        VARIABLES are those of group_vars/all.yml. Written anew by each call.
        """
        chosen = {
            "edge": self.names if edge is None else edge,
            "app": self.names if app is None else app,
            "data": self.names[:1] if data is None else data,
            **({"registry": registry} if registry else {}),
        }
        hosts = {
            name: {"ansible_host": ipv6(address) if self.options.ipv6 else address}
            for name, address in self.addresses.items()
        }
        groups = {
            group: {"hosts": {name: hosts.get(name, {}) for name in names}} for group, names in chosen.items()
        }
        return self.write_inventory({"all": {"vars": self.access}, **groups}, variables)

    @property
    def access(self) -> dict[str, str]:
        """Variables with which Ansible gets into every host."""
        return {
            "ansible_user": USER,
            "ansible_ssh_private_key_file": str(self.folder / "key"),
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={self.folder / 'known_hosts'} -o IdentitiesOnly=yes",
        }

    def write_inventory(self, groups: dict, variables: dict) -> Path:
        """Write hosts.yml from GROUPS and group_vars/all.yml from VARIABLES as they are; returns their folder."""
        folder = self.folder / "inventory"
        (folder / "group_vars").mkdir(parents=True, exist_ok=True)
        (folder / "hosts.yml").write_text(yaml.safe_dump(groups, sort_keys=False))
        (folder / "group_vars/all.yml").write_text(yaml.safe_dump(variables, sort_keys=False))
        return folder

    def playbook(
        self,
        name: str,
        *arguments: str,
        check: bool = True,
        wait: bool = True,
        inventory: Path | None = None,
        user: str = "",
        root: Path = ROOT,
    ) -> Play:
        """Run `ansible-playbook NAME` of ansible/ with the inventory that was written last, or that of another controller.

        USER is who it says it is, ROOT the checkout that it runs from. Its output is streamed into `play.log`, each line with its
        second. With CHECK a failure raises HostsError with the end of it; without WAIT it is returned while it runs
        (`play.wait()`, `play.kill()`).
        """
        self._number += 1
        tool = Path(sys.executable).parent / "ansible-playbook"
        play = Play(
            [str(tool), "-i", str(inventory or self.folder / "inventory"), name, *arguments],
            root / "ansible",
            self.folder / "logs" / f"{self._number:02}-{Path(name).stem}.log",
            {
                "ANSIBLE_SSH_CONTROL_PATH_DIR": self.control_folder,
                # Every task with its result, for `Play` to read.
                "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
                "ANSIBLE_LOG_PATH": str(self.folder / "logs/ansible.log"),
                **({"LOGNAME": user} if user else {}),
            },
        )
        self.plays.append(play)
        if wait:
            play.wait()
            print(f"hosts: {play}", flush=True)
            if check and play.code:
                raise HostsError(f"{play}\n{play.tail(40)}")
        return play


def ipv6(address: str) -> str:
    """The IPv6 address (RFC 4193) of the host that has this IPv4 ADDRESS.

    >>> ipv6("10.89.4.11")
    'fd89:10:89:4::b'
    """
    one, two, three, four = (int(part) for part in address.split("."))
    return str(ipaddress.ip_address(f"fd89:{one}:{two}:{three}::{four:x}"))


def _remove(folder: Path) -> None:
    """Remove a set of hosts by what its folder says."""
    if (folder / "compose.json").exists():
        command = ["compose", "--file", str(folder / "compose.json")]
        # An orderly shutdown would only take time.
        subprocess.run(["docker", *command, "kill"], capture_output=True, check=False)
        docker(*command, "down", "--volumes", "--remove-orphans")
    if (folder / "logs").exists():
        # One run of the tests has several sets under one name, one after the other.
        keep = ROOT / "tests/.artifacts/hosts" / f"{folder.name}-{time.strftime('%H%M%S')}"
        keep.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder / "logs", keep)
    shutil.rmtree(folder, ignore_errors=True)


def remove_stale() -> None:
    """Remove the hosts of test runs that were killed before they could do so themselves."""
    for folder in FOLDER.glob("*-*") if FOLDER.exists() else ():
        process = folder.name.rpartition("-")[2]
        if process.isdigit() and not Path("/proc", process).exists():
            _remove(folder)


def interruptible() -> None:
    """A run that is told to end removes its hosts first, as on Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
