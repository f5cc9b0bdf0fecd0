"""Real images, real containers, for the tests of this folder.

Each image is taken from the environment (IMAGE_EDGE, IMAGE_REDIS, IMAGE_DB), or built once from `images/` under a tag of this
run and removed afterwards; IMAGE_BASE names the base to build on (default channels-stack/base:trixie). Containers, networks and
volumes carry the name of this run and are removed with their test module. A failing test gets the logs of its containers.
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

import pytest

IMAGES = Path(__file__).resolve().parents[2] / "images"
RUN = f"channels-stack-test-{uuid.uuid4().hex[:8]}"

# How compose runs every container.
HARDENED = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--init"]


def docker(*arguments: str, check: bool = True, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run the docker client; a failure shows its output."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=timeout)
    if check and done.returncode:
        raise AssertionError(f"docker {' '.join(arguments)}\n{done.stdout}{done.stderr}")
    return done


def wait_for(condition: Callable[[], object], what: str, seconds: float = 15) -> object:
    """Poll until `condition` returns something true, and return that; fail with `what` when the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")


@dataclass
class Container:
    """A running (or ended) container."""

    name: str

    def inspect(self) -> dict:
        """What `docker inspect` says."""
        return json.loads(docker("inspect", self.name).stdout)[0]

    def port(self, port: int) -> int:
        """The port on 127.0.0.1 that leads to `port`."""
        return int(docker("port", self.name, str(port)).stdout.split(":")[1].split()[0])

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

    def ended(self, seconds: float = 15) -> int:
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


def built(name: str) -> Iterator[str]:
    """Yield the image's name; build it if the environment names none."""
    if given := os.environ.get(f"IMAGE_{name.upper()}"):
        yield given
        return
    tag = f"{RUN}:{name}"
    base = os.environ.get("IMAGE_BASE", "channels-stack/base:trixie")
    docker("build", f"--build-arg=BASE={base}", f"--tag={tag}", str(IMAGES / name), timeout=300)
    yield tag
    docker("image", "rm", "--force", tag, check=False)


@pytest.fixture(scope="session")
def edge_image() -> Iterator[str]:
    """images/edge."""
    yield from built("edge")


@pytest.fixture(scope="session")
def redis_image() -> Iterator[str]:
    """images/redis."""
    yield from built("redis")


@pytest.fixture(scope="session")
def db_image() -> Iterator[str]:
    """images/db."""
    yield from built("db")


@pytest.fixture(scope="session")
def python_image() -> Iterator[str]:
    """An image of ours with a Python, for small servers that a test needs: images/db, which is built from source here."""
    if os.environ.get("IMAGE_DB", "").startswith("channels-stack/"):
        yield os.environ["IMAGE_DB"]
        return
    yield from built("db")
