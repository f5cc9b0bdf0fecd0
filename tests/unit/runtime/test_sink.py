"""Standard output that takes nothing holds up nothing: neither the event loop, nor the last resort."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys

import pytest
from processes import HERE, PATIENCE, RUNTIME, environment_of, free_port, until
from serving import Serving
from test_logs import PREPARE, lines_of

from channels_stack.observability.sink import LINES


class Stuck(Serving):
    """A server whose output no one reads, and whose pipe is full."""

    def __init__(self, folder, redis, server: str, service: str, **environment: str) -> None:
        self.port = free_port()
        self.journal_file = folder / "journal"
        self.journal_file.touch()
        self.output, into = os.pipe()
        names = {
            "SERVER_WS": server,
            "SERVER_HTTP": server,
            "HTTP_PROCESSES": "1",
            "TEST_JOURNAL": str(self.journal_file),
        }
        at_once = {"DRAIN_NOTICE_SECONDS": "0", "DRAIN_SECONDS": "0"}
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "channels_stack", "serve", service, "--port", str(self.port)],
            env={**environment_of("conformance", folder, redis), **names, **at_once, **environment},
            stdout=into,
            stderr=subprocess.DEVNULL,
        )
        until(self._accepts, what="the server listens")
        os.set_blocking(into, False)
        for piece in (b"x" * 4096, b"x"):
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(into, piece)
        os.set_blocking(into, True)  # it is the same for the server
        os.close(into)

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()
        os.close(self.output)


@pytest.fixture
def stuck(redis, tmp_path):
    started = []

    def start(server: str, service: str, **environment: str) -> Stuck:
        started.append(Stuck(tmp_path, redis, server, service, **environment))
        return started[-1]

    yield start
    for serving in started:
        serving.kill()


def dropped(serving: Serving) -> float:
    text = serving.get("/-/metrics").body.decode()
    name = "channels_stack_log_lines_dropped_total "
    return float(next(line for line in text.splitlines() if line.startswith(name)).split()[1])


def test_the_process_serves_on_and_what_is_lost_is_counted(stuck):
    serving = stuck("uvicorn", "http")
    with contextlib.closing(serving.connection()) as link:
        for _ in range(LINES // 2 + 100):  # two lines each: one of Django, one of ours
            link.request("GET", "/missing/")
            answer = link.getresponse()
            answer.read()
            assert answer.status == 404
    until(lambda: dropped(serving) >= 100, what="the lost lines are counted")


@pytest.mark.parametrize("server", ["uvicorn", "gunicorn", "daphne"])
def test_an_orderly_end_does_not_wait_for_it(stuck, server):
    serving = stuck(server, "ws", STOP_SECONDS="100")
    serving.popen.send_signal(signal.SIGTERM)
    assert serving.popen.wait(PATIENCE) == 0


@pytest.mark.parametrize("server", ["uvicorn", "gunicorn", "daphne"])
def test_nor_does_the_end_by_force(stuck, server):
    """A thread of the application goes on for ever: the watchdog ends the process."""
    serving = stuck(server, "http", STOP_SECONDS="3")
    with contextlib.closing(serving.connection()) as link:
        link.request("GET", "/slow-sync/36000/")
        until(lambda: serving.journal() == ["page slow-sync"], what="the page is being made")
        serving.popen.send_signal(signal.SIGTERM)
        assert serving.popen.wait(PATIENCE) == 1
        with contextlib.suppress(OSError, http.client.HTTPException):
            link.getresponse()


def test_the_last_lines_of_a_process_are_written():
    lines = lines_of("[logging.warning('line %d', number) for number in range(1000)]")
    assert [line["message"] for line in lines] == [f"line {number}" for number in range(1000)]


@pytest.mark.parametrize("again", ["", "logs.configure(settings, 'http')"])
def test_a_process_that_was_forked_writes_too(again):
    code = f"""
import os
logging.warning("before")
child = os.fork()
if not child:
    {again or "pass"}
    logging.warning("in the child")
    logging.shutdown()
    os._exit(0)
os.waitpid(child, 0)
logging.warning("afterwards")
"""
    assert sorted(line["message"] for line in lines_of(code)) == ["afterwards", "before", "in the child"]


def test_lost_lines_are_reported_when_there_is_room_again():
    code = PREPARE.format(form="json")
    code += "for n in range(9000): logging.warning('line %d', n)\nprint('logged', file=sys.stderr)\ninput()\n"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    environment = {"PYTHONPATH": f"{RUNTIME}:{HERE}"}
    with subprocess.Popen([sys.executable, "-c", code], env=environment, **pipes) as process:
        assert process.stderr.readline() == b"logged\n"  # no one has read a line by then
        lines = []
        while not lines or "were dropped" not in lines[-1]:
            lines.append(json.loads(process.stdout.readline())["message"])
        rest, _ = process.communicate(b"\n", timeout=PATIENCE)
    lost = 9000 - (len(lines) - 1) - len(rest.splitlines())
    assert lost > 0
    assert lines[-1] == f"{lost} lines were dropped: standard output did not take them"
