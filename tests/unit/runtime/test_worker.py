"""The worker: what it does with messages, failures, signals and outages. Each against a real Redis."""

from __future__ import annotations

import json
import signal
import time

import pytest
import redis as redis_py
from processes import counts, until
from working import REDIS_PY_8, census, core, ended, get, letters, report, send, tasks


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
    counts(
        worker.port,
        'channels_stack_jobs_total{channel="reports",outcome="done"} 5.0',
        'channels_stack_job_seconds_count{channel="thumbnails"} 5.0',
    )


def test_what_costs_a_message_costs_only_that_message(project, redis):
    worker = project.worker("reports", WORKER_RETRIES="0")
    broken = [
        {"type": "report.break", "number": 1},
        {"number": 2},
        {"type": 3},
        {"type": "no.such"},
        {"type": "_x"},
        {"type": "report.cancel"},
    ]
    send(redis, report(0), *broken, report(9))
    until(lambda: 9 in ended(project), what="the job after the broken ones")
    assert project.journal().count("broken 1") == 1
    assert worker.exit_code() is None
    worker.says("job of type 'report.break' failed and is not retried", "RuntimeError: broken report")
    counts(worker.port, 'outcome="dead"} 6.0')
    assert [(letter.message(), letter.reason) for letter in letters(redis)] == [
        ({"type": "report.break", "number": 1}, "RuntimeError: broken report"),
        ({"number": 2}, "the message has no type; its keys are: number"),
        ({"type": 3}, "the message has no type; its keys are: type"),
        ({"type": "no.such"}, "ValueError: No handler for message type no.such"),
        ({"type": "_x"}, "ValueError: Malformed type in message (leading underscore)"),
        ({"type": "report.cancel"}, "RuntimeError: the consumer of 'reports' was cancelled"),
    ]


def test_the_stock_worker_stops_receiving_on_a_message_without_type_and_stays_up(project, redis):
    """The fact behind the test above."""
    both = ("reports", "thumbnails")
    stock = project.python("-m", "django", "runworker", "--layer", "tasks", *both, JOBS_CORE_LAYER="1")
    send(redis, report(0), make=core)
    until(lambda: ended(project) == [0], what="it works")
    send(redis, {"number": 1}, make=core)
    send(redis, report(2), make=core)
    with pytest.raises(AssertionError):
        until(lambda: 2 in ended(project), 2)
    assert stock.exit_code() is None


def test_a_failed_job_comes_again_later_and_the_others_do_not_wait_for_it(project, redis):
    worker = project.worker("reports", WORKER_RETRY_SECONDS="1")
    send(redis, {"type": "report.tell", "number": 1, "failures": 2}, report(2))
    until(lambda: ended(project) == [2, 1], what="it succeeds in the end")
    told = [line for line in project.journal() if line.startswith("told")]
    assert told == [f"told 1 attempt {attempt} redelivered False" for attempt in (1, 2, 3)]
    counts(worker.port, 'outcome="retried"} 2.0', 'outcome="done"} 2.0')
    assert letters(redis) == []
    worker.says("job of type 'report.tell' failed, attempt 1 of 4, next in")


def test_a_job_that_fails_each_time_becomes_a_dead_letter_that_people_can_deal_with(project, redis):
    worker = project.worker("reports", WORKER_RETRIES="1")
    send(redis, *({"type": "report.break", "number": number} for number in range(3)))
    until(lambda: census(redis).dead == 3, what="three dead letters")
    assert project.journal().count("broken 1") == 2

    def dead(*arguments: str, code: int = 0) -> str:
        process = project.command("dead", *arguments)
        assert process.wait() == code, process.output()
        return process.output()

    listed = json.loads(dead("list", "--json"))
    assert sorted(letter["message"]["number"] for letter in listed) == [0, 1, 2]
    identifiers = {letter["message"]["number"]: letter["id"] for letter in listed}
    first, second = identifiers[0], identifiers[1]
    head, *rows = dead("list", "reports").splitlines()
    assert head.split() == ["CHANNEL", "ID", "DIED", "ATTEMPTS", "TYPE", "REASON"]
    assert [row.split()[1] for row in rows] == [letter["id"] for letter in listed]
    assert rows[0].endswith("2         report.break  RuntimeError: broken report")
    shown = dead("show", "reports", "--id", second)
    assert '"number": 1' in shown
    assert "in report_break" in shown
    assert "no dead letter 1-1 in channel reports" in dead("show", "reports", "--id", "1-1", code=1)
    assert "name a channel, or --all" in dead("drop", code=2)
    assert dead("drop", "reports", "--id", first) == "1 dropped\n"
    assert json.loads(dead("retry", "--all", "--json")) == {"retried": 2}
    until(lambda: project.journal().count("broken 1") == 4, what="it is tried again, twice")
    assert project.journal().count("broken 0") == 2
    until(lambda: census(redis).dead == 2, what="dead again")
    counts(worker.port, 'state="dead"} 2.0')
    assert dead("drop", "reports") == "2 dropped\n"
    assert dead("list") == "no dead letters\n"


def test_a_message_that_cannot_be_decoded_becomes_a_dead_letter(project, redis):
    worker = project.worker("reports")
    key = tasks(redis).jobs.key("stream", "reports")
    redis_py.Redis(port=redis.port).xadd(key, {"m": b"\xc1 is no msgpack"})
    send(redis, report(1))
    until(lambda: ended(project) == [1], what="the job after it")
    (letter,) = letters(redis)
    assert "cannot be decoded" in letter.reason
    assert letter.body == b"\xc1 is no msgpack"
    counts(worker.port, 'outcome="dead"} 1.0')


def test_a_job_that_kills_its_process_each_time_is_a_dead_letter_in_the_end(project, redis):
    send(redis, {"type": "report.die", "number": 1})
    options = {"WORKER_RETRIES": "1", "JOBS_LEASE": "0.5"}
    for _ in range(2):
        dying = project.command(
            "worker", "--port=0", f"--heartbeat={project.folder}/beat", "reports", **options
        )
        assert dying.wait() == 9
    last = project.worker("reports", **options)
    until(lambda: census(redis).dead == 1, what="it is put aside")
    assert project.journal().count("die 1") == 2
    assert "2 processes had it and none lived" in letters(redis)[0].reason
    send(redis, report(2))
    until(lambda: ended(project) == [2], what="the worker works on")
    assert last.exit_code() is None


def test_what_a_killed_worker_had_is_done_by_another_and_marked(project, redis):
    options = {"JOBS_LEASE": "1"}
    killed = project.worker("reports", **options)
    send(redis, {"type": "report.tell", "number": 1, "seconds": 60}, *(report(n) for n in range(2, 10)))
    until(lambda: project.journal(), what="the job runs")
    killed.kill()
    assert ended(project) == []
    other = project.worker("reports", **options)
    until(lambda: len(ended(project)) == 9, what="all are done")
    assert sorted(ended(project)) == list(range(1, 10))
    told = [line for line in project.journal() if line.startswith("told")]
    assert told == [f"told 1 attempt 1 redelivered {again}" for again in (False, True)]
    counts(other.port, 'outcome="redelivered"} 1.0')


def test_a_job_that_blocks_its_process_for_longer_than_the_lease_is_not_done_twice(project, redis):
    options = {"JOBS_LEASE": "1"}
    workers = [project.worker("reports", **options) for _ in range(2)]
    send(redis, {"type": "report.block", "number": 1, "seconds": 4}, report(2))
    until(lambda: sorted(ended(project)) == [1, 2], what="both done")
    until(lambda: census(redis).running == 0, what="both acknowledged")
    assert project.journal().count("begin 1") == 1
    for worker in workers:
        worker.terminate()
        assert worker.wait() == 0
        assert "comes again" not in worker.output()


def test_nothing_that_was_read_ahead_waits_behind_a_long_job(project, redis):
    """A worker that was quick so far takes several jobs at once."""
    busy = project.worker("reports")
    send(redis, *(report(n) for n in range(100)), report(100, 60), *(report(n) for n in range(101, 140)))
    until(lambda: "begin 100" in project.journal(), what="the long job has begun")
    project.worker("reports")
    until(lambda: len(ended(project)) == 139, what="the other worker does what was read ahead")
    assert sorted(ended(project)) == [n for n in range(140) if n != 100]
    assert busy.exit_code() is None
    assert get(busy.port, "/-/live")[0] == 200


def test_several_at_a_time_when_asked_for_and_sync_code_in_a_thread_each(project, redis):
    worker = project.worker("reports", "thumbnails", "--concurrency=3")
    send(redis, *(report(number, 1) for number in range(4)))
    send(
        redis,
        *({"type": "thumbnail.make", "number": number, "seconds": 1} for number in range(10, 14)),
        channel="thumbnails",
    )
    until(lambda: len(ended(project)) == 8, what="all done")
    for numbers in (range(4), range(10, 14)):
        steps = [line.split()[0] for line in project.journal() if int(line.split()[1]) in numbers]
        assert steps[:3] == ["begin"] * 3
        assert steps[3] == "end"
    assert worker.exit_code() is None


def test_a_slow_sync_consumer_holds_up_its_own_channel_only(project, redis):
    """By default asgiref runs the sync code of all consumers of a process in one thread."""
    project.worker("thumbnails", "reports")
    send(redis, {"type": "thumbnail.make", "number": 1, "seconds": 60}, channel="thumbnails")
    until(lambda: "begin 1" in project.journal(), what="it runs")
    send(redis, report(2))
    until(lambda: ended(project) == [2], what="the other channel works")


def test_a_consumer_lives_on_between_messages_and_hears_its_groups(project, redis):
    project.worker("reports")
    send(redis, {"type": "report.join"}, {"type": "report.call"})
    until(lambda: "called through a group" in project.journal(), what="the group message")


def test_the_stock_worker_receives_from_the_layer_too(project, redis):
    project.python("-m", "django", "runworker", "--layer", "tasks", "reports")
    send(redis, report(1), report(2))
    until(lambda: ended(project) == [1, 2], what="it works")


def test_on_another_layer_nothing_is_read_ahead_and_failures_are_kept_too(project, redis):
    worker = project.worker("reports", JOBS_CORE_LAYER="1", WORKER_RETRIES="1")
    send(redis, {"type": "report.break", "number": 0}, *(report(n, 0.3) for n in range(1, 10)), make=core)
    until(lambda: "end 2" in project.journal(), what="some are done")
    worker.terminate()
    assert worker.wait() == 0
    done = len(ended(project))
    left = redis_py.Redis(port=redis.port).zcard(f"{redis.prefix}:core:reports")
    kept = census(redis)
    assert done + left + kept.waiting == 9
    assert kept.waiting <= 2
    project.worker("reports", JOBS_CORE_LAYER="1", WORKER_RETRIES="1")
    until(lambda: len(ended(project)) == 9 and census(redis).dead == 1, what="all are done")
    assert sorted(ended(project)) == list(range(1, 10))
    assert letters(redis)[0].attempts == 2


@pytest.mark.parametrize(("retries", "kind"), [("3", "put off"), ("0", "made a dead letter")])
def test_a_failed_job_that_another_process_has_by_now_is_not_ours_to_settle(project, redis, retries, kind):
    worker = project.worker("reports", WORKER_RETRIES=retries)
    send(redis, {"type": "report.tell", "number": 1, "failures": 9, "seconds": 1})
    until(lambda: project.journal(), what="the job runs")
    key = tasks(redis).jobs.key("stream", "reports")
    client = redis_py.Redis(port=redis.port)
    (entry, _), *_ = client.xrange(key)
    client.xclaim(key, "workers", "another", 0, [entry])
    text = counts(worker.port, 'outcome="lost"} 1.0', 'outcome="failed"} 1.0')
    assert 'outcome="retried"' not in text, kind
    assert 'outcome="dead"' not in text, kind
    worker.says("was lost to another process meanwhile")
    counted = census(redis)
    assert (counted.running, counted.later, counted.dead) == (1, 0, 0)


def test_the_heartbeat_does_not_wait_for_a_redis_that_hangs(project, redis):
    """What was read ahead behind a long job is to be given back when Redis hangs."""
    worker = project.worker("reports")
    send(redis, *(report(n) for n in range(100)), report(100, 60), *(report(n) for n in range(101, 140)))
    until(lambda: "begin 100" in project.journal(), what="the long job has begun")
    redis.process.send_signal(signal.SIGSTOP)
    try:
        stopped = time.monotonic()
        # Later than whatever was on its way is given up for lost, and a beat after it.
        until(lambda: worker.heartbeat.stat().st_mtime > stopped + 5, what="it still beats")
    finally:
        redis.process.send_signal(signal.SIGCONT)
    assert worker.exit_code() is None


def test_a_heartbeat_that_cannot_be_written_is_reported_and_ends_no_job(project, redis):
    worker = project.worker("reports")
    worker.heartbeat.unlink()
    worker.heartbeat.mkdir()
    worker.says("the heartbeat cannot be written")
    send(redis, report(1))
    until(lambda: ended(project) == [1], what="jobs run")
    worker.heartbeat.rmdir()
    worker.says("the heartbeat can be written again")
    assert worker.output().count("cannot be written") == 1


def test_an_idle_worker_outlives_what_kills_the_stock_one(project, redis):
    """redis-py 8 reads for at most 5 s, channels_redis blocks for 5 s: idle stock workers exit with 1."""
    ours = project.worker("reports")
    stock = project.python("-m", "django", "runworker", "--layer", "tasks", "reports", JOBS_STOCK_LAYER="1")
    if not REDIS_PY_8:
        pytest.skip(f"redis-py {redis_py.__version__} reads without a time limit: nothing to compare with")
    assert stock.wait() == 1
    assert "TimeoutError" in stock.output()
    assert ours.exit_code() is None
    send(redis, report(1))
    until(lambda: ended(project) == [1], what="ours still works")


def test_a_redis_outage_stops_the_heartbeat_and_ends_nothing(project, redis):
    worker = project.worker("reports")
    redis.stop()
    until(lambda: get(worker.port, "/-/live")[0] == 503, what="the worker says that it is deaf")
    beat = worker.heartbeat.stat().st_mtime
    worker.says("cannot receive (ConnectionError")
    assert worker.heartbeat.stat().st_mtime == beat
    redis.start()
    until(lambda: worker.heartbeat.stat().st_mtime > beat, what="the heartbeat is back")
    send(redis, report(1))
    until(lambda: ended(project) == [1], what="jobs run again")
    assert worker.exit_code() is None
    worker.says("channel reports: works again", "status: works again")
    worker.terminate()
    assert worker.wait() == 0
    # What is of no consequence is told once, not every 2 s.
    told = [json.loads(line)["message"] for line in worker.output().splitlines()]
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
