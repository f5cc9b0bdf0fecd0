"""The servers that `make bench` compares, each a process of its own on one core."""

from __future__ import annotations

import contextlib
import os
import pathlib
import sys
from collections.abc import Iterator, Mapping

from processes import Process, Redis, answers, free_port, until
from support.containers import process_cpu_seconds, process_pss_kib

HERE = pathlib.Path(__file__).parent
LIBRARY = HERE.parents[2] / "src/channels_stack"
SERVER_CORE, LOAD_CORE = {0}, {1}

OURS = ["channels_stack", "serve", "ws", "--port", "{port}"]
UVICORN = ["uvicorn", "project.asgi:{app}", "--port", "{port}", "--log-level", "warning"]
BARE = [
    *(*UVICORN, "--loop", "uvloop", "--http", "h11", "--ws", "websockets-sansio", "--lifespan", "off"),
    *("--ws-per-message-deflate", "false", "--no-access-log"),
]
LIMIT = ["project.limit", "{port}"]
DAPHNE = ["daphne", "--port", "{port}", "--bind", "127.0.0.1", "--verbosity", "0", "project.asgi:{app}"]

SIDES = {
    "bare": (BARE, "bare", "pubsub"),
    "wrapped": (OURS, "bare", "pubsub"),
    "uvicorn": (UVICORN, "application", "pubsub"),
    "daphne": (DAPHNE, "application", "core"),
    "ours": (OURS, "application", "groups"),
    "before": (OURS, "application", "groups"),
    "ours, pubsub": (OURS, "application", "pubsub"),
    "limit": (LIMIT, "none", "pubsub"),
}
"""By name: the command, the application, the channel layer.

``before`` is ours of an earlier revision. Without Channels: ``bare`` on uvicorn as we configure it, ``wrapped`` as we serve it.
``limit`` is transports of asyncio and nothing else: what no server can do better.
"""


@contextlib.contextmanager
def on_core(core: set[int]) -> Iterator[None]:
    """What is started within has ``core`` to itself, where the machine has two."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, core & before or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Side:
    """One of SIDES, running until ``end``."""

    def __init__(
        self,
        name: str,
        redis: Redis,
        folder: pathlib.Path,
        before: pathlib.Path = LIBRARY,
        more: Mapping[str, str] | None = None,
    ) -> None:
        command, app, layer = SIDES[name]
        self.port = free_port()
        self.url = f"ws://127.0.0.1:{self.port}"
        words = [word.format(port=self.port, app=app) for word in command]
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join([str(HERE), str(before if name == "before" else LIBRARY)]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "BENCH_LAYER": layer,
            "SECRET_KEY": "k7f3-only-for-tests-" * 4,
            "DATABASE_URL": "sqlite://:memory:",
            "APP_OVERLAY": "off",
            "APP_SETTINGS": "project.settings",
            "APP_ASGI": f"project.asgi:{app}",
            "ALLOWED_ORIGINS": "https://localhost",
            "LOG_LEVEL": "warning",
            "WS_MAX_SOCKETS_PER_ADDRESS": "0",
            "WS_MAX_SOCKETS_PER_USER": "0",
            "WS_MESSAGES_PER_SECOND": "100000",
            "STATIC_ROOT": str(folder / "static"),
            **redis.environment(),
            "REDIS_PREFIX": f"{redis.prefix}-{name.replace(', ', '-')}",
            **(more or {}),
        }
        with on_core(SERVER_CORE):
            self.process = Process([sys.executable, "-m", *words], environment, folder)
        until(lambda: answers(self.port) or self.process.exit_code() is not None, what=f"{name} listens")
        assert self.process.exit_code() is None, self.process.output()

    def cpu(self) -> float:
        """Seconds of CPU that the process and its threads have used."""
        return process_cpu_seconds(self.process.popen.pid)

    def pss_kib(self) -> int:
        """Memory: private pages, and its share of each shared one."""
        return process_pss_kib(self.process.popen.pid)

    def last_line(self) -> str:
        """Of the server's log."""
        return next(reversed(self.process.output().strip().splitlines()), "its log is empty")[-200:]

    def end(self) -> None:
        self.process.kill()
