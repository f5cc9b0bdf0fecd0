"""What the processes say of themselves, published by real ones to a real Redis."""

from __future__ import annotations

import asyncio
import json
import re

import pytest
import redis as redis_py
from processes import Redis, until
from test_worker import report, send

from channels_stack.commands import cli
from channels_stack.status import publisher


@pytest.fixture
def redis(monkeypatch):
    with Redis() as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server


def test_a_worker_reports_its_state_and_is_forgotten_when_it_ends(project, redis):
    worker = project.worker("reports", "thumbnails", WORKER_RETRIES="0")
    send(
        redis,
        report(1),
        {"type": "report.break", "number": 2},
        report(3, 60),
        *(report(n) for n in range(4, 8)),
    )

    def settled():
        """The worker's state when it has done one job, failed one, and begun the long one."""
        return [
            each
            for each in publisher.processes()
            if each["done"] + each["failed"] == 2
            and each["backlog"]["reports"] == 4
            and each["layer_latency_ms"]
        ]

    first = until(settled, what="the jobs are counted")[0]
    assert (first["service"], first["server"], first["pid"]) == ("worker", "channels-stack", worker.popen.pid)
    assert (first["done"], first["failed"]) == (1, 1)
    assert first["backlog"] == {"reports": 4, "thumbnails": 0}
    assert first["draining"] is False
    assert first["rss_bytes"] > 10_000_000
    assert 0 < first["layer_latency_ms"] < 60_000
    assert 0 <= first["loop_lag_ms"] < 60_000
    expected = ["sockets", "accepted", "messages_in", "messages_out", "requests", "started", "host"]
    assert first.keys() >= set(expected)
    assert asyncio.run(publisher.aprocesses())[0].keys() == first.keys()
    worker.terminate()
    until(lambda: publisher.processes()[0]["draining"], what="it says that it drains")
    assert worker.wait() == 0
    assert publisher.processes() == []


def test_a_process_that_was_killed_is_silent_alongside_its_successor_and_forgotten_within_10_seconds(
    project, redis, capsys
):
    worker, successor = project.worker("reports"), project.worker("reports")

    def states():
        return {each["pid"]: each["state"] for each in publisher.processes()}

    until(lambda: len(states()) == 2, what="both are there")
    worker.kill()
    key = f"{redis.prefix}:status:worker:{publisher.processes()[0]['host']}:{worker.popen.pid}"
    assert 0 < redis_py.Redis(port=redis.port).ttl(key) <= 10
    told = {worker.popen.pid: "silent", successor.popen.pid: "running"}
    until(lambda: states() == told, what="the dead one is told from the living one")
    assert cli.main(["status"]) == 0
    assert f" {worker.popen.pid} " in next(
        line for line in capsys.readouterr().out.splitlines() if " silent " in line
    )
    until(lambda: states() == {successor.popen.pid: "running"}, what="it is forgotten")


def test_a_layer_that_was_not_asked_yet_is_no_failure(project, redis, capsys):
    """A process publishes at once, and its first round trip takes its time."""
    project.worker("reports")
    until(publisher.processes, what="the worker is there")
    report = publisher.processes()[0]
    for asked, latency, text in ((False, None, "-"), (True, None, "no answer"), (True, 1.4, "1 ms")):
        told = {**report, "layer_asked": asked, "layer_latency_ms": latency}
        redis_py.Redis(port=redis.port).set(
            f"{redis.prefix}:status:x:y:1", json.dumps(told | {"service": "x"}), ex=10
        )
        assert cli.main(["status"]) == 0
        [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("x ")]
        assert text in re.split(r"  +", line)


def test_several_processes_are_sorted(project, redis):
    pids = sorted(project.worker("reports").popen.pid for _ in range(2))
    until(lambda: [each["pid"] for each in publisher.processes()] == pids, what="both are there")


def test_without_redis_the_reader_gets_its_error_at_once(redis):
    assert publisher.processes() == []
    redis.stop()
    with pytest.raises(redis_py.ConnectionError):
        publisher.processes()
    with pytest.raises(redis_py.ConnectionError):
        asyncio.run(publisher.aprocesses())
    redis.start()
    assert publisher.processes() == []


def test_the_command_shows_a_line_for_each_process(project, redis, capsys):
    assert cli.main(["status"]) == 1
    assert "no process has reported for 10 s" in capsys.readouterr().err
    worker = project.worker("reports")
    until(
        lambda: publisher.processes() and publisher.processes()[0]["layer_latency_ms"], what="it has measured"
    )
    assert cli.main(["status"]) == 0
    head, line = capsys.readouterr().out.splitlines()
    assert head.split()[:4] == ["SERVICE", "HOST", "PID", "SERVER"]
    assert line.startswith("worker")
    assert f" {worker.popen.pid} " in line and " running " in line and " reports:0 " in line
    assert cli.main(["status", "--json"]) == 0
    assert [each["pid"] for each in json.loads(capsys.readouterr().out)] == [worker.popen.pid]


def test_the_command_says_that_redis_is_away(redis, capsys):
    redis.stop()
    assert cli.main(["status"]) == 1
    assert "Redis does not answer" in capsys.readouterr().err


def test_metrics_are_there_for_people(project, redis, capsys, monkeypatch):
    worker = project.worker("reports")
    monkeypatch.setattr("channels_stack.commands.scrape.SERVICE_PORT", worker.port)
    assert cli.main(["metrics", "channels_stack_layer"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert all(
        line.split("# HELP ")[-1].split("# TYPE ")[-1].startswith("channels_stack_layer") for line in lines
    )
    assert cli.main(["metrics", "bananas"]) == 1
    assert "nothing is counted as bananas" in capsys.readouterr().err
    worker.kill()
    assert cli.main(["metrics"]) == 1
    assert "Connection refused" in capsys.readouterr().err
