"""Visitors of both families, each with their own address: an engine, a stack's edge and visitors in network namespaces.

The engine is one of our own, because that of this machine may not translate IPv6, and must not be restarted for a test.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from .conftest import given, wait_for
from .edges import make_certificate

ROOT = Path(__file__).resolve().parents[2]
FOUR, SIX = "198.18.7", "fd99:7:"
"""Of the line between the machine (1) and its visitors (2 and 3)."""

VISIT = """
import http.client, socket, ssl, sys
address, path = sys.argv[1:]
context = ssl._create_unverified_context()
link = context.wrap_socket(socket.create_connection((address, 443), 5), server_hostname="localhost")
link.sendall(f"GET {path} HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n".encode())
print(link.recv(4096).split(b" ")[1].decode())
"""
UP = """
import os, sys
from pathlib import Path
from channels_stack_deploy.config import addresses
from channels_stack_deploy.config import certificates
from channels_stack_deploy.local import compose
from channels_stack_deploy.config import edge
from channels_stack_deploy.config import secrets
from channels_stack_deploy.config import settings
from channels_stack_deploy.paths import Deployment
deployment, image = Deployment(Path(sys.argv[1])), os.environ["EDGE_IMAGE"]
secrets.make(deployment)
values = settings.load(deployment.settings)
edge.write(deployment, values, certificates.make(deployment, values), image)
images = {f"{name}_IMAGE": image for name in ("EDGE", "HTTP", "WS", "WORKER", "REDIS", "DB")}
compose.write_environment(deployment, values, images)
compose.Project(deployment).run("up", "--detach", "--no-build", "--no-deps", "edge")
"""


@dataclass
class Machine:
    """A machine in a network namespace with an engine, and two visitors in namespaces of their own."""

    name: str
    socket: Path

    def run(self, *command: str, **environment: str) -> str:
        """Output of COMMAND on the machine, whose engine `docker` means."""
        return inside(self.name, *command, DOCKER_HOST=f"unix://{self.socket}", **environment)

    def visit(self, number: int, address: str, path: str) -> str:
        """The status that visitor NUMBER gets at ADDRESS."""
        return inside(f"{self.name}-{number}", sys.executable, "-c", VISIT, address, path).strip()


def inside(namespace: str, *command: str, **environment: str) -> str:
    """Output of COMMAND in the network NAMESPACE; what it says where it fails."""
    done = subprocess.run(
        ["nsenter", f"--net=/run/netns/{namespace}", *command],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """The machine with its engine, as the role `engine` configures it, and the edge's image in it."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("ip", "nsenter", "dockerd"))):
        pytest.skip("network namespaces and an engine of our own need root, iproute2, util-linux and dockerd")
    folder, name = tmp_path_factory.mktemp("engine"), f"cs6-{os.getpid()}"
    machine = Machine(name, folder / "engine.sock")
    ip("netns", "add", name)
    daemon = None
    try:
        ip("-n", name, "link", "set", "lo", "up")
        ip("-n", name, "link", "add", "line", "type", "bridge")
        ip("-n", name, "addr", "add", f"{FOUR}.1/24", "dev", "line")
        ip("-n", name, "addr", "add", f"{SIX}:1/64", "dev", "line", "nodad")
        ip("-n", name, "link", "set", "line", "up")
        for number in (2, 3):
            visitor = f"{name}-{number}"
            ip("netns", "add", visitor)
            ip(*f"link add to{number} netns {name} type veth peer name eth0 netns {visitor}".split())
            ip("-n", name, "link", "set", f"to{number}", "master", "line", "up")
            ip("-n", visitor, "addr", "add", f"{FOUR}.{number}/24", "dev", "eth0")
            ip("-n", visitor, "addr", "add", f"{SIX}:{number}/64", "dev", "eth0", "nodad")
            ip("-n", visitor, "link", "set", "eth0", "up")
        with (folder / "log").open("wb") as log:
            places = [f"--{kind}={folder / kind}" for kind in ("data-root", "exec-root", "pidfile")]
            # A file of its own: the machine's may say the same, and dockerd takes nothing from two places.
            (folder / "daemon.json").write_text('{"experimental": true, "ip6tables": true}')
            settings_file = f"--config-file={folder / 'daemon.json'}"
            command = ["dockerd", settings_file, *places, f"--host=unix://{machine.socket}"]
            daemon = subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{name}", *command], stdout=log, stderr=log, cwd=folder
            )
        wait_for(
            lambda: machine.socket.exists() or daemon.poll() is not None, f"the engine: {folder / 'log'}"
        )
        assert daemon.poll() is None, (folder / "log").read_text()
        image = given("EDGE_IMAGE")
        saved = folder / "image.tar"
        subprocess.run(["docker", "save", "--output", saved, image], check=True)
        wait_for(lambda: answers(machine), "the engine answers")
        machine.run("docker", "load", "--quiet", "--input", str(saved))
        saved.unlink()
        yield machine
    finally:
        if daemon:
            subprocess.run(
                "docker ps -aq | xargs -r docker rm -f; docker swarm leave --force",
                shell=True,
                env={**os.environ, "DOCKER_HOST": f"unix://{machine.socket}"},
                capture_output=True,
                check=False,
            )
            daemon.terminate()
            daemon.wait(60)
            for mounted in (folder / "exec-root/netns").glob("*"):  # Swarm leaves two
                subprocess.run(["umount", "--lazy", mounted], capture_output=True, check=False)
        for namespace in (name, f"{name}-2", f"{name}-3"):
            subprocess.run(["ip", "netns", "del", namespace], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def answers(machine: Machine) -> bool:
    try:
        return bool(machine.run("docker", "version"))
    except AssertionError:
        return False


def clients(machine: Machine, container: str) -> dict[str, str]:
    """Who came, by the path that was asked for, as the edge's log has it."""
    lines = machine.run("docker", "logs", container).splitlines()
    records = [json.loads(line) for line in lines if line.startswith("{")]
    return {record["path"]: record["client"] for record in records if "path" in record}


def everybody_has_their_own_address(machine: Machine, container: str) -> None:
    """Two visitors, two families, as the edge knows them."""
    expected = {
        f"/{number}/{version}": f"{network}{'.' if version == 4 else ':'}{number}"
        for number in (2, 3)
        for version, network in ((4, FOUR), (6, SIX))
    }
    for path in expected:
        number, version = map(int, path.strip("/").split("/"))
        assert machine.visit(number, f"{FOUR}.1" if version == 4 else f"{SIX}:1", path) == "503"
    wait_for(lambda: clients(machine, container).keys() >= expected.keys(), "all in the log")
    assert {path: clients(machine, container)[path] for path in expected} == expected


def healthy(machine: Machine, container: str) -> bool:
    form = "{{.State.Health.Status}}"
    return machine.run("docker", "inspect", "--format", form, container).strip() == "healthy"


def test_one_machine(machine: Machine, tmp_path: Path):
    """`compose up` of the edge as `make up` does it, with the default BIND_ADDRESS."""
    folder = tmp_path / "stack"
    folder.mkdir()
    (folder / "stack.env").write_text("COMPOSE_PROJECT_NAME=six\n")
    program = [sys.executable, "-c", UP, str(folder)]
    machine.run(*program, PYTHONPATH=str(ROOT / "src/channels_stack_deploy"), EDGE_IMAGE=given("EDGE_IMAGE"))
    container = machine.run("docker", "ps", "--quiet", "--filter", "name=six-edge").strip()
    wait_for(lambda: healthy(machine, container), "a healthy edge")
    everybody_has_their_own_address(machine, container)
    machine.run("docker", "rm", "--force", container)


def test_servers(machine: Machine, tmp_path: Path):
    """The bridge as the role `swarm` makes it, and ports as compose.yml publishes them."""
    tasks = yaml.safe_load((ROOT / "ansible/roles/swarm/tasks/bridge.yml").read_text())
    defaults = yaml.safe_load((ROOT / "ansible/roles/swarm/defaults/main.yml").read_text())
    (command,) = [task["ansible.builtin.command"] for task in tasks if task["name"] == "Bridge | make it"]
    command = command.replace("{{ swarm_bridge_subnet }}", defaults["swarm_bridge_subnet"])
    machine.run("sh", "-c", command)
    machine.run("docker", "swarm", "init", "--advertise-addr", f"{FOUR}.1")
    machine.run("docker", "network", "create", "--driver=overlay", "front")
    make_certificate(tmp_path)
    tmp_path.chmod(0o755)
    machine.run(
        *(
            "docker",
            "service",
            "create",
            "--quiet",
            "--name=edge",
            "--no-resolve-image",
            "--endpoint-mode=dnsrr",
        ),
        "--network=front",
        "--publish=mode=host,published=443,target=8443",
        f"--mount=type=bind,source={tmp_path},target=/etc/edge,readonly",
        "--mount=type=tmpfs,target=/tmp",
        given("EDGE_IMAGE"),
    )
    container = wait_for(
        lambda: machine.run("docker", "ps", "--quiet", "--filter", "name=edge.1").strip(), "a task"
    )
    wait_for(lambda: healthy(machine, container), "a healthy edge")
    everybody_has_their_own_address(machine, container)
