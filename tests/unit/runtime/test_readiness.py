"""Readiness: what it tells, how long it may take, what it costs."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import pathlib
import socket
import threading
import time

import psycopg
import pytest
from processes import Postgres, Redis, probe, until
from serving import Serving, free_port, serve

from channels_stack.middleware.health import CACHE_SECONDS, CHECK_NAME, Readiness

LIMIT = 0.4
OWN = f"SELECT pid, state FROM pg_stat_activity WHERE application_name = '{CHECK_NAME}'"


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

        many = {f"hangs {number}": hangs for number in range(100)}
        begun = time.monotonic()
        (reasons,) = self.reasons({"a": works, "b": fails, **many})
        assert reasons == {"b": "ConnectionError: refused", **dict.fromkeys(many, "no answer within 0.4 s")}
        assert time.monotonic() - begun < 50 * LIMIT  # at the same time, not one after the other

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

    def start(server: str = "uvicorn", service: str = "ws", **environment: str) -> Serving:
        started.append(
            serve(tmp_path, redis, server, service, **{"READY_TIMEOUT_SECONDS": "5", **environment})
        )
        return started[-1]

    yield start
    for serving in started:
        serving.kill()


@pytest.mark.parametrize("server", ["uvicorn", "daphne"])
def test_redis_goes_and_comes_back(start, redis, server):
    serving = start(server)
    serving.wait_until_ready()
    redis.stop()
    until(lambda: serving.ready() == 503, what="not ready without Redis")
    answer = serving.get("/-/ready").json()
    assert (answer["reasons"].keys(), answer["was_ready"]) == ({"channel layer"}, True)
    assert serving.get("/-/live").status == 200
    # The container is healthy: to replace it would bring nothing back, and cut its sockets.
    assert probe("ws", serving.port).returncode == 0
    redis.start()
    serving.wait_until_ready()


def test_pages_do_not_depend_on_a_channel_layer(start, redis):
    """It is reported where an operator looks, and no more."""
    serving = start("gunicorn", "http", HTTP_PROCESSES="1")
    serving.wait_until_ready()
    redis.stop()
    until(lambda: serving.get("/-/ready").json()["warnings"], what="the layer is missed")
    ready = serving.get("/-/ready")
    assert (ready.status, ready.json()["reasons"]) == (200, {})
    assert ready.json()["warnings"]["canary"].startswith("channel layer 'default': no")
    serving.counts('channels_stack_check_failed{check="canary"} 1.0')
    assert serving.get("/who/").status == 200
    redis.start()
    until(lambda: not serving.get("/-/ready").json()["warnings"], what="the layer is heard again")
    serving.counts('channels_stack_check_failed{check="canary"} 0.0')


def test_pages_are_served_without_a_channel_layer_from_the_beginning(start, redis):
    redis.stop()
    serving = start("uvicorn", "http")
    serving.wait_until_ready()
    until(lambda: serving.get("/-/ready").json()["warnings"], what="the layer is missed")
    assert (
        "nothing was received yet (ConnectionError: " in serving.get("/-/ready").json()["warnings"]["canary"]
    )
    assert probe("http", serving.port).returncode == 0


@pytest.fixture(scope="module")
def postgres():
    with Postgres() as server:
        yield server


class TestDatabase:
    """A connection of its own, whatever becomes of the project's."""

    @pytest.fixture
    def sql(self, postgres):
        with psycopg.connect(f"host=127.0.0.1 port={postgres.port} user=postgres", autocommit=True) as link:
            yield lambda query: link.execute(query).fetchall()

    @pytest.fixture(params=["", "yes"], ids=["connections", "pool"])
    def serving(self, request, start, postgres):
        pool = {"TEST_POSTGRES_POOL": request.param} if request.param else {}
        serving = start("uvicorn", "http", TEST_POSTGRES_PORT=str(postgres.port), **pool)
        serving.wait_until_ready()
        return serving

    def again(self, serving, status: int = 200) -> dict[str, str]:
        """The reasons of the next answer with STATUS that is not the cached one."""

        def asked():
            time.sleep(CACHE_SECONDS)
            answer = serving.get("/-/ready")
            return answer if answer.status == status else None

        return until(asked, what=f"readiness is answered with {status}").json()["reasons"]

    def test_it_is_kept_and_closed_in_the_end(self, serving, sql):
        first = sql(OWN)
        for _ in range(4):
            assert self.again(serving) == {}
        assert sql(OWN) == first
        ((_, state),) = first
        assert state == "idle"  # no transaction is left open
        serving.terminate()
        assert serving.process.wait() == 0
        until(lambda: not sql(OWN), what="it is closed")

    def test_it_is_made_again_when_it_breaks(self, serving, sql):
        first = sql(OWN)
        assert sql(f"SELECT pg_terminate_backend({first[0][0]})") == [(True,)]
        assert self.again(serving) == {}
        assert sql(OWN) != first

    def test_others_take_every_connection(self, serving, sql, postgres):
        """Nor does it matter if that of the check breaks meanwhile: the database has answered, and others cannot help."""
        name = f"host=127.0.0.1 port={postgres.port} user=postgres"
        with contextlib.ExitStack() as others:
            (pid, _) = sql(OWN)[0]
            with pytest.raises(psycopg.OperationalError, match="too many clients"):
                take_all(others, name)
            assert self.again(serving) == {}
            assert sql(OWN)[0][0] == pid
            sql(f"SELECT pg_terminate_backend({pid})")
            until(lambda: not sql(OWN), what="it is gone")
            others.enter_context(psycopg.connect(name, autocommit=True))
            assert self.again(serving) == {}
            assert not sql(OWN)
            serving.says("the database answers, but has no connection left for this check")
        until(lambda: self.again(serving) == {} and sql(OWN), what="it has one again")

    def test_a_server_that_stops_answering_and_another_that_takes_over(self, start, postgres, sql):
        with Link(postgres.port) as link:
            serving = start("uvicorn", "http", TEST_POSTGRES_PORT=str(link.port), READY_TIMEOUT_SECONDS="1")
            serving.wait_until_ready()
            link.go_dead()
            assert self.again(serving, 503)["database"] == "no answer within 1 s"
            assert self.again(serving) == {}  # it asks on a new connection


def test_a_database_that_hangs(start):
    """It costs one thread, however often the probe is asked, and the rest of the process goes on."""
    with socket.create_server(("127.0.0.1", free_port()), backlog=50) as silent:
        quick = {"READY_TIMEOUT_SECONDS": "1", "DRAIN_NOTICE_SECONDS": "0", "DRAIN_SECONDS": "0"}
        serving = start(TEST_POSTGRES_PORT=str(silent.getsockname()[1]), STOP_SECONDS="2", **quick)
        first = serving.get("/-/ready")
        assert (first.status, first.json()["reasons"]["database"]) == (503, "no answer within 1 s")
        threads = _threads(serving)
        begun = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: serving.ready(), range(40)))
        assert set(answers) == {503}
        assert time.monotonic() - begun < 30  # 40 one after the other would take longer
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
    assert probe("ws", serving.port).returncode == 1


def _threads(serving: Serving) -> int:
    status = pathlib.Path(f"/proc/{serving.process.popen.pid}/status").read_text()
    return int(status.split("Threads:")[1].split()[0])


def take_all(others: contextlib.ExitStack, name: str) -> None:
    while True:
        others.enter_context(psycopg.connect(name, autocommit=True))


class Link:
    """A way to a port on which connections can go dead without either end being told; new ones work."""

    def __init__(self, port: int) -> None:
        self.far = port
        self.open: list[threading.Event] = []

    def __enter__(self) -> Link:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.close()

    def go_dead(self) -> None:
        for passes in self.open:
            passes.clear()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.server.accept()
                far = socket.create_connection(("127.0.0.1", self.far))
                self.open.append(threading.Event())
                self.open[-1].set()
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=_pass_on, args=(*ends, self.open[-1]), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket, passes: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            if passes.is_set():
                target.sendall(data)
        target.shutdown(socket.SHUT_WR)
