"""The project `desk` on servers of ours or on a stock one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import HERE as RUNTIME_TESTS
from processes import RUNTIME, Redis
from serving import Serving, serve

HERE = Path(__file__).parent
PATH = f"{RUNTIME}:{RUNTIME_TESTS}:{HERE}"
STOCK = ("-m", "uvicorn", "--port", "{port}", "desk.asgi:application")


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    """One server for the tests of a file."""
    with Redis() as server:
        yield server


@pytest.fixture(scope="module")
def start(redis, tmp_path_factory):
    """Starts a process of the project: `ws` and `http` of ours, or with ``stock`` plain uvicorn; all share one database."""
    folder = tmp_path_factory.mktemp("desk")
    project = {
        "DJANGO_SETTINGS_MODULE": "desk.settings",
        "APP_SETTINGS": "desk.settings",
        "APP_ASGI": "desk.asgi:application",
        "TEST_DATABASE": str(folder / "desk.sqlite3"),
        "TEST_REDIS": redis.url,
    }
    started: list[Serving] = []

    def run(make, *arguments, **environment) -> Serving:
        environment = {**project, **environment}
        serving = make(folder, redis, *arguments, **environment)
        started.append(serving)
        return serving

    migration = run(Serving, "-m", "django", "migrate", "--verbosity", "0", PYTHONPATH=PATH)
    assert migration.process.wait() == 0, migration.log()

    def start(server: str = "uvicorn", stock: bool = False, **environment: str) -> Serving:
        environment["PYTHONPATH"] = PATH
        if stock:
            return run(Serving, *STOCK, **environment).wait_until_it_serves()
        serving = run(serve, server, "ws", **environment)
        serving.pages = run(serve, server, "http", HTTP_PROCESSES="1", **environment)
        return serving

    start.worker = lambda: run(
        Serving, "-m", "channels_stack", "worker", "mail", PYTHONPATH=PATH, WORKER_RETRIES="0"
    )
    yield start
    for serving in started:
        serving.kill()


@pytest.fixture(scope="module")
def running(start) -> Serving:
    serving = start()
    serving.wait_until_ready()
    return serving
