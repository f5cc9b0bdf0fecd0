"""A stack with MONITORING=on: everything is measured, nobody reads it without the password, and faults become alerts in time."""

from __future__ import annotations

import http.server
import itertools
import json
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import httpx
import picture
import pytest
import stacks
from prometheus import WITHIN_SECONDS, monitored
from visitors import Socket, browse, sign_in

DASHBOARD = stacks.ROOT / "images/monitoring/dashboard.json"
ARTIFACTS = stacks.ROOT / "tests/.artifacts"
PICTURE_SECONDS = 240
"""Of traffic: sixteen measurements."""


class Told(http.server.ThreadingHTTPServer):
    """Whom Alertmanager tells, by a webhook: ``alerts`` are the names that it has been told of."""

    def __init__(self, address: str) -> None:
        self.alerts: set[str] = set()
        super().__init__((address, 0), Hook)


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.alerts.update(each["labels"]["alertname"] for each in body["alerts"])
        self.send_response(200)
        self.end_headers()

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    [network] = json.loads(stacks.docker("network", "inspect", "bridge"))
    with Told(network["IPAM"]["Config"][0]["Gateway"]) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def running(told) -> Iterator[stacks.Stack]:
    address, port = told.server_address
    hook = {"name": "hook", "webhook_configs": [{"url": f"http://{address}:{port}/"}]}
    route = {"receiver": "hook", "group_by": ["alertname"], "group_wait": "1s"}
    secrets = {"alertmanager": json.dumps({"route": route, "receivers": [hook]})}
    with monitored("monitored", secrets) as stack:
        yield stack


def test_every_target_is_found_and_answers(prometheus):
    wanted = {
        *(f"application {service}" for service in ("http", "ws", "worker")),
        "edge edge",
        *("site", "postgres", "redis", "node", "alertmanager"),
    }
    stacks.eventually(lambda: prometheus.up().keys() == wanted, 90, "all targets are up")


def test_no_one_reads_it_without_the_password(prometheus):
    for auth in (None, ("prometheus", "guess")):
        answer = httpx.get(str(prometheus.client.base_url), verify=False, auth=auth)
        assert answer.status_code == 401


def test_a_prometheus_outside_takes_everything_from_it(prometheus):
    answer = prometheus.client.get("/federate", params={"match[]": '{job="application"}'})
    assert answer.status_code == 200 and "channels_stack_sockets{" in answer.text


def test_every_query_of_the_dashboard_has_an_answer(prometheus, running):
    with browse(running) as visitor:
        assert sign_in(visitor, running.user, running.password).status_code == 302
        socket = Socket(running, "/ws/rooms/lobby/", visitor)
        socket.hear("presence")
        socket.close()
    queries = [
        target["expr"] for panel in json.loads(DASHBOARD.read_text())["panels"] for target in panel["targets"]
    ]
    assert len(queries) > 15
    left = set(queries)

    def answered() -> bool:
        left.difference_update({query for query in left if prometheus.ask("query", query=query)["result"]})
        return not left

    stacks.eventually(answered, 120, "an answer to every query")


def test_picture_for_the_docs(prometheus, running):
    """docs/how-to/dashboard.svg is such a picture, of visitors who come, write, order reports and leave."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    start, sockets, steps = time.time(), [], itertools.count()
    with browse(running) as visitor:
        assert sign_in(visitor, running.user, running.password).status_code == 302

        def measured() -> bool:
            """A step of the visitors, until all of it has been measured for long enough."""
            step = next(steps)
            assert visitor.get("/rooms/lobby/" if step % 3 else "/").status_code == 200
            if not step % 40:
                sockets.append(Socket(running, "/ws/rooms/lobby/", visitor))
            socket = sockets[step % len(sockets)]
            if step % 100:
                nonce = socket.say(f"step {step}")
                # One that is not read is cut.
                socket.hear("message", where=lambda frame: frame["nonce"] == nonce)
            else:
                socket.say("/report")
                socket.hear("report")
            if len(sockets) > 8:
                sockets.pop(0).close()
            [oldest] = prometheus.ask("query", query="min(timestamp(up))")["result"]
            return float(oldest["value"][1]) > start + PICTURE_SECONDS

        stacks.eventually(measured, 2 * PICTURE_SECONDS, "all is measured")
        for socket in sockets:
            socket.close()
    end = time.time()
    drawn = []
    for panel in panels:
        series = []
        for target in panel["targets"]:
            words = {"query": target["expr"], "start": start, "end": end, "step": 5}
            answer = prometheus.ask("query_range", **{key: str(word) for key, word in words.items()})
            series += picture.series_of(answer["result"], target.get("legendFormat"))
        drawn.append((panel, series))
    assert [panel["title"] for panel, series in drawn if not series] == []
    ARTIFACTS.mkdir(exist_ok=True)
    text = picture.svg(drawn, start, end).replace(platform.node(), "host1").replace(running.project, "stack")
    (ARTIFACTS / "dashboard.svg").write_text(text)


def test_what_looks_at_a_running_stack_knows_its_services_and_its_port(running):
    """As `make smoke` does, without the pages."""
    looks = [f"tests/running/{name}.py" for name in ("test_services", "test_on_hosts")]
    options = ["--deployment", str(running.folder), "--target", running.url]
    command = [sys.executable, "-m", "pytest", *looks, *options, "-p", "no:cacheprovider", "-v"]
    done = subprocess.run(command, cwd=stacks.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[prometheus]" in done.stdout


def test_a_changed_alertmanager_takes_its_new_configuration(running):
    before = running.compose("exec", "-T", "alertmanager", "cat", "/proc/1/stat")
    running.compose("restart", "alertmanager")
    assert running.compose("exec", "-T", "alertmanager", "cat", "/proc/1/stat") != before


def test_nothing_fires_while_nothing_is_wrong(prometheus):
    assert prometheus.firing() == set()


FAULTS = {
    "worker": ("stop", "start", ("ServiceDown",)),
    "redis": ("pause", "unpause", ("RedisDown", "CheckFails")),
    "db": ("stop", "start", ("DatabaseDown",)),
    "edge": ("stop", "start", ("SiteDown",)),
}
"""Service -> what is done to it, how it is undone, and what fires."""


@pytest.mark.parametrize("service", FAULTS)
def test_faults_become_alerts_that_are_sent(prometheus, running, told, service):
    fault, undo, alerts = FAULTS[service]
    running.compose(fault, service)
    try:
        for alert in alerts:
            seconds = prometheus.fires(alert, WITHIN_SECONDS)
            print(f"{alert}: {seconds:.0f} s after `{fault} {service}`")
        stacks.eventually(lambda: told.alerts.issuperset(alerts), 30, f"somebody is told of {alerts}")
    finally:
        running.compose(undo, service)
    stacks.eventually(lambda: not prometheus.firing(), 240, "nothing fires any more")


def test_dead_jobs_become_an_alert(prometheus, running):
    code = (
        "import django; django.setup()\n"
        "from asgiref.sync import async_to_sync\n"
        "from channels.layers import get_channel_layer\n"
        "async_to_sync(get_channel_layer('tasks').send)('reports', {'type': 'no.such.handler'})\n"
    )
    running.compose("exec", "-T", "http", "python", "-c", code)
    print(f"JobsDead after {prometheus.fires('JobsDead', WITHIN_SECONDS):.0f} s")
