"""A deployment on test hosts: its settings, its releases, what runs of it, and its address."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import yaml
from crowd import Site
from hosts import Hosts, Play
from stacks import ROOT, machine_settings, outside_make

DEMO = "demo --username admin --password-file /run/secrets/demo_password"

CANARY = "canary-of-the-application"
"""A secret of the application that nothing may show."""

ONE_VISITOR = {
    "EDGE_REQUESTS_PER_10S": 0,
    "EDGE_HANDSHAKES_PER_10S": 0,
    "EDGE_CONNECTIONS_PER_ADDRESS": 0,
    "WS_MAX_SOCKETS_PER_USER": 1000,
}
"""A whole crowd with one address and one session would be held up by what is allowed to one visitor."""


class Deployment:
    """The stack on HOSTS. SETTINGS are those of stack_settings; others of the role are given to `configure`."""

    def __init__(self, hosts: Hosts, **settings: object) -> None:
        self.hosts = hosts
        self.domain = hosts.names[0]
        self.settings = {
            "DOMAINS": self.domain,
            "APP_RELEASE_COMMANDS": DEMO,
            **ONE_VISITOR,
            **machine_settings(),
            **settings,
        }
        self.variables: dict[str, Any] = {
            "stack_image_compression": False,
            "stack_app_env": {"BILLING_TOKEN": CANARY},
        }
        self.groups: dict[str, list[str]] = {}
        self.configure()

    def configure(self, settings: dict[str, object] | None = None, **variables: object) -> None:
        """Change SETTINGS and VARIABLES of the inventory."""
        self.settings |= settings or {}
        self.variables |= variables
        self.hosts.inventory(**self.groups, stack_settings=self.settings, **self.variables)

    def name_of(self, host: str) -> str:
        """The name of a host in the inventory."""
        return host

    @property
    def folder(self) -> Path:
        """Secrets and generated files on the controller."""
        return self.hosts.folder / "inventory/.stack"

    @property
    def site(self) -> Site:
        password = (self.folder / "secrets/demo_password").read_text()
        addresses = [self.hosts.addresses[name] for name in self.groups.get("edge", self.hosts.names)]
        return Site(addresses, self.domain, self.folder / "tls/ca.pem", "admin", password)

    def play(self, name: str, *arguments: str, check: bool = True) -> Play:
        """Run a playbook; what it said is printed with its time."""
        return self.hosts.playbook(name, *arguments, check=check)

    def deploy(self, *arguments: str, check: bool = True) -> Play:
        return self.play("deploy.yml", *arguments, check=check)

    def make(self, verb: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`make VERB ENV=… ARGUMENTS` for this inventory, or for what ARGUMENTS say ENV is."""
        place = os.path.relpath(self.hosts.folder / "inventory", ROOT / "ansible/inventory")
        environment = {**outside_make(), "ANSIBLE_SSH_CONTROL_PATH_DIR": self.hosts.control_folder}
        command = ["make", verb, f"ENV={place}", *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    def docker(self, *words: str) -> str:
        """`docker WORDS` on the first manager."""
        return self.hosts.run(self.hosts.names[0], "docker", *words).stdout

    def running(self) -> dict[str, str]:
        """Container -> when it was started, on every host."""
        found = {}
        for host in self.hosts.names:
            form = "{{.ID}} {{.Names}} {{.CreatedAt}}"
            for line in self.hosts.run(
                host, "docker", "ps", "--no-trunc", "--format", form
            ).stdout.splitlines():
                found[line.split()[0]] = line
        return found

    def services(self) -> dict[str, dict]:
        """What Swarm has of each service, by its short name."""
        names = self.docker("service", "ls", "--format", "{{.Name}}").split()
        found = json.loads(self.docker("service", "inspect", *names)) if names else []
        return {each["Spec"]["Name"].partition("_")[2]: each for each in found}

    def places(self, service: str) -> list[str]:
        """The hosts on which tasks of SERVICE run, one for each task."""
        form = ("--filter", "desired-state=running", "--format", "{{.Node}} {{.CurrentState}}")
        lines = self.docker("service", "ps", *form, f"channels-stack_{service}").splitlines()
        return [line.split()[0] for line in lines if line.split()[1] == "Running"]

    def release(self) -> str:
        """The release that all services belong to; AssertionError where they do not agree."""
        found = {
            name: each["Spec"]["Labels"]["channels-stack.release"] for name, each in self.services().items()
        }
        assert len(set(found.values())) == 1, f"services of several releases: {found}"
        return next(iter(found.values()))

    def locked(self) -> bool:
        return any(
            name.endswith("_lock") for name in self.docker("config", "ls", "--format", "{{.Name}}").split()
        )


GROUPS = {"edge": ["host1", "host2"], "app": ["host1", "host2", "host3"], "data": ["host1"]}
"""The groups of three servers, as docs/how-to/deploy.md has them."""


class Documented(Deployment):
    """The three servers of docs/how-to/deploy.md: its inventory and settings, word for word, and what stands in for DNS."""

    def configure(self, settings: dict[str, object] | None = None, **variables: object) -> None:
        """Change SETTINGS and VARIABLES of the inventory."""
        blocks = re.findall(
            r"^```yaml\n(.*?)^```$", (ROOT / "docs/how-to/deploy.md").read_text(), re.M | re.S
        )
        groups, everything = (yaml.safe_load(block) for block in blocks[:2])
        self.groups, self.domain = GROUPS, everything["stack_settings"]["DOMAINS"]
        self.settings |= everything["stack_settings"] | (settings or {})
        self.variables |= everything | variables | {"stack_settings": self.settings}
        addresses = {self.name_of(name): {"ansible_host": at} for name, at in self.hosts.addresses.items()}
        access = {"all": {"vars": self.hosts.access, "hosts": addresses}}
        self.hosts.write_inventory({**access, **groups}, self.variables)

    def name_of(self, host: str) -> str:
        """The name of a host in the inventory."""
        return f"{host}.example.org"


def timed(what: str, play: Play) -> None:
    """Say how long a step took."""
    print(
        f"figure: {what}: {play.seconds:.0f} s (load {Path('/proc/loadavg').read_text().split()[0]})",
        flush=True,
    )


def moment() -> str:
    """A name for a release that was not there before."""
    return time.strftime("r%H%M%S")
