"""TRACING on a stack: a page asked of the edge is one trace in a receiver, through http, ws and worker."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest
import stacks
from visitors import ask, trust
from websockets.sync.client import connect

RECEIVER = stacks.ROOT / "tests/support/otlp.py"
EMPTY = ("APP_RELEASE_COMMANDS", "APP_VOLUMES")


@pytest.fixture(scope="module")
def running() -> Iterator[stacks.Stack]:
    with stacks.own(
        "traced",
        **dict.fromkeys(EMPTY, ""),
        APP_DIR="../tests/monitoring/traced",
        APP_SETTINGS="traced.settings",
        APP_ASGI="traced.asgi:application",
        APP_WORKER_CHANNELS="reports",
        TRACING="http://collector:4318",
        TRACING_PERCENT="100",
    ) as stack:
        yield stack


@pytest.fixture(scope="module")
def receiver(running) -> Iterator[str]:
    """The container of the receiver, in the network of the application: its image has what decodes traces."""
    [http, *_] = running.containers("http")
    name = f"{running.project}-collector"
    stacks.docker(
        *("run", "--detach", "--name", name, "--network", f"{running.project}_out"),
        *("--network-alias", "collector", "--read-only", "--cap-drop", "ALL", "--user", "10001:10001"),
        *("--volume", f"{RECEIVER}:/otlp.py:ro", "--entrypoint", "python"),
        *(stacks.inspect(http)["Image"], "/otlp.py", "4318"),
    )
    yield name
    stacks.docker("rm", "--force", name)


def spans(receiver: str) -> list[dict]:
    return [json.loads(line) for line in stacks.docker("logs", receiver).splitlines()]


def test_a_page_is_one_trace_through_three_services_and_its_id_finds_the_log(running, receiver):
    url = running.url.replace("https://", "wss://") + "/ws/recovering/lobby/"
    with connect(url, ssl=trust(running), origin=running.url, proxy=None, legacy=True) as socket:
        assert socket.recv(60) == "joined"
        answer = ask(running, "GET", "/tell/lobby/")
        assert answer.status == 200
        assert {socket.recv(60).split()[0] for _ in range(2)} == {"page", "worker"}
    request = answer.headers["X-Request-ID"]
    trace = request.replace("-", "")

    def found() -> set[str]:
        return {f"{each['service']} {each['name']}" for each in spans(receiver) if each["trace"] == trace}

    wanted = {
        "http GET /tell/<slug:room>/",
        "http traced.urls.tell",
        "http group_send lobby",
        "http send reports",
        "worker Reports report.make",
        "worker group_send lobby",
        "ws Recovering room.said",
    }
    stacks.eventually(lambda: found() == wanted, 60, f"the trace {trace} in {receiver}")
    frames = [each["events"] for each in spans(receiver) if each["name"] == "Recovering room.said"]
    assert ["websocket.send"] in frames

    def shown(identity: str) -> set[str]:
        log = stacks.tool(running.folder, "logs", REQUEST=identity, FOLLOW="no")
        return {word for word in ("edge", "http", "worker") if f" {word}-" in log or f"-{word}-" in log}

    for identity in (request, trace):
        stacks.eventually(
            lambda identity=identity: shown(identity) == {"edge", "http", "worker"}, 30, "its lines in three"
        )


def test_a_receiver_that_is_gone_is_said_once_in_each_process(running, receiver):
    subprocess.run(["docker", "stop", "--time", "1", receiver], check=True, capture_output=True)

    def told() -> int:
        assert ask(running, "GET", "/quick/").status == 200
        return sum(
            stacks.docker("logs", name).count("takes no spans") for name in running.containers("worker")
        )

    for _ in range(3):
        assert ask(running, "GET", "/tell/lobby/").status == 200
    stacks.eventually(lambda: told() == 1, 60, "the worker says it")
