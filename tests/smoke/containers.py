"""A container of the stack, seen from the engine and from inside. The only module that knows testinfra."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import testinfra
from stacks import docker, eventually, inspect

HEALTHY_SECONDS = 60
"""How long a restarted container may take to be healthy again."""


@dataclass(frozen=True)
class Stop:
    """How a container ended: its exit code, and the seconds it took."""

    code: int
    seconds: float


class Container:
    """One container by its NAME; what it logged before SINCE (unix seconds) does not count."""

    def __init__(self, name: str, since: str) -> None:
        self.name, self.since = name, since
        self.inside = testinfra.get_host(f"docker://{name}")

    def __repr__(self) -> str:
        return self.name

    @property
    def inspected(self) -> dict:
        """What `docker inspect` says now."""
        return inspect(self.name)

    @property
    def hostname(self) -> str:
        return self.inspected["Config"]["Hostname"]

    @property
    def addresses(self) -> dict[str, str]:
        """IP address by network, without the project's name in front."""
        networks = self.inspected["NetworkSettings"]["Networks"]
        return {name.rpartition("_")[2]: each["IPAddress"] for name, each in networks.items()}

    @property
    def healthy(self) -> bool:
        return self.inspected["State"].get("Health", {}).get("Status") == "healthy"

    def run(self, command: str, *arguments: str) -> str:
        """Standard output of a shell COMMAND inside, as the service's own user; it must exit with 0."""
        done = self.inside.run(command, *arguments)
        assert done.rc == 0, f"{self.name}: {command} exited with {done.rc}: {done.stderr.strip()}"
        return done.stdout

    def python(self, program: str, *arguments: str) -> str:
        """Standard output of a Python PROGRAM inside; application containers have Python."""
        return self.run("python3 -c %s" + " %s" * len(arguments), program, *arguments)

    def file(self, path: str):
        """mode, uid, gid, content, … of a file inside."""
        return self.inside.file(path)

    def processes(self) -> list[dict[str, str]]:
        """The fields of /proc/PID/status of each process of the service; ours, made by looking, are left out."""
        text = self.run('for file in /proc/[0-9]*/status; do cat "$file" 2>/dev/null; echo; done')
        found = []
        for block in text.strip().split("\n\n"):
            fields = dict(line.split(":\t", 1) for line in block.splitlines() if ":\t" in line)
            # docker exec starts its processes with parent 0, and they are not number 1.
            if fields and not (fields["PPid"].strip() == "0" and fields["Pid"].strip() != "1"):
                found.append({name: value.strip() for name, value in fields.items()})
        looking = {each["Pid"] for each in found if each["Name"] in ("sh", "cat", "dash")}
        return [each for each in found if each["Pid"] not in looking]

    def log(self) -> list[str]:
        """The lines that the container printed."""
        done = subprocess.run(
            ["docker", "logs", "--since", self.since, self.name],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=True,
        )
        return done.stdout.decode(errors="replace").splitlines()

    def records(self) -> list[dict]:
        """The log as records; lines that are no JSON are left out (a test of its own finds them)."""
        found = (_decoded(line) for line in self.log())
        return [record for record in found if record is not None]

    def stop(self) -> Stop:
        """`docker stop`: the container's own signal, and SIGKILL after its own time."""
        begun = time.monotonic()
        docker("stop", self.name)
        return Stop(self.inspected["State"]["ExitCode"], time.monotonic() - begun)

    def start(self) -> None:
        """Start it again and wait until it is healthy."""
        docker("start", self.name)
        eventually(lambda: self.healthy, HEALTHY_SECONDS, f"{self.name} healthy again")

    @contextmanager
    def stopped(self) -> Iterator[Stop]:
        """Stop it for the time of a block."""
        try:
            yield self.stop()
        finally:
            self.start()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let it hang for the time of a block: it takes connections, and answers nothing."""
        docker("pause", self.name)
        try:
            yield
        finally:
            docker("unpause", self.name)


def _decoded(line: str) -> dict | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
