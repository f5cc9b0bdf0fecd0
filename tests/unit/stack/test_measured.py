"""tests/support/containers.py: what the benchmarks say that a process has used."""

import subprocess
import sys
import time

import pytest
from support import containers

PROGRAM = """
import threading, time

def work():
    end = time.thread_time() + 0.2
    while time.thread_time() < end:
        pass

for _ in range(3):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
print(time.process_time(), flush=True)
input()
"""


def test_threads_that_have_ended_count():
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        own = float(process.stdout.readline())
        assert own >= 0.6
        assert own <= containers.process_cpu_seconds(process.pid) < own + 0.2
        assert containers.process_pss_kib(process.pid) > 1000
        process.stdin.close()


def test_one_that_is_not_there_has_no_figure():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    with pytest.raises(ProcessLookupError):
        containers.process_cpu_seconds(process.pid)


def test_a_second_of_nothing_costs_nothing():
    with subprocess.Popen(["sleep", "60"]) as process:
        before, deadline = containers.process_cpu_seconds(process.pid), time.monotonic() + 0.3
        while time.monotonic() < deadline:
            pass
        assert containers.process_cpu_seconds(process.pid) - before < 0.1
        process.kill()
