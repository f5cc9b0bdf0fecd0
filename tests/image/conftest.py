"""Real images, real containers, for the tests of this folder.

The images are those that `make images` has built, by the variables EDGE_IMAGE, REDIS_IMAGE, DB_IMAGE and
UVICORN_IMAGE; an official image may be given in the place of Redis's or the database's to see its contract kept.
Containers, networks and volumes carry the name of this run and are removed with
their test module. After a failure the logs of the containers are printed.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.polling import PATIENCE, Value, said, until

IMAGES = Path(__file__).resolve().parents[2] / "images"

from channels_stack_deploy.swarm.engine import Engine  # noqa: E402

if TYPE_CHECKING:
    from .edges import Edge, Site

RUN = f"channels-stack-test-{uuid.uuid4().hex[:8]}"

# How compose runs every container.
HARDENED = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--init"]


def docker(*arguments: str, check: bool = True, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run the docker client; a failure shows its output."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=timeout)
    if check and done.returncode:
        raise AssertionError(f"docker {' '.join(arguments)}\n{done.stdout}{done.stderr}")
    return done


def wait_for(condition: Callable[[], Value], what: str, seconds: float = PATIENCE) -> Value:
    """`until`, which says first what is waited for."""
    return until(condition, seconds, what)


@dataclass
class Container:
    """A running (or ended) container."""

    name: str
    ports: dict[int, int] = field(default_factory=dict)

    def inspect(self) -> dict:
        """What `docker inspect` says."""
        return json.loads(docker("inspect", self.name).stdout)[0]

    def port(self, port: int) -> int:
        """The port on 127.0.0.1 that leads to `port`."""
        if port not in self.ports:
            self.ports[port] = int(docker("port", self.name, str(port)).stdout.split(":")[1].split()[0])
        return self.ports[port]

    def run(
        self, *command: str, check: bool = True, env: dict[str, str] | None = None, user: str | None = None
    ):
        """Execute a command inside."""
        flags = [f"--env={name}={value}" for name, value in (env or {}).items()] + (
            [f"--user={user}"] if user else []
        )
        return docker("exec", *flags, self.name, *command, check=check)

    def output(self) -> str:
        """What it wrote to stdout."""
        return docker("logs", self.name).stdout

    def logs(self) -> str:
        """What it wrote to stdout and stderr."""
        done = docker("logs", self.name, check=False)
        return done.stdout + done.stderr

    def says(self, *words: str, seconds: float = PATIENCE) -> str:
        """What it wrote, as soon as each of WORDS is in it: the engine has it a moment after the event."""
        return said(self.logs, *words, seconds=seconds)

    def health(self) -> str:
        """starting, healthy or unhealthy; a container that ended fails."""
        state = self.inspect()["State"]
        assert state["Running"], f"{self.name} ended with {state['ExitCode']}:\n{self.logs()}"
        return state["Health"]["Status"]

    def stop(self, seconds: int = 30) -> tuple[int, float]:
        """`docker stop`; return the exit code and the seconds it took."""
        begin = time.monotonic()
        docker("stop", f"--time={seconds}", self.name)
        return self.inspect()["State"]["ExitCode"], time.monotonic() - begin

    def ended(self, seconds: float = PATIENCE) -> int:
        """Wait for the end, return the exit code."""
        wait_for(lambda: not self.inspect()["State"]["Running"], f"{self.name} ended", seconds)
        return self.inspect()["State"]["ExitCode"]


@dataclass
class Yard:
    """Where a test module starts its containers: one network, everything removed at the end."""

    name: str
    containers: list[Container] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)

    def start(
        self, image: str, *command: str, flags: list[str] | None = None, hardened: bool = True
    ) -> Container:
        """`docker run --detach` in this network."""
        container = Container(f"{self.name}-{len(self.containers)}")
        self.containers.append(container)
        docker(
            "run",
            "--detach",
            f"--name={container.name}",
            f"--network={self.name}",
            *(HARDENED if hardened else []),
            *(flags or []),
            image,
            *command,
        )
        return container

    def volume(self) -> str:
        """A new, empty volume."""
        self.volumes.append(f"{self.name}-{len(self.volumes)}")
        docker("volume", "create", self.volumes[-1])
        return self.volumes[-1]

    def remove(self) -> None:
        """Leave nothing behind."""
        if self.containers:
            docker(
                "rm", "--force", "--volumes", *(container.name for container in self.containers), check=False
            )
        for volume in self.volumes:
            docker("volume", "rm", "--force", volume, check=False)
        docker("network", "rm", self.name, check=False)


@pytest.fixture(scope="module")
def yard(request: pytest.FixtureRequest) -> Iterator[Yard]:
    """The containers of one test module."""
    yard = Yard(f"{RUN}-{request.module.__name__.rpartition('.')[2].removeprefix('test_')}")
    docker("network", "create", yard.name)
    yield yard
    if request.session.testsfailed:
        for container in yard.containers:
            print(f"--- {container.name}\n{container.logs()[-4000:]}")
    yard.remove()


@pytest.fixture(scope="module")
def engine(yard: Yard) -> Engine:
    """This machine's, as a playbook reaches it."""

    def run(line: str, given: str) -> tuple[int, str, str]:
        done = subprocess.run(["sh", "-c", line], input=given, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    return Engine(run, yard.name, print)


def given(name: str) -> str:
    """The image that the variable NAME gives; `make image` sets them all, from `make images`."""
    if name not in os.environ:
        pytest.exit(f"{name} is not set: run these tests by `make image`, which builds the images first", 2)
    return os.environ[name]


def made(name: str) -> str:
    """The image of the server in the folder NAME of this one, which a few tests need and build themselves."""
    from channels_stack_deploy.build import contexts, images
    from channels_stack_deploy.config import settings

    folder = Path(__file__).with_name(name)
    return images.make(
        settings.defaults(), {"SERVER": contexts.Image(f"channels-stack/test-{name}", folder)}
    )["SERVER"]


@pytest.fixture(scope="session")
def edge_image() -> str:
    """images/edge."""
    return given("EDGE_IMAGE")


@pytest.fixture(scope="session")
def redis_image() -> str:
    """images/redis, or an official image in its place."""
    return given("REDIS_IMAGE")


@pytest.fixture(scope="session")
def db_image() -> str:
    """images/db, or an official image in its place."""
    return given("DB_IMAGE")


@pytest.fixture(scope="session")
def backup_image() -> str:
    """images/backup."""
    return given("BACKUP_IMAGE")


@pytest.fixture(scope="session")
def python_image() -> str:
    """An image with a Python, for the small servers that a test needs."""
    return given("UVICORN_IMAGE")


# --- The edge and what stands behind it -----------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for /etc/edge: nothing but a certificate for localhost."""
    from .edges import make_certificate

    folder = tmp_path_factory.mktemp("edge")
    folder.chmod(0o755)
    make_certificate(folder)
    return folder


@pytest.fixture(scope="module")
def site(yard: Yard, edge_image: str, python_image: str, certificate: Path) -> Site:
    """Nothing started yet."""
    from .edges import Site

    return Site(yard, edge_image, python_image, certificate)


@pytest.fixture(scope="module")
def backends(site: Site) -> dict[str, Container]:
    """Two replicas of http, two of ws."""
    return {
        name: site.backend(service, name)
        for service in ("http", "ws")
        for name in (f"{service}-a", f"{service}-b")
    }


@pytest.fixture(scope="module")
def edge(site: Site, backends: dict[str, Container]) -> Edge:
    """An edge with the default settings, apart from the limits per address."""
    return site.edge()


@pytest.fixture(scope="module")
def hasty(site: Site, backends: dict[str, Container]) -> Edge:
    """An edge with short times, to see each of them run out."""
    return site.edge(
        EDGE_REQUEST_TIMEOUT="1s",
        EDGE_CLIENT_TIMEOUT="1s",
        EDGE_STREAM_TIMEOUT="3s",
        EDGE_HANDSHAKE_TIMEOUT="2s",
        EDGE_TUNNEL_TIMEOUT="3s",
    )


@pytest.fixture(scope="module")
def seen(site: Site, backends: dict[str, Container]):
    """A function: how many requests reached the application with this method and path."""

    def count(method: str, path: str) -> int:
        counters = [json.loads(site.control(backend, "/control/seen")) for backend in backends.values()]
        return sum(counter.get(f"{method} {path}", 0) for counter in counters)

    return count


@pytest.fixture(scope="module")
def gateway(yard: Yard) -> str:
    """This machine's address as containers see it."""
    return docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", yard.name).stdout.strip()
