"""The project's own lifespan, on every server; and pages of a project that routes websockets only."""

from __future__ import annotations

import pytest
from serving import SERVERS, Serving, serve


@pytest.fixture(params=SERVERS)
def server(request):
    return request.param


@pytest.fixture
def new(server, redis, tmp_path):
    """Starts a process for an application of conformance.spans."""
    started = []

    def start(application: str, service: str = "http", wait: bool = True, **environment: str) -> Serving:
        environment = {
            "APP_ASGI": f"conformance.spans:{application}",
            "HTTP_PROCESSES": "1",
            "DRAIN_NOTICE_SECONDS": "0",
            "DRAIN_SECONDS": "0",
            **environment,
        }
        serving = (serve if wait else begin)(tmp_path, redis, server, service, **environment)
        started.append(serving)
        return serving

    yield start
    for serving in started:
        serving.kill()


def begin(folder, redis, server, service, **environment) -> Serving:
    """As ``serve``, for a process that is to end before it listens."""
    command = ["-m", "channels_stack", "serve", service, "--port", "{port}"]
    return Serving(folder, redis, *command, SERVER_WS=server, SERVER_HTTP=server, **environment)


@pytest.mark.parametrize(
    ("application", "service"), [("routed", "http"), ("function", "ws"), ("mounted", "http")]
)
def test_startup_comes_before_the_first_connection_and_shutdown_after_the_last(new, application, service):
    serving = new(application, service)
    # gunicorn's master holds the port before there is a worker: the connection waits for the startup.
    path, answer = ("/state/", b"loaded") if service == "http" else ("/-/live", b"live\n")
    assert serving.get(path).body == answer
    assert serving.journal() == ["lifespan.startup"]
    with serving.socket("/echo/") as client:
        client.recv()
        serving.terminate()
        assert serving.process.wait() == 0, serving.log()
    journal = serving.journal()
    assert [line for line in journal if "lifespan" in line] == ["lifespan.startup", "lifespan.shutdown"]
    assert journal[-1] == "lifespan.shutdown" and len(journal) == 3
    assert "Traceback" not in serving.log()


@pytest.mark.parametrize(
    ("application", "how", "reason"),
    [("routed", "raises", "OSError: no model at /models/x"), ("function", "refuses", "OSError: no model")],
)
def test_a_startup_that_fails_ends_the_process_with_its_reason(new, application, how, reason):
    serving = new(application, wait=False, TEST_SPAN=how)
    assert serving.process.wait() == 1, serving.log()
    lines = [line for line in serving.log().splitlines() if "does not start" in line]
    assert len(lines) == 1 and reason in lines[0]
    assert ("spans.py:" in lines[0]) == (how == "raises")
    assert "Traceback (most" not in serving.log()


@pytest.mark.parametrize("application", ["greedy", "silent", "asserting"])
def test_a_project_without_one_is_not_disturbed(new, application):
    serving = new(application)
    assert serving.get("/who/").status == 200
    serving.terminate()
    assert serving.process.wait() == 0
    assert "lifespan" not in serving.log() and "Traceback" not in serving.log()


def test_an_end_that_takes_for_ever_is_cut_off_in_time(new):
    serving = new("stuck", STOP_SECONDS="3")
    assert serving.get("/who/").status == 200
    serving.terminate()
    assert serving.process.wait() == 0, serving.log()
    assert "lifespan has not ended within" in serving.log()


@pytest.mark.parametrize("application", ["sockets_only", "wrapped_sockets_only"])
def test_a_router_without_pages_has_those_of_django(new, application):
    serving = new("routed", APP_ASGI=f"conformance.asgi:{application}")
    assert serving.get("/who/").status == 200
