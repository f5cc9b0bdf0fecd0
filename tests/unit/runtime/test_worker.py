"""The worker: what it does with messages, failures, signals and outages. Each against a real Redis."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
import urllib.error
import urllib.request

import pytest
import redis as redis_py
from channels_redis.core import RedisChannelLayer
from processes import Project, Redis, until

from channels_stack.layers import channel_layers

# Only since redis-py 8 is there a time limit for reading by default.
REDIS_PY_8 = int(redis_py.__version__.split(".")[0]) >= 8


@pytest.fixture(scope="module")
def redis():
    with Redis() as server:
        yield server


@pytest.fixture
def project(tmp_path, redis):
    project = Project(tmp_path, redis)
    yield project
    project.end()
    send(redis)  # leaves nothing for the next test


def tasks(redis: Redis) -> RedisChannelLayer:
    return RedisChannelLayer(**channel_layers(redis.url, redis.prefix)["tasks"]["CONFIG"])


def send(redis: Redis, *messages: dict, channel: str = "reports") -> None:
    """Put ``messages`` into ``channel``; none: empty the layer."""

    async def put() -> None:
        layer = tasks(redis)
        if not messages:
            await layer.flush()
        for message in messages:
            await layer.send(channel, message)
        await layer.close_pools()

    asyncio.run(put())


def report(number: int, seconds: float = 0) -> dict:
    return {"type": "report.make", "number": number, "seconds": seconds}


def waiting(redis: Redis, channel: str = "reports") -> int:
    async def count() -> int:
        layer = tasks(redis)
        try:
            return await layer.connection(0).zcard(layer.prefix + channel)
        finally:
            await layer.close_pools()

    return asyncio.run(count())


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def ended(project: Project) -> list[int]:
    return [int(line.split()[1]) for line in project.journal() if line.startswith("end ")]


def test_jobs_of_several_channels_run_one_at_a_time_in_each(project, redis):
    worker = project.worker("reports", "thumbnails")
    send(redis, *(report(number, 0.05) for number in range(5)))
    send(
        redis,
        *({"type": "thumbnail.make", "number": number} for number in range(100, 105)),
        channel="thumbnails",
    )
    until(lambda: len(ended(project)) == 10, what="all jobs done")
    reports = [line for line in project.journal() if int(line.split()[1]) < 100]
    assert reports == [f"{what} {number}" for number in range(5) for what in ("begin", "end")]
    status, text = get(worker.port, "/-/metrics")
    assert status == 200
    assert 'channels_stack_jobs_total{channel="reports",outcome="done"} 5.0' in text
    assert 'channels_stack_job_seconds_count{channel="thumbnails"} 5.0' in text


def test_what_costs_a_message_costs_only_that_message(project, redis):
    worker = project.worker("reports")
    broken = [
        {"type": "report.break", "number": 1},
        {"number": 2},
        {"type": 3},
        {"type": "no.such"},
        {"type": "_x"},
    ]
    send(redis, report(0), *broken, report(9))
    until(lambda: 9 in ended(project), what="the job after the broken ones")
    assert project.journal().count("broken 1") == 1
    assert worker.exit_code() is None
    output = worker.output()
    assert "job of type 'report.break' failed" in output
    assert "RuntimeError: broken report" in output
    assert "the message has no type; its keys are: number" in output
    assert 'outcome="failed"} 5.0' in get(worker.port, "/-/metrics")[1]


def test_a_message_that_cannot_be_decoded_is_dropped_and_told(project, redis):
    worker = project.worker("reports")

    async def put() -> None:
        layer = tasks(redis)
        await layer.connection(0).zadd(
            layer.prefix + "reports", {b"123456789012\xc1 is no msgpack": time.time()}
        )
        await layer.close_pools()

    asyncio.run(put())
    send(redis, report(1))
    until(lambda: ended(project) == [1], what="the job after it")
    assert "a message that cannot be read was dropped" in worker.output()
    assert 'outcome="unreadable"} 1.0' in get(worker.port, "/-/metrics")[1]


def test_a_consumer_lives_on_between_messages_and_hears_its_groups(project, redis):
    project.worker("reports")
    send(redis, {"type": "report.join"}, {"type": "report.call"})
    until(lambda: "called through a group" in project.journal(), what="the group message")


def test_sigterm_finishes_the_running_job_and_loses_none(project, redis):
    jobs = [report(number, 0.3) for number in range(10)]
    worker = project.worker("reports")
    send(redis, *jobs)
    until(lambda: "begin 1" in project.journal(), what="the second job runs")
    worker.terminate()
    assert worker.wait(5) == 0
    assert ended(project) == [0, 1]
    assert waiting(redis) == 8
    assert not worker.heartbeat.exists()
    project.worker("reports")
    until(lambda: len(ended(project)) == 10, what="the other worker does the rest")
    assert sorted(ended(project)) == list(range(10))


def test_stock_runworker_loses_on_sigterm_what_it_has_read_ahead(project, redis):
    """The fact behind the test above: if this one fails, Channels has learnt it."""
    stock = project.python("-m", "django", "runworker", "--layer", "tasks", "reports")
    send(redis, *(report(number, 0.3) for number in range(10)))
    until(lambda: "begin 1" in project.journal() and waiting(redis) == 0, what="everything read ahead")
    stock.terminate()
    assert stock.wait(5) != 0
    assert ended(project) == [0]
    assert waiting(redis) == 0


def test_an_idle_worker_ends_at_once(project):
    worker = project.worker("reports")
    start = time.monotonic()
    worker.terminate()
    assert worker.wait() == 0
    assert time.monotonic() - start < 3


@pytest.mark.skipif(os.getuid() != 0, reason="making a process number 1 (unshare --pid) needs root")
def test_it_ends_as_process_1_of_a_container_where_the_stock_one_ignores_sigterm(project, redis):
    """The kernel gives process 1 no default for SIGTERM."""
    ours = project.worker("reports", before=("unshare", "--pid", "--fork"))
    stock = project.python("-m", "jobs.run_stock", before=("unshare", "--pid", "--fork"))
    send(redis, report(1, 0.2), report(2))
    until(lambda: len(ended(project)) == 2 and "stock listens" in stock.output(), what="both listen")
    for process in (ours, stock):
        os.kill(process.child(), signal.SIGTERM)
    assert ours.wait() == 0
    with pytest.raises(AssertionError, match="did not end"):
        stock.wait(2)
    os.kill(stock.child(), signal.SIGKILL)


def test_a_channel_that_cannot_be_listened_to_takes_the_process_down(project, redis):
    worker = project.worker("reports", "thumbnails")

    async def put() -> None:
        layer = tasks(redis)
        foreign = {b"123456789012\xc1 %d" % number: number + 1 for number in range(100)}
        await layer.connection(0).zadd(layer.prefix + "reports", foreign)
        await layer.close_pools()

    asyncio.run(put())
    assert worker.wait() == 1
    assert "channel reports is no longer listened to: ending" in worker.output()


def test_a_second_signal_hands_the_running_job_back_at_once(project, redis):
    worker = project.worker("reports", STOP_SECONDS="60")
    send(redis, report(1, 60))
    until(lambda: "begin 1" in project.journal(), what="the job runs")
    worker.popen.send_signal(signal.SIGINT)
    until(lambda: "SIGINT: taking no more messages; running jobs: reports" in worker.output())
    assert worker.exit_code() is None
    worker.popen.send_signal(signal.SIGINT)
    assert worker.wait(5) == 0
    assert waiting(redis) == 1


@pytest.mark.parametrize("channel", ["reports", "thumbnails"])
def test_a_job_longer_than_the_grace_time_goes_back_to_its_channel(project, redis, channel):
    kind = "report.make" if channel == "reports" else "thumbnail.make"
    worker = project.worker(channel, STOP_SECONDS="4")
    send(redis, {"type": kind, "number": 1, "seconds": 60}, channel=channel)
    until(lambda: "begin 1" in project.journal(), what="the job runs")
    worker.terminate()
    assert worker.wait(6) == 0
    assert "handed back" in worker.output()
    assert waiting(redis, channel) == 1


def test_an_idle_worker_outlives_what_kills_the_stock_one(project, redis):
    """redis-py 8 reads for at most 5 s, channels_redis blocks for 5 s: idle stock workers exit with 1."""
    ours = project.worker("reports")
    stock = project.python("-m", "django", "runworker", "--layer", "tasks", "reports", JOBS_STOCK_LAYER="1")
    if not REDIS_PY_8:
        pytest.skip(f"redis-py {redis_py.__version__} reads without a time limit: nothing to compare with")
    assert stock.wait(20) == 1
    assert "TimeoutError" in stock.output()
    assert ours.exit_code() is None
    send(redis, report(1))
    until(lambda: ended(project) == [1], what="ours still works")


def test_a_redis_outage_stops_the_heartbeat_and_ends_nothing(project, redis):
    worker = project.worker("reports")
    redis.stop()
    until(lambda: get(worker.port, "/-/live")[0] == 503, 25, "the worker says that it is deaf")
    beat = worker.heartbeat.stat().st_mtime
    until(lambda: "cannot receive (ConnectionError" in worker.output(), what="it says why")
    assert worker.heartbeat.stat().st_mtime == beat
    redis.start()
    until(lambda: worker.heartbeat.stat().st_mtime > beat, 20, "the heartbeat is back")
    send(redis, report(1))
    until(lambda: ended(project) == [1], what="jobs run again")
    assert worker.exit_code() is None
    told = [json.loads(line)["message"] for line in worker.output().splitlines()]
    assert "channel reports: receiving again" in told
    # What is of no consequence is told once, not every 2 s.
    until(lambda: "status: works again" in worker.output(), what="the end of the outage is told")
    assert len([line for line in told if line.startswith("status: ConnectionError")]) == 1


@pytest.mark.parametrize(
    ("channels", "wrong"),
    [
        (["nosuch"], "no consumer for channel 'nosuch'; it consumes: reports, thumbnails"),
        ([], "APP_WORKER_CHANNELS is empty; the application consumes: reports, thumbnails"),
    ],
)
def test_wrong_channels_are_refused_with_one_line(project, channels, wrong):
    refused = project.command("worker", *channels, APP_WORKER_CHANNELS="")
    assert refused.wait() == 78
    assert wrong in refused.output()
    assert "Traceback" not in refused.output()
    assert len(refused.output().splitlines()) == 1
