"""channels-stack worker: how processes end, and what becomes of the jobs that they run."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest
import redis as redis_py
from processes import counts, until
from working import core, ended, get, report, send, waiting


def test_sigterm_finishes_the_running_job_and_loses_none(project, redis):
    jobs = [report(number, 0.3) for number in range(10)]
    worker = project.worker("reports")
    send(redis, *jobs)
    until(lambda: "begin 1" in project.journal(), what="the second job runs")
    worker.terminate()
    assert worker.wait() == 0
    assert ended(project) == [0, 1]
    assert waiting(redis) == 8
    assert not worker.heartbeat.exists()
    project.worker("reports")
    until(lambda: len(ended(project)) == 10, what="the other worker does the rest")
    assert sorted(ended(project)) == list(range(10))


def test_stock_runworker_loses_on_sigterm_what_it_has_read_ahead(project, redis):
    """The fact behind the test above: if this one fails, Channels has learnt it."""
    stock = project.python("-m", "django", "runworker", "--layer", "tasks", "reports", JOBS_CORE_LAYER="1")
    send(redis, *(report(number, 0.3) for number in range(10)), make=core)
    key = f"{redis.prefix}:core:reports"
    client = redis_py.Redis(port=redis.port)
    until(lambda: "begin 1" in project.journal() and not client.exists(key), what="everything read ahead")
    stock.terminate()
    assert stock.wait() != 0
    assert ended(project) == [0]
    assert not client.exists(key)


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
    worker = project.worker("reports", "thumbnails", JOBS_CORE_LAYER="1")

    async def put() -> None:
        layer = core(redis)
        foreign = {b"123456789012\xc1 %d" % number: number + 1 for number in range(100)}
        await layer.connection(0).zadd(layer.prefix + "reports", foreign)
        await layer.close_pools()

    asyncio.run(put())
    assert worker.wait() == 1
    assert "a message that cannot be read was dropped" in worker.output()
    assert "channel reports is no longer listened to: ending" in worker.output()


def test_a_second_signal_hands_the_running_job_back_at_once(project, redis):
    worker = project.worker("reports", STOP_SECONDS="60")
    send(redis, report(1, 60))
    until(lambda: "begin 1" in project.journal(), what="the job runs")
    worker.popen.send_signal(signal.SIGINT)
    worker.says("SIGINT: taking no more messages; running jobs: reports")
    assert worker.exit_code() is None
    worker.popen.send_signal(signal.SIGINT)
    assert worker.wait() == 0
    assert waiting(redis) == 1


@pytest.mark.parametrize("channel", ["reports", "thumbnails"])
def test_a_job_longer_than_the_grace_time_goes_back_to_its_channel(project, redis, channel):
    kind = "report.make" if channel == "reports" else "thumbnail.make"
    worker = project.worker(channel, STOP_SECONDS="4")
    send(redis, {"type": kind, "number": 1, "seconds": 60}, channel=channel)
    until(lambda: "begin 1" in project.journal(), what="the job runs")
    worker.terminate()
    assert worker.wait() == 0
    assert "handed back" in worker.output()
    assert "failed" not in worker.output()
    assert "Traceback" not in worker.output()
    assert waiting(redis, channel) == 1
    send(redis, {"type": kind, "number": 2}, channel=channel)
    again = project.worker(channel)
    until(lambda: project.journal()[1:2] == ["begin 1"], what="another worker takes it, before what is newer")
    again.says("comes again")


def test_a_job_is_ended_before_another_process_may_begin_it(project, redis):
    first = project.worker("reports", STOP_SECONDS="4")
    send(redis, {"type": "report.hold", "number": 1})
    until(lambda: "begin 1" in project.journal(), what="the job runs")
    project.worker("reports")
    first.terminate()
    assert first.wait() == 0
    until(lambda: project.journal().count("begin 1") == 2, what="the other worker has it")
    assert project.journal()[:4] == ["begin 1", "cut 1", "left 1", "begin 1"]
    assert "Traceback" not in first.output()


def test_several_processes_live_and_die_together(project, redis):
    workers = project.worker("reports", "--processes=2")
    send(redis, *(report(number, 1) for number in range(2)))
    until(lambda: len(project.journal()) >= 2, what="both have begun")
    assert sorted(project.journal()[:2]) == ["begin 0", "begin 1"]  # each process has one
    until(lambda: len(ended(project)) == 2, what="both done")
    counts(workers.port, 'outcome="done"} 2.0')
    assert get(workers.port, "/-/live")[0] == 200

    first, second = workers.children()
    os.kill(first, signal.SIGKILL)
    until(lambda: len(set(workers.children()) - {first, second}) == 1, what="another takes its place")
    workers.says("a process ended with code -9: started again in 1 s")
    until(lambda: workers.output().count("worker: listening on reports") == 3, what="it listens")
    send(redis, *(report(number, 0.5) for number in range(10, 20)))
    until(lambda: "begin 11" in project.journal(), what="it works")
    workers.terminate()
    assert workers.wait() == 0
    assert len(ended(project)) + waiting(redis) == 12
    assert not list(project.folder.glob("heartbeat*"))


def test_the_counts_of_one_supervisor_are_not_those_of_another(project, redis):
    workers = project.worker("reports", "--processes=2")
    send(redis, report(1, 0))
    counts(workers.port, 'outcome="done"} 1.0')
    project.worker("thumbnails", "--processes=2")  # empties the folder of its own counts when it starts
    counts(workers.port, 'outcome="done"} 1.0')


def test_workers_end_when_their_supervisor_is_gone(project, redis):
    workers = project.worker("reports", "--processes=2")
    children = workers.children()
    workers.kill()
    until(lambda: not any(os.path.exists(f"/proc/{child}/exe") for child in children), what="they end")


def test_a_refused_configuration_stops_all_processes_with_its_own_code(project):
    refused = project.command(
        "worker", "nosuch", "--processes=2", "--port=0", f"--heartbeat={project.folder}/beat"
    )
    assert refused.wait() == 78
    # Told once, by whichever of the two came first.
    assert refused.output().count("no consumer for channel 'nosuch'") == 1
