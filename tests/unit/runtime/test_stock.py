"""The same project on stock servers: why `channels-stack serve` does not simply start them.

When one of these tests fails, the server has been repaired, and a part of ours may go.
"""

from __future__ import annotations

import contextlib
import http.client

import pytest
from processes import until
from serving import Serving, close_code

DAPHNE = ("-m", "daphne", "-p", "{port}", "conformance.asgi:application")
UVICORN = ("-m", "uvicorn", "--port", "{port}", "conformance.asgi:application")


@pytest.fixture
def stock(tmp_path, redis):
    """Starts a stock server."""
    started = []

    def start(*command: str) -> Serving:
        started.append(Serving(tmp_path, redis, *command).wait_until_it_serves())
        return started[-1]

    yield start
    for serving in started:
        serving.kill()


def test_daphne_cuts_its_sockets_and_no_disconnect_runs(stock):
    serving = stock(*DAPHNE)
    with serving.socket() as client:
        serving.terminate()
        assert close_code(client) == 1006
    serving.process.wait()
    assert serving.journal() == []


def test_daphne_cuts_a_socket_instead_of_saying_too_large(stock):
    with stock(*DAPHNE).socket() as client:
        client.send("x" * (2 << 20))
        assert close_code(client) == 1006


def test_daphne_believes_anyone_about_the_root_of_the_application(stock):
    headers = {"Daphne-Root-Path": "/elsewhere"}
    assert stock(*DAPHNE).get("/who/", headers).json()["script_name"] == "/elsewhere"


@pytest.mark.parametrize("command", [DAPHNE, UVICORN], ids=["daphne", "uvicorn"])
def test_a_stranger_fills_the_log_with_tracebacks(stock, command):
    serving = stock(*command)
    assert serving.refusal("/nowhere/").status_code == 500
    serving.says("ValueError: No route found for path")


@pytest.mark.parametrize("command", [DAPHNE, UVICORN], ids=["daphne", "uvicorn"])
def test_a_consumer_that_waits_holds_up_every_other(stock, tmp_path, command):
    serving = stock(*command)
    with serving.socket("/sync/") as waiting, serving.socket("/echo/") as other:
        other.recv()
        waiting.send(str(tmp_path / "released"))
        until(lambda: "sync waits" in serving.journal(), what="the thread is blocked")
        other.send("still here?")
        with pytest.raises(TimeoutError):
            other.recv(1)
        (tmp_path / "released").touch()
        assert other.recv() == "still here?"


def test_uvicorn_cuts_the_socket_of_an_application_that_failed(stock):
    with stock(*UVICORN).socket("/broken/") as client:
        client.send("x")
        assert close_code(client) == 1006


def test_uvicorn_ends_with_the_signal(stock):
    serving = stock(*UVICORN)
    serving.terminate()
    assert serving.process.wait() == -15


def test_uvicorn_waits_for_ever_for_an_event_stream(stock):
    serving = stock(*UVICORN)
    with contextlib.closing(serving.connection()) as connection:
        connection.request("GET", "/events/")
        connection.getresponse()
        serving.terminate()
        serving.says("Waiting for connections to close")
        with pytest.raises(AssertionError, match="did not end"):
            serving.process.wait(3)


def test_daphne_cuts_an_event_stream(stock):
    serving = stock(*DAPHNE)
    with contextlib.closing(serving.connection()) as connection:
        connection.request("GET", "/events/")
        response = connection.getresponse()
        serving.terminate()
        with pytest.raises(http.client.IncompleteRead):
            response.read()
