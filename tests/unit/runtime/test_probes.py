"""Readiness: what it tells, how long it may take, what it costs."""

from __future__ import annotations

import asyncio
import concurrent.futures
import pathlib
import socket
import time

import pytest
from processes import Redis, until
from serving import Serving, free_port, serve

from channels_stack import probe
from channels_stack.probes import CACHE_SECONDS, Readiness

LIMIT = 0.4


class TestReadiness:
    def reasons(self, checks, askers: int = 1) -> list[dict[str, str]]:
        async def ask() -> list[dict[str, str]]:
            readiness = Readiness(checks, LIMIT)
            return await asyncio.gather(*(readiness.reasons() for _ in range(askers)))

        return asyncio.run(ask())

    def test_each_failing_check_gives_its_reason(self):
        async def works(limit):
            pass

        async def fails(limit):
            raise ConnectionError("refused\nand more that nobody wants to read")

        async def hangs(limit):
            await asyncio.sleep(60)

        begun = time.monotonic()
        (reasons,) = self.reasons({"a": works, "b": fails, "c": hangs, "d": hangs, "e": hangs})
        assert reasons == {
            "b": "ConnectionError: refused",
            "c": "no answer within 0.4 s",
            "d": "no answer within 0.4 s",
            "e": "no answer within 0.4 s",
        }
        assert time.monotonic() - begun < 2.5 * LIMIT  # at the same time, not one after the other

    def test_askers_share_a_run(self):
        runs = []

        async def check(limit):
            runs.append(limit)
            await asyncio.sleep(0.01)

        assert self.reasons({"a": check}, askers=50) == [{}] * 50
        assert runs == [LIMIT]

    def test_the_next_run_is_a_new_one(self):
        runs = []

        async def check(limit):
            runs.append(limit)

        async def ask():
            readiness = Readiness({"a": check}, LIMIT)
            await readiness.reasons()
            await readiness.reasons()
            assert len(runs) == 1
            await asyncio.sleep(CACHE_SECONDS)
            await readiness.reasons()
            assert len(runs) == 2

        asyncio.run(ask())


@pytest.fixture
def redis():
    with Redis() as server:
        yield server


@pytest.fixture
def start(tmp_path, redis):
    """Starts a serving process."""
    started = []

    def start(server: str = "uvicorn", **environment: str) -> Serving:
        started.append(serve(tmp_path, redis, server, **{"READY_TIMEOUT_SECONDS": "1", **environment}))
        return started[-1]

    yield start
    for serving in started:
        serving.kill()


@pytest.mark.parametrize("server", ["uvicorn", "daphne"])
def test_redis_goes_and_comes_back(start, redis, server):
    serving = start(server)
    assert serving.ready() == 200
    redis.stop()
    until(lambda: serving.ready() == 503, what="not ready without Redis")
    answer = serving.get("/-/ready").json()
    assert (answer["reasons"].keys(), answer["was_ready"]) == ({"channel layer"}, True)
    assert serving.get("/-/live").status == 200
    # The container is healthy: to replace it would bring nothing back, and cut its sockets.
    assert probe.main("ws", serving.port) == 0
    redis.start()
    until(lambda: serving.ready() == 200, what="ready again with Redis")


def test_a_database_that_hangs(start):
    """It costs one thread, however often the probe is asked, and the rest of the process goes on."""
    with socket.create_server(("127.0.0.1", free_port()), backlog=50) as silent:
        quick = {"READY_TIMEOUT_SECONDS": "0.4", "DRAIN_NOTICE_SECONDS": "0", "DRAIN_SECONDS": "0"}
        serving = start(TEST_POSTGRES_PORT=str(silent.getsockname()[1]), STOP_SECONDS="2", **quick)
        first = serving.get("/-/ready")
        assert (first.status, first.json()["reasons"]) == (503, {"database": "no answer within 0.4 s"})
        threads = _threads(serving)
        begun = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: serving.ready(), range(40)))
        assert set(answers) == {503}
        assert time.monotonic() - begun < 10
        time.sleep(CACHE_SECONDS)
        assert serving.ready() == 503
        assert _threads(serving) == threads
        assert serving.get("/-/live").status == 200
        serving.terminate()
        assert serving.process.wait() == 0


def test_a_database_that_is_not_there(start):
    serving = start(TEST_POSTGRES_PORT=str(free_port()))
    answer = serving.get("/-/ready").json()
    (reason,) = answer["reasons"].values()
    assert reason.startswith("OperationalError: ")
    assert "refused" in reason
    assert answer["was_ready"] is False
    # It has never worked: a deploy must not go on with it.
    assert probe.main("ws", serving.port) == 1


def _threads(serving: Serving) -> int:
    status = pathlib.Path(f"/proc/{serving.process.popen.pid}/status").read_text()
    return int(status.split("Threads:")[1].split()[0])
