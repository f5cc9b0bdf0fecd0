"""Faults that are really made on one machine, beyond services that are stopped (test_monitoring.py): each becomes its alert.

The time from the fault to the alert is printed (`pytest -s`); docs/how-to/monitoring.md has those of a run.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import stacks
from prometheus import Prometheus, monitored
from visitors import ANSWER_SECONDS, Socket, ask, browse, sign_in

PATIENCE_SECONDS = 360
"""The longest `for` of these alerts is two minutes; a measurement and a judgement are fifteen seconds apart."""
CALM_SECONDS = 900
"""Rules that look back for ten minutes fire as long after the fault."""


@pytest.fixture(scope="module")
def running() -> Iterator[stacks.Stack]:
    with monitored("faulty", REDIS_MAXMEMORY="64mb") as stack:
        yield stack


def calm(prometheus: Prometheus, alert: str) -> None:
    """An alert that fires already would prove nothing: other stacks of this machine count as well where the kernel counts."""
    stacks.eventually(lambda: alert not in prometheus.firing(), CALM_SECONDS, f"{alert} does not fire")


def fired(prometheus: Prometheus, alert: str, fault: str) -> None:
    print(f"\n{alert}: {prometheus.fires(alert, PATIENCE_SECONDS):.0f} s after {fault}")


def python(running: stacks.Stack, code: str, service: str = "http") -> str:
    """Run CODE with the settings of the project in a container of SERVICE."""
    return running.compose("exec", "-T", service, "python", "-c", f"import django; django.setup()\n{code}")


@contextmanager
def meanwhile(step) -> Iterator[None]:
    """STEP again and again, on a thread of its own."""
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            step()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


REDIS = "import redis, os\nr = redis.Redis.from_url(open(os.environ['REDIS_URL_FILE']).read().strip())\n"


def test_a_full_redis(prometheus, running):
    calm(prometheus, "RedisFull")
    code = "[r.set(f'channels-stack:ballast:{n}', b'x' * 1_000_000) for n in range(57)]"
    python(running, REDIS + code)
    try:
        fired(prometheus, "RedisFull", "57 of its 64 MB were written")
    finally:
        python(running, REDIS + "[r.delete(f'channels-stack:ballast:{n}') for n in range(57)]")


def test_connections_to_the_database_that_are_taken(prometheus, running):
    calm(prometheus, "DatabaseConnections")
    code = """
import sys
from django.db import connections
settings = dict(connections["default"].get_connection_params())
import psycopg
settings = {k: v for k, v in settings.items() if k in ("host", "port", "user", "password", "dbname")}
first = psycopg.connect(**settings)
most = int(first.execute("show max_connections").fetchone()[0])
held = [psycopg.connect(**settings) for _ in range(int(most * 0.88))]
print("held", flush=True)
sys.stdin.read()
"""
    [http] = running.containers("http")
    command = ["docker", "exec", "-i", http, "python", "-c", f"import django; django.setup()\n{code}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        fired(prometheus, "DatabaseConnections", "88 % of them were opened")
        holder.stdin.close()


def test_pages_that_fail(prometheus, running):
    """The database stops while people go on to ask for pages that need it."""
    calm(prometheus, "PagesFail")
    with browse(running) as visitor:
        assert sign_in(visitor, running.user, running.password).status_code == 302

        def visit() -> None:
            assert visitor.get("/", timeout=ANSWER_SECONDS).status_code

        running.compose("stop", "db")
        try:
            with meanwhile(visit):
                fired(prometheus, "PagesFail", "the database stopped under visits")
        finally:
            running.compose("start", "db")
        stacks.eventually(lambda: visitor.get("/").status_code == 200, 120, "pages answer")


def test_an_event_loop_that_stands_still(prometheus, running):
    """As one that is blocked: its process does nothing for two seconds, again and again."""
    calm(prometheus, "EventLoopBlocked")
    [ws] = running.containers("ws")

    def block() -> None:
        stacks.docker("pause", ws)
        try:
            threading.Event().wait(2)
        finally:
            stacks.docker("unpause", ws)
        threading.Event().wait(0.5)

    with meanwhile(block):
        fired(prometheus, "EventLoopBlocked", "its process stood still for 2 of each 2.5 s")


def test_events_of_groups_that_are_lost(prometheus, running):
    """Somebody removes what Redis has, under a socket."""
    calm(prometheus, "GroupEventsLost")
    with browse(running) as visitor:
        assert sign_in(visitor, running.user, running.password).status_code == 302
        socket = Socket(running, "/ws/rooms/lobby/", visitor)
        socket.hear("presence")
        socket.say("before")
        socket.hear("message")
        code = "[r.delete(*part) for part in [list(r.scan_iter('channels-stack*', count=1000))] if part]"
        python(running, REDIS + code)
        socket.say("after")
        fired(prometheus, "GroupEventsLost", "the keys of Redis were removed")
        socket.close()


def test_a_process_without_memory(prometheus, running):
    """The kernel ends a process of this stack's image that asks for more than its container may have."""
    calm(prometheus, "OutOfMemory")
    [http] = running.containers("http")
    image = stacks.inspect(http)["Image"]
    limits = ("--memory", "64m", "--memory-swap", "64m", "--network", "none")
    command = ["docker", "run", "--rm", *limits, image, "python", "-c", "x = bytearray(1 << 30)"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 137, done
    fired(prometheus, "OutOfMemory", "a process was killed")


def test_it_becomes_calm_again(prometheus, running):
    assert ask(running, "GET", "/").status < 500
    stacks.eventually(lambda: not prometheus.firing(), CALM_SECONDS, "nothing fires any more")
