"""Each case of the matrix on each of its rows. The order is that of matrix.CASES: `stop` ends the row's services."""

from __future__ import annotations

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from stacks import docker, eventually, inspect
from websockets.exceptions import ConnectionClosed, InvalidStatus

SILENT_SECONDS = 6
"""Longer than redis-py 8 lets channels-redis wait, which ended idle sockets after 5 s."""

PATIENT_SECONDS = 120
"""How long pages are read where a pin once made trouble only after a while."""


def say(socket, text: str) -> None:
    socket.send(json.dumps({"say": text}))


def hear(socket, text: str, seconds: float = 10) -> None:
    """Wait until the project says TEXT."""
    deadline, heard = time.monotonic() + seconds, []
    while text not in heard:
        assert time.monotonic() < deadline, f"not within {seconds} s: {text!r}; heard: {heard}"
        heard.append(json.loads(socket.recv(timeout=seconds))["said"])


def announce(socket, size: int) -> None:
    """Begin a text message of SIZE bytes and send none of them: a whole one may meet a reset, which loses the close frame."""
    socket.socket.sendall(b"\x81\xff" + size.to_bytes(8, "big") + b"mask")


def closed(socket, seconds: float = 10):
    """The close frame that the server has sent; what it says before is passed over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            socket.recv(timeout=seconds)
        except ConnectionClosed as end:
            return end.rcvd
    raise AssertionError(f"still open after {seconds} s")


def test_page(row, running, visit):
    answer = visit.pages.get("/")
    assert answer.status_code == 200 and "0 users" in answer.text, answer.text
    assert answer.headers.get("server") is None
    if "redis" in row.pins:
        stays(running, visit)


def stays(running, visit) -> None:
    """Two minutes of the stack at rest: each page is served, and no process finds anything wrong with itself."""
    failures, pages, end = [], 0, time.monotonic() + PATIENT_SECONDS
    while time.monotonic() < end:
        moment, answer = time.strftime("%H:%M:%S"), visit.pages.get("/")
        pages += 1
        if answer.status_code != 200:
            failures.append(f"{moment} {answer.status_code}")
        time.sleep(1)
    told = json.loads(running.compose("exec", "-T", "ws", "channels-stack", "status", "--json"))
    assert failures == [], f"{len(failures)} of {pages} pages failed: {failures}; {told}"
    assert {each["service"] for each in told} == {"http", "ws", "worker"}
    assert [each["troubles"] for each in told] == [{}] * len(told)


def test_static(row, visit):
    name = re.search(r'href="(/static/mysite/home\.[0-9a-f]{12}\.css)"', visit.pages.get("/").text)
    assert name
    answer = visit.pages.get(name[1])
    assert answer.status_code == 200 and "rebeccapurple" in answer.text
    assert "immutable" in answer.headers["cache-control"]
    # Before Python 3.11 the name of a status that is an HTTPStatus stood there.
    eventually(lambda: f'"GET {name[1]} 200 ' in visit.logs("http")[0], what="the log has the request")


def test_stream(row, visit):
    answer = visit.pages.get("/stream/")
    assert answer.status_code == 200, answer.text
    assert answer.text == "one\ntwo\n"


def test_group(row, visit):
    first, second = visit.socket("/talk/"), visit.socket("/talk/")
    say(first, "hello")
    hear(first, "hello")
    hear(second, "hello")
    with pytest.raises(TimeoutError):
        second.recv(timeout=SILENT_SECONDS)
    say(second, "still here?")
    hear(second, "still here?")
    hear(first, "still here?")


def test_refusals(row, visit):
    with pytest.raises(InvalidStatus) as refused:
        visit.socket("/talk/", origin="https://evil.example")
    assert refused.value.response.status_code == 403
    with pytest.raises(InvalidStatus) as refused:
        visit.socket("/nowhere/")
    assert refused.value.response.status_code == 404
    socket = visit.socket("/talk/")
    announce(socket, 2 << 20)
    assert closed(socket).code == 1009


def test_reason(row, visit):
    socket = visit.socket("/talk/")
    socket.send(json.dumps({"leave": "enough"}))
    frame = closed(socket)
    assert (frame.code, frame.reason) == (4000, "enough")


def test_worker(row, visit):
    socket = visit.socket("/talk/")
    for number in range(3):
        socket.send(json.dumps({"job": number}))
    for number in range(3):
        hear(socket, f"job {number}: 0 users")


def test_commands(row, running):
    code = (
        "from django.core.management import get_commands; found = get_commands();"
        "print(*[getattr(found[name], 'name', found[name]) for name in ('runserver', 'runworker')])"
    )
    asked = running.compose("exec", "-T", "ws", "python", "manage.py", "shell", "--command", code)
    assert asked.split()[-2:] == ["daphne", "channels"]


def live_server_test_passes(running, method: str) -> None:
    """The project's own test on a live server, in the container of websockets, with processes started by METHOD.

    With settings of its own, named before Python starts: one that is assigned later gives way to the overlay.
    """
    own = ("env", "DJANGO_SETTINGS_MODULE=mysite.live_settings", "timeout", "240")
    running.compose("exec", "-T", "ws", *own, "python", "-m", "mysite.live", method)


def test_spawn(row, running):
    live_server_test_passes(running, "spawn")


def test_fork(row, running):
    live_server_test_passes(running, "fork")


def test_stop(row, running, visit):
    """Everything at once: a socket, a request and a job are in flight when the three services are told to stop."""
    socket = visit.socket("/talk/")
    say(socket, "there")
    hear(socket, "there")
    names = [name for service in ("http", "ws", "worker") for name in running.containers(service)]
    with ThreadPoolExecutor(1 + len(names)) as beside:
        page = beside.submit(visit.pages.get, "/slow/", params={"seconds": 4})
        socket.send(json.dumps({"job": "last", "seconds": 4}))
        eventually(lambda: "slow begins" in visit.logs("http")[0], what="the request is in flight")
        eventually(lambda: "job last begins" in visit.logs("worker")[0], what="the job is in flight")
        stops = [beside.submit(docker, "stop", "--time", "20", name) for name in names]
        assert closed(socket).code == 1012
        answer = page.result()
        assert (answer.status_code, answer.text) == (200, "slow and done")
        for stop in stops:
            stop.result()
    assert [inspect(name)["State"]["ExitCode"] for name in names] == [0] * len(names)
    assert "job last is done" in visit.logs("worker")[0]
    lines = [line for name in names for line in docker("logs", name).splitlines()]
    tracebacks = [line for line in lines if "Traceback" in line]
    assert len(tracebacks) == len(row.cannot.keys() & {"stream", "reason"}), tracebacks
