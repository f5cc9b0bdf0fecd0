"""Real servers and processes for the tests of the runtime: Redis, PostgreSQL, workers."""

from __future__ import annotations

import glob
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
import uuid
from typing import Any

from support.polling import PATIENCE, said, until
from support.ports import free_port

HERE = pathlib.Path(__file__).resolve().parent
RUNTIME = HERE.parents[2] / "src/channels_stack"
PROBE = HERE.parents[2] / "images/app/channels-stack-probe.sh"


def counts(port: int, *samples: str) -> str:
    """The metrics of the process at ``port``, as soon as they have ``samples``: things are counted after they are over."""

    def metrics() -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/metrics", timeout=PATIENCE) as response:
                return response.read().decode()
        except OSError as error:
            return str(error)

    return said(metrics, *samples)


def probe(*arguments: object) -> subprocess.CompletedProcess[str]:
    """What the health check of an application's container says of a server or a heartbeat here."""
    command = ["bash", PROBE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Redis:
    """A redis-server of our own that keeps nothing."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        # A process that another run of the tests has left behind must not meet ours.
        self.prefix = f"test-{uuid.uuid4().hex[:8]}"

    def __enter__(self) -> Redis:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        arguments = [
            "redis-server",
            "--port",
            str(self.port),
            "--save",
            "",
            "--appendonly",
            "no",
            "--bind",
            "127.0.0.1",
        ]
        self.process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
        until(lambda: answers(self.port), what="redis-server answers")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def environment(self) -> dict[str, str]:
        return {"REDIS_URL": self.url, "REDIS_PREFIX": self.prefix}


class Postgres:
    """A PostgreSQL of our own in a temporary folder. It refuses to be root, so root runs it as `postgres`."""

    def __init__(self, auth: str = "trust", max_connections: int = 100) -> None:
        self.auth, self.max_connections = auth, max_connections
        self.port = free_port()
        self.folder = tempfile.mkdtemp(prefix="test-postgres-")
        self.user = pwd.getpwnam("postgres") if os.getuid() == 0 else None
        if self.user:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)

    def __enter__(self) -> Postgres:
        self.initialise()
        self.start()
        return self

    def initialise(self) -> None:
        """Make its data; the first start follows."""
        data = f"{self.folder}/data"
        self._run(["initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-sync"], check=True)
        rules = pathlib.Path(data, "pg_hba.conf")
        rules.write_text(rules.read_text().replace("trust", self.auth))

    def start(self) -> None:
        """Return when it answers."""
        data = f"{self.folder}/data"
        options = [
            "-p",
            str(self.port),
            "-k",
            self.folder,
            "-c",
            "fsync=off",
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            f"max_connections={self.max_connections}",
        ]
        self.process = subprocess.Popen(
            [postgres_program("postgres"), "-D", data, *options], **self._options()
        )
        until(self._ready, what="postgres answers")

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        shutil.rmtree(self.folder)

    def create(self, database: str) -> None:
        self._run(
            ["createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", database], check=True
        )

    def _ready(self) -> bool:
        return self._run(["pg_isready", "-h", "127.0.0.1", "-p", str(self.port)]).returncode == 0

    def _run(self, command: list[str], check: bool = False) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([postgres_program(command[0]), *command[1:]], check=check, **self._options())

    def _options(self) -> dict[str, Any]:
        account = {"user": self.user.pw_uid, "group": self.user.pw_gid} if self.user else {}
        return {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": self.folder, **account}


def postgres_program(name: str) -> str:
    """The path of a program of PostgreSQL; empty when there is none on this machine."""
    return shutil.which(name) or next(
        iter(sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), reverse=True)), ""
    )


def environment_of(project: str, folder: pathlib.Path, redis: Redis) -> dict[str, str]:
    """What every process for a PROJECT of these tests has; what it collects goes below FOLDER."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{RUNTIME}:{HERE}",
        # Hundreds of processes start: what one has compiled, the others only load.
        "PYTHONPYCACHEPREFIX": os.environ.get("PYTHONPYCACHEPREFIX", f"{tempfile.gettempdir()}/pycache"),
        "SECRET_KEY": "k7f3-only-for-tests-" * 4,
        "DATABASE_URL": "sqlite://:memory:",
        "APP_OVERLAY": "off",  # the projects of these tests say themselves what they need
        "DJANGO_SETTINGS_MODULE": f"{project}.settings",
        "APP_SETTINGS": f"{project}.settings",
        "APP_ASGI": f"{project}.asgi:application",
        "STATIC_ROOT": str(folder / "static"),
        **redis.environment(),
    }


class Project:
    """Runs commands for the project in the folder `jobs`; ``journal`` is what its consumers wrote down."""

    def __init__(self, folder: pathlib.Path, redis: Redis) -> None:
        self.journal_file = folder / "journal"
        self.journal_file.touch()
        self.folder = folder
        self.running: list[Process] = []
        self.environment = {
            **environment_of("jobs", folder, redis),
            "TEST_JOURNAL": str(self.journal_file),
            "DRAIN_NOTICE_SECONDS": "0",
            "DRAIN_SECONDS": "1",
            "STOP_SECONDS": "7",
            "WORKER_RETRY_SECONDS": "0.2",
        }

    def journal(self) -> list[str]:
        return self.journal_file.read_text().splitlines()

    def python(self, *arguments: str, before: tuple[str, ...] = (), **environment: str) -> Process:
        command = [*before, sys.executable, *arguments]
        process = Process(command, self.environment | environment, self.folder)
        self.running.append(process)
        return process

    def command(self, *arguments: str, **environment: str) -> Process:
        """channels-stack with ``arguments``."""
        return self.python("-m", "channels_stack", *arguments, **environment)

    def worker(self, *channels: str, before: tuple[str, ...] = (), **environment: str) -> Process:
        """A worker that listens; ``channels`` may be options too.

        ``port`` and ``heartbeat`` are attributes of the returned process.
        """
        port, heartbeat = free_port(), self.folder / f"heartbeat-{len(self.running)}"
        options = [f"--port={port}", f"--heartbeat={heartbeat}"]
        arguments = ["-m", "channels_stack", "worker", *options, *channels]
        process = self.python(*arguments, before=before, **environment)
        process.port, process.heartbeat = port, heartbeat
        until(lambda: heartbeat.exists() or process.exit_code() is not None, what="the worker listens")
        assert process.exit_code() is None, process.output()
        return process

    def end(self) -> None:
        for process in self.running:
            process.kill()


class Process:
    """A running command; its output, both streams together, goes to a file."""

    port: int
    heartbeat: pathlib.Path

    def __init__(self, command: list[str], environment: dict[str, str], folder: pathlib.Path) -> None:
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".output", delete=False) as output:
            self.output_file = pathlib.Path(output.name)
            self.popen = subprocess.Popen(
                command, env=environment, cwd=folder, stdout=output, stderr=subprocess.STDOUT
            )

    def output(self) -> str:
        """What it has written so far; only when it has ended is that everything: see ``says``."""
        return self.output_file.read_text()

    def says(self, *words: str, seconds: float = PATIENCE) -> str:
        """The output, as soon as each of ``words`` is in it: the log is written by a thread, after the event."""
        return said(self.output, *words, seconds=seconds)

    def child(self) -> int:
        """The process that `unshare` has started, by its number outside."""
        return self.children()[0]

    def children(self) -> list[int]:
        """The processes that it has started and that run."""
        pid = self.popen.pid
        return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def exit_code(self) -> int | None:
        return self.popen.poll()

    def terminate(self) -> None:
        self.popen.send_signal(signal.SIGTERM)

    def wait(self, seconds: float = PATIENCE) -> int:
        """Its exit code, as soon as it has ended."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"did not end within {seconds} s:\n{self.output()}") from None

    def kill(self) -> None:
        if self.exit_code() is None:
            self.popen.kill()
            self.popen.wait()
