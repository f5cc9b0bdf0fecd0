"""gunicorn alone: what its master does with processes while it goes on itself."""

from __future__ import annotations

import concurrent.futures
import os
import signal

import pytest
from processes import until
from serving import Serving, serve


@pytest.fixture
def serving(redis, tmp_path):
    serving = serve(tmp_path, redis, "gunicorn", "http", HTTP_PROCESSES="2", STOP_SECONDS="12")
    # The master listens before there is a process.
    until(lambda: len(serving.process.children()) == 2, what="both processes are there")
    yield serving
    serving.kill()


def page(serving: Serving) -> int:
    """The status of a page, asked for again where its connection ended without an answer: so does the edge (retry-on)."""
    try:
        return serving.get("/who/").status
    except ConnectionError:
        return serving.get("/who/").status


def ready(serving: Serving) -> int:
    """The status of readiness, asked for in the same way."""
    try:
        return serving.get("/-/ready").status
    except ConnectionError:
        return serving.get("/-/ready").status


def test_replacing_the_processes_costs_no_visitor_a_page(serving: Serving):
    """SIGHUP: new ones first; an old one finishes what it has, and its event streams end in good order."""
    before = set(serving.process.children())
    with concurrent.futures.ThreadPoolExecutor() as pool:
        slow = [pool.submit(serving.get, path) for path in ("/slow-sync/60/", "/slow-async/60/")]
        events = pool.submit(serving.get, "/events/")
        until(lambda: len(serving.journal()) == 3, what="all three are under way")
        serving.process.popen.send_signal(signal.SIGHUP)

        answers = []

        def replaced() -> bool:
            # The container goes on: an edge that hears otherwise from one of the old would send nothing here.
            answers.extend([page(serving), ready(serving)])
            return not before & set(serving.process.children())

        until(replaced, what="the old processes have ended")
        assert set(answers) == {200}
        assert [(page.result().status, page.result().body) for page in slow] == [(200, b"finished")] * 2
        assert events.result().body.startswith(b"data: part")
    until(lambda: "events over" in serving.journal(), what="the generator of the events has cleaned up")
    until(lambda: len(serving.process.children()) == 2, what="there are as many as before")
    serving.terminate()
    assert serving.process.wait() == 0
    assert "SIGABRT" not in serving.log()
    assert "ended by force" not in serving.log()


def test_a_process_that_ends_takes_no_other_along(serving: Serving):
    """Killed by the kernel for its memory, say: the others serve on, and it is replaced."""
    before = set(serving.process.children())
    victim = before.pop()
    os.kill(victim, signal.SIGKILL)
    until(lambda: len(set(serving.process.children()) - before) == 1, what="another has taken its place")
    until(lambda: serving.get("/who/").status == 200)
    assert before <= set(serving.process.children())
