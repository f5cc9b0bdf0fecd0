"""What an idle serving process costs."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import time

import pytest
from processes import RUNTIME, until
from serving import Serving, serve

WATCHED_SECONDS = 2
WAKES = 9
"""A second, at most, of a process that is not probed: its own clocks, status reports, proofs that it receives."""


def wakes(pid: int) -> int:
    """How often the threads of the process have waited for something until now."""
    lines = (
        line
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
        for line in (task / "status").read_text().splitlines()
    )
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))


def wakes_a_second(pid: int) -> float:
    before, began = wakes(pid), time.monotonic()
    time.sleep(WATCHED_SECONDS)  # what is measured is the rest itself
    return (wakes(pid) - before) / (time.monotonic() - began)


def memory(pid: int) -> dict[str, int]:
    """KiB by kind."""
    lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {line.split(":")[0]: int(line.split()[1]) for line in lines}


@pytest.fixture(params=[("uvicorn", "ws"), ("uvicorn", "http"), ("gunicorn", "http")], ids=" ".join)
def serving(request, redis, tmp_path):
    server, service = request.param
    serving = serve(tmp_path, redis, server, service, HTTP_PROCESSES="2")
    yield serving
    serving.kill()


def processes(serving: Serving) -> list[int]:
    """Those that serve."""
    if serving.environment.get("SERVER_HTTP") != "gunicorn":
        return [serving.process.popen.pid]
    until(lambda: len(serving.process.children()) == 2, what="both processes are there")
    return serving.process.children()


def test_it_sleeps(serving: Serving):
    pids = processes(serving)
    serving.wait_until_ready()
    for pid in pids:
        until(lambda pid=pid: wakes_a_second(pid) < WAKES, what=f"{pid} has started and is at rest")


class TestMemoryOfGunicorn:
    def test_workers_have_what_the_master_has_loaded_in_common(self, redis, tmp_path):
        serving = serve(tmp_path, redis, "gunicorn", "http", HTTP_PROCESSES="2")
        try:
            pids = processes(serving)
            serving.wait_until_ready()
            for pid in pids:
                kinds = memory(pid)
                assert kinds["Private_Dirty"] < 0.6 * kinds["Anonymous"], kinds
        finally:
            serving.kill()

    def test_the_master_loads_nothing_of_the_project(self):
        """Not even settings: what they start would not survive the fork."""
        code = (
            "from channels_stack.servers import gunicorn; gunicorn._share_memory();"
            "from django.conf import settings; from django.apps import apps; import threading, gc, sys;"
            "assert not settings.configured and not apps.ready;"
            "assert 'django.db.models' in sys.modules and gc.get_freeze_count();"
            "assert threading.active_count() == 1, threading.enumerate()"
        )
        environment = {key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}
        environment["PYTHONPATH"] = str(RUNTIME)
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
