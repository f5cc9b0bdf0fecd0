"""What the stack uses while visitors come, asked of the engine, of `/-/metrics` and of PostgreSQL."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..console import Failure
from ..local.compose import Project

SECONDS = 5
"""How long an answer may take."""

PORT = 8000
"""Of the application's processes; config/settings.py of the library has it."""

METRIC = re.compile(r"^(channels_stack_\w+)(?:\{(.*)\})? ([\d.e+-]+)$", re.MULTILINE)


class _Local(http.client.HTTPConnection):
    """HTTP over the engine's socket."""

    def __init__(self, path: str) -> None:
        super().__init__("engine", timeout=SECONDS)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(SECONDS)
        self.sock.connect(self.path)


@dataclass(frozen=True)
class Container:
    """One container of the stack, and what it may use."""

    identity: str
    service: str
    cores: float
    """Its limit, or as many as it has processes that compute."""
    memory: int
    address: str
    """On the network that the edge reaches it by; "" where it is on none."""


@dataclass(frozen=True)
class Used:
    """By one container until MOMENT: processor seconds, seconds in which its limit kept it from more, bytes now."""

    moment: float
    processor: float
    throttled: float
    memory: int


@dataclass(frozen=True)
class Look:
    """All of it. MOMENT is that of the MACHINE: the answers of busy processes make a look take time."""

    moment: float
    containers: dict[str, Used]
    machine: float
    """Processor seconds of everything on this machine."""
    lag: dict[str, float] = field(default_factory=dict)
    """Service -> the worst event loop lag of its processes, in seconds."""
    refused: dict[str, float] = field(default_factory=dict)
    """Why ws refused handshakes -> how many, since it started."""


class Sampler:
    """Looks at the containers of PROJECT."""

    def __init__(self, project: Project, processes: dict[str, int]) -> None:
        """PROCESSES of a replica of each service, where these compute on one core each."""
        self.project, self.processes = project, processes
        self.engine = local_engine()
        self.cores = len(os.sched_getaffinity(0))
        front = f"{project.containers()[0]['Project']}_front" if project.containers() else ""
        names = [container["Name"] for container in project.containers() if container["State"] == "running"]
        self.containers = [self._container(each, front) for each in inspected(names)]
        self.edge = next((each for each in inspected(names) if _service(each) == "edge"), None)

    def _container(self, known: dict[str, Any], front: str) -> Container:
        host = known["HostConfig"]
        network = known["NetworkSettings"]["Networks"].get(front) or {}
        service = _service(known)
        return Container(
            known["Id"],
            service,
            min(host["NanoCpus"] / 1e9 or self.cores, self.processes.get(service, self.cores), self.cores),
            host["Memory"] or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            network.get("IPAddress", ""),
        )

    def look(self, *, metrics: bool = False) -> Look:
        """What is used now; with METRICS what the processes count, too."""
        used = {}
        connection = _Local(self.engine)
        for container in self.containers:
            connection.request(
                "GET", f"/v1.41/containers/{container.identity}/stats?stream=false&one-shot=true"
            )
            answer = connection.getresponse()
            text = answer.read()
            if answer.status == 200:
                used[container.identity] = _used(json.loads(text))
        connection.close()
        lag: dict[str, float] = {}
        refused: dict[str, float] = {}
        for each in self.containers if metrics else ():
            if each.service in ("http", "ws"):
                for name, labels, value in METRIC.findall(_metrics(each.address)):
                    if name == "channels_stack_event_loop_lag_seconds":
                        lag[each.service] = max(lag.get(each.service, 0), float(value))
                    elif name == "channels_stack_sockets_refused_total":
                        reason = labels.partition('"')[2].rstrip('"')
                        refused[reason] = refused.get(reason, 0) + float(value)
        return Look(time.monotonic(), used, machine(), lag, refused)

    def connections(self) -> int | None:
        """How many connections the stack's own PostgreSQL has; None where it is another's."""
        names = [
            container["Name"]
            for container in self.project.containers()
            if container["Service"] == "db" and container["State"] == "running"
        ]
        query = "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
        for name in names:
            command = ["docker", "exec", name, "psql", "-U", "app", "-d", "app", "-Atc", query]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if not done.returncode:
                return int(done.stdout)
        return None


def local_engine() -> str:
    """The path of the engine's socket. Failure where the engine is on another machine."""
    form = "{{.Endpoints.docker.Host}}"
    done = subprocess.run(
        ["docker", "context", "inspect", "--format", form], capture_output=True, text=True, check=False
    )
    where = os.environ.get("DOCKER_HOST") or done.stdout.strip()
    if not where.startswith("unix://"):
        raise Failure(
            f"the engine is at {where or 'no known place'}: `make capacity` measures its own machine; run it there"
        )
    return where.removeprefix("unix://")


def inspected(names: list[str]) -> list[dict[str, Any]]:
    """What the engine knows of the containers NAMES."""
    done = subprocess.run(["docker", "inspect", *names], capture_output=True, text=True, check=False)
    return json.loads(done.stdout or "[]") if names else []


def _service(known: dict[str, Any]) -> str:
    return known["Config"]["Labels"].get("com.docker.compose.service", "")


def _used(stats: dict[str, Any]) -> Used:
    """From the engine's statistics: files that were read and may be dropped (cgroup v2, v1) are no use of memory."""
    memory, processor = stats["memory_stats"], stats["cpu_stats"]
    files = memory.get("stats", {})
    cached = files.get("inactive_file", files.get("total_inactive_file", 0))
    return Used(
        time.monotonic(),
        processor["cpu_usage"]["total_usage"] / 1e9,
        processor.get("throttling_data", {}).get("throttled_time", 0) / 1e9,
        memory.get("usage", 0) - cached,
    )


def _metrics(address: str) -> str:
    """The text of /-/metrics; "" where it is not answered."""
    connection = http.client.HTTPConnection(address, PORT, timeout=SECONDS)
    try:
        connection.request("GET", "/-/metrics")
        return connection.getresponse().read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()


def machine() -> float:
    """Processor seconds that this machine has been busy (proc(5), /proc/stat)."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle = ticks[3] + ticks[4]
    return (sum(ticks) - idle) / os.sysconf("SC_CLK_TCK")
