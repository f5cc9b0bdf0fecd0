"""TRACING: one trace from a request's id through view, group, consumer, frame and job, in three real processes."""

from __future__ import annotations

import json
import pathlib
import socket
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import serving
from processes import HERE, RUNTIME, Process, free_port, until
from support.otlp import Receiver

PROJECT = HERE.parents[1] / "monitoring/traced"
HELD_UP_SECONDS = 4
"""A page that waited for the receiver would take longer: one attempt takes 5 s."""
ENDS_SECONDS = 20
"""The drain, and some for a machine under load; the library by itself would wait for 30 s."""


class Traces:
    """What the receiver has got."""

    def __init__(self) -> None:
        self.spans: list[dict[str, Any]] = []
        self.receiver = Receiver(("127.0.0.1", 0), self.spans.append)
        self.url = f"http://127.0.0.1:{self.receiver.server_port}"
        threading.Thread(target=self.receiver.serve_forever, daemon=True).start()

    def of(self, trace: str) -> dict[str, dict[str, Any]]:
        """The spans of a trace by service and name."""
        return {f"{each['service']}: {each['name']}": each for each in self.spans if each["trace"] == trace}

    def complete(self, trace: str, *names: str) -> dict[str, dict[str, Any]]:
        """The spans of a trace, as soon as those of these NAMES are there."""
        until(lambda: set(names) <= self.of(trace).keys(), what=f"{names} in {trace}", seconds=60)
        return self.of(trace)


@pytest.fixture(scope="module")
def traces() -> Iterator[Traces]:
    found = Traces()
    yield found
    found.receiver.shutdown()


class Stack:
    """http, ws and worker of the project; each is a process."""

    def __init__(self, folder: pathlib.Path, redis: Any, **more: str) -> None:
        environment = {
            "PYTHONPATH": f"{RUNTIME}:{PROJECT}",
            "APP_SETTINGS": "traced.settings",
            "APP_ASGI": "traced.asgi:application",
            "APP_OVERLAY": "on",
            "APP_WORKER_CHANNELS": "reports",
            "WORKER_RETRY_SECONDS": "0",
            "DOMAINS": "localhost 127.0.0.1",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            **more,
        }
        self.http = serving.serve(folder, redis, "uvicorn", "http", **environment)
        self.ws = serving.serve(folder, redis, "uvicorn", "ws", **environment)
        command = [sys.executable, "-m", "channels_stack", "worker", f"--port={free_port()}"]
        command.append(f"--heartbeat={folder}/heartbeat")
        self.worker = Process(command, {**self.http.environment, "APP_WORKER_CHANNELS": "reports"}, folder)
        self.worker.says("listening on reports")

    def end(self) -> None:
        self.http.kill()
        self.ws.kill()
        self.worker.kill()


def request_id() -> str:
    """As the edge makes them: a UUID of version 7."""
    number = int(time.time() * 1000) << 80 | uuid.uuid4().int & (2**80 - 1)
    return str(uuid.UUID(int=number & ~(0xF << 76) | 7 << 76))


def plain(request: str) -> str:
    return request.replace("-", "")


def lines(log: str, **fields: str) -> list[dict[str, Any]]:
    """The log's lines with these FIELDS."""
    found = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return [line for line in found if all(line.get(name) == value for name, value in fields.items())]


@pytest.fixture(scope="module")
def stack(redis, traces, tmp_path_factory) -> Iterator[Stack]:
    started = Stack(tmp_path_factory.mktemp("traced"), redis, TRACING=traces.url, TRACING_PERCENT="100")
    yield started
    started.end()


@pytest.mark.parametrize("way", ["plain", "recovering"])
def test_one_trace_from_the_request_to_the_frames_of_the_worker(stack, traces, way):
    request, room = request_id(), f"room-{way}"
    with stack.ws.socket(f"/ws/{way}/{room}/") as client:
        assert client.recv() == "joined"
        answer = stack.http.get(f"/tell/{room}/", {"X-Request-ID": request, "Host": "localhost"})
        assert answer.status == 200
        # The mark of a message is taken out before a consumer sees it.
        frames = {client.recv(), client.recv()}
    assert frames == {"page ['by', 'more', 'type']", "worker ['by', 'type']"}
    consumer = {"plain": "Room", "recovering": "Recovering"}[way]
    found = traces.complete(
        plain(request),
        "http: GET /tell/<slug:room>/",
        "http: traced.urls.tell",
        f"http: group_send {room}",
        "http: send reports",
        "worker: Reports report.make",
        f"worker: group_send {room}",
        f"ws: {consumer} room.said",
    )
    mine = plain(request)
    both = "a consumer's span for each of the two messages"
    until(lambda: len(of_service(traces, mine, "ws")) == 2, what=both, seconds=60)
    every = [each for each in traces.spans if each["trace"] == mine]
    consumed = of_service(traces, mine, "ws")
    assert {each["name"] for each in consumed} == {f"{consumer} room.said"}
    assert [each["events"] for each in consumed] == [["websocket.send"]] * 2  # the frames
    by_id = {each["id"]: each for each in every}

    def way_up(span: dict[str, Any]) -> list[str]:
        names = []
        while True:
            names.append(span["name"])
            if not span["parent"]:
                return names
            span = by_id[span["parent"]]

    page = ["traced.urls.tell", "GET /tell/<slug:room>/"]
    sent = [f"{consumer} room.said", f"group_send {room}"]
    assert sorted(way_up(each) for each in consumed) == sorted(
        [[*sent, *page], [*sent, "Reports report.make", "send reports", *page]]
    )
    root = found["http: GET /tell/<slug:room>/"]
    assert root["attributes"]["http.route"] == "tell/<slug:room>/"
    assert root["attributes"]["http.response.status_code"] == 200
    assert root["attributes"]["request_id"] == request


def of_service(traces: Traces, trace: str, service: str) -> list[dict[str, Any]]:
    return [each for each in traces.spans if each["trace"] == trace and each["service"] == service]


def test_the_log_has_the_same_ids_in_each_process(stack, traces):
    request = request_id()
    stack.http.get("/tell/logged/", {"X-Request-ID": request, "Host": "localhost"})
    found = traces.complete(plain(request), "worker: Reports report.make", "http: traced.urls.tell")
    for process, message, span in (
        (stack.http.process, "telling logged", "http: traced.urls.tell"),
        (stack.worker, "making a report for logged", "worker: Reports report.make"),
    ):
        (line,) = lines(process.says(message), message=message)
        assert line["trace_id"] == plain(request)
        assert line["request_id"] == request
        assert line["span_id"] == found[span]["id"]


def test_a_job_that_fails_and_comes_again_stays_in_its_trace(stack, traces):
    request = request_id()
    stack.http.get("/tell/unlucky/", {"X-Request-ID": request, "Host": "localhost"})
    until(lambda: len(made(traces, request)) == 2, what="both attempts", seconds=60)
    failed, done = made(traces, request)
    assert failed["failed"] and not done["failed"]
    assert (failed["said"], failed["events"]) == ("RuntimeError", [])
    log = stack.worker.says("attempt 1 of 4")
    (line,) = [line for line in lines(log, level="error") if "attempt 1" in line["message"]]
    assert (line["trace_id"], line["request_id"]) == (plain(request), request)


def made(traces: Traces, request: str) -> list[dict[str, Any]]:
    return [
        each
        for each in traces.spans
        if each["trace"] == plain(request) and each["name"] == "Reports report.make"
    ]


def test_a_page_that_fails_names_the_class_of_its_exception_alone(stack, traces):
    request = request_id()
    stack.http.get("/fail/", {"X-Request-ID": request, "Host": "localhost"})
    found = traces.complete(plain(request), "http: GET /fail/", "http: traced.urls.fail")
    view, page = found["http: traced.urls.fail"], found["http: GET /fail/"]
    assert view["failed"] and page["failed"]
    assert page["attributes"]["http.response.status_code"] == 500
    assert "secret" not in json.dumps([view, page])


def test_an_asynchronous_view_has_its_span(stack, traces):
    request = request_id()
    stack.http.get("/quick/?token=private", {"X-Request-ID": request, "Host": "localhost"})
    found = traces.complete(plain(request), "http: GET /quick/", "http: traced.urls.quick")
    assert found["http: traced.urls.quick"]["parent"] == found["http: GET /quick/"]["id"]
    assert "private" not in json.dumps(list(found.values()))


@pytest.mark.parametrize("server", ["gunicorn", "daphne"])
def test_the_other_servers_record_too(redis, tmp_path, traces, server):
    http = serve_quick(redis, tmp_path, TRACING=traces.url, SERVER_HTTP=server)
    try:
        request = request_id()
        assert http.get("/quick/", {"X-Request-ID": request, "Host": "localhost"}).status == 200
        traces.complete(plain(request), "http: GET /quick/", "http: traced.urls.quick")
        http.terminate()
        until(lambda: http.process.exit_code() == 0, what="it ends", seconds=ENDS_SECONDS)
    finally:
        http.kill()


def test_a_frame_of_a_client_begins_a_trace_of_its_own(stack, traces):
    request = request_id()
    headers = {"X-Request-ID": request}
    with stack.ws.socket("/ws/plain/frames/", additional_headers=headers) as client:
        assert client.recv() == "joined"
        client.send("hello")
        assert {client.recv(), client.recv()} == {"hello ['by', 'type']", "worker ['by', 'type']"}
    until(lambda: frame_spans(traces, request), what="the frame's span", seconds=60)
    (frame,) = frame_spans(traces, request)
    assert frame["trace"] != plain(request)
    traces.complete(frame["trace"], "worker: Reports report.make", "ws: Room room.said")
    assert traces.complete(plain(request), "ws: Room websocket.connect")
    # The request behind the job is the handshake.
    made_for = [
        line for line in lines(stack.worker.output(), request_id=request) if "making" in line["message"]
    ]
    assert [line["trace_id"] for line in made_for] == [frame["trace"]]


def frame_spans(traces: Traces, request: str) -> list[dict[str, Any]]:
    return [
        each
        for each in traces.spans
        if each["name"] == "Room websocket.receive" and each["attributes"]["connection_id"] == request
    ]


def test_nothing_of_the_stack_itself_is_traced_and_strangers_begin_no_trace(stack, traces):
    given = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
    stack.http.get("/-/ready")
    answer = stack.http.get("/quick/", {"traceparent": given, "Host": "localhost", "X-Request-ID": "guess"})
    assert answer.status == 200
    request = request_id()
    stack.http.get("/quick/", {"X-Request-ID": request, "Host": "localhost"})
    traces.complete(plain(request), "http: GET /quick/")
    assert not traces.of("ab" * 16)
    assert not [each for each in traces.spans if each["attributes"].get("url.path", "").startswith("/-/")]


def test_of_a_share_the_ids_decide_and_the_log_finds_the_jobs_of_the_others(redis, traces, tmp_path):
    # The other worker must not get these jobs.
    stack = Stack(tmp_path, redis, TRACING=traces.url, TRACING_PERCENT="25", REDIS_PREFIX="share")
    try:
        requests = [request_id() for _ in range(200)]
        for request in requests:
            stack.http.get("/tell/many/", {"X-Request-ID": request, "Host": "localhost"})
        chosen = {each for each in requests if uuid.UUID(each).int & (2**56 - 1) < 2**54}
        assert 20 < len(chosen) < 90
        for request in chosen:
            traces.complete(plain(request), "http: GET /tell/<slug:room>/", "worker: Reports report.make")
        recorded = {each["trace"] for each in traces.spans}
        assert not recorded & {plain(each) for each in set(requests) - chosen}
        last = [line.get("request_id") for line in lines(stack.worker.says(requests[-1]))]
        assert set(requests) <= set(last)
    finally:
        stack.end()


@pytest.fixture
def closed() -> str:
    """An address where nobody listens."""
    return f"http://127.0.0.1:{free_port()}"


def test_a_receiver_that_is_not_there_is_reported_once_and_costs_no_time(redis, tmp_path, closed):
    http = serve_quick(redis, tmp_path, TRACING=closed)
    try:
        assert slowest_of(http, 300) < HELD_UP_SECONDS
        log = http.says("takes no spans", seconds=60)
        # More batches fail meanwhile: one for each 100 ms with a page.
        deadline = time.monotonic() + 8
        while time.monotonic() < deadline:
            http.get("/quick/", {"Host": "localhost", "X-Request-ID": request_id()})
        log = http.whole_log()
        assert log.count("takes no spans") == 1 and "opentelemetry" not in log and "Traceback" not in log
        (line,) = [line for line in lines(log) if "takes no spans" in line["message"]]
        assert line["level"] == "warning" and "Connection refused" in line["message"]
        http.terminate()
        until(lambda: http.process.exit_code() == 0, what="it ends", seconds=ENDS_SECONDS)
    finally:
        http.kill()


def slowest_of(http: serving.Serving, pages: int) -> float:
    """How long the slowest of so many PAGES took."""
    slowest = 0.0
    for _ in range(pages):
        began = time.monotonic()
        answer = http.get("/quick/", {"Host": "localhost", "X-Request-ID": request_id()})
        assert answer.status == 200
        slowest = max(slowest, time.monotonic() - began)
    return slowest


def test_a_receiver_that_hangs_holds_up_no_request(redis, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        http = serve_quick(redis, tmp_path, TRACING=f"http://127.0.0.1:{hanging.getsockname()[1]}")
        try:
            assert slowest_of(http, 300) < HELD_UP_SECONDS
            http.says("takes no spans", seconds=60)
            http.terminate()
            until(lambda: http.process.exit_code() == 0, what="it ends", seconds=ENDS_SECONDS)
        finally:
            http.kill()


def test_a_receiver_that_comes_back_is_said(redis, tmp_path, traces):
    http = serve_quick(redis, tmp_path, TRACING=traces.url)
    traces.receiver.refuses = 400
    try:
        http.get("/quick/", {"Host": "localhost", "X-Request-ID": request_id()})
        http.says("takes no spans (Bad Request)", seconds=60)
        traces.receiver.refuses = 0
        http.get("/quick/", {"Host": "localhost", "X-Request-ID": request_id()})
        http.says("takes spans again", seconds=60)
    finally:
        traces.receiver.refuses = 0
        http.kill()


def serve_quick(redis, folder, **environment: str) -> serving.Serving:
    return serve_with(redis, folder, **environment).wait_until_it_serves()


def serve_with(redis, folder, **environment: str) -> serving.Serving:
    words = {
        "PYTHONPATH": f"{RUNTIME}:{PROJECT}",
        "APP_SETTINGS": "traced.settings",
        "APP_ASGI": "traced.asgi:application",
        "APP_OVERLAY": "on",
        "DOMAINS": "localhost",
        "TRACING_PERCENT": "100",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        **environment,
    }
    command = ("-m", "channels_stack", "serve", "http", "--port", "{port}")
    return serving.Serving(folder, redis, *command, **{"SERVER_HTTP": "uvicorn", **words})


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("collector:4318", "must be http:// or https:// and a host"),
        ("http://anna:swordfish@collector:4318", "OTEL_EXPORTER_OTLP_HEADERS"),
        ("http://collector:4318/v1/traces", "takes the address before /v1/traces"),
        ("http://collector:port", "must be http:// or https:// and a host"),
    ],
)
def test_an_address_that_cannot_be_one_is_rejected_in_one_line(redis, tmp_path, url, said):
    line = rejected(redis, tmp_path, TRACING=url)
    assert said in line and "swordfish" not in line


def test_without_what_makes_traces_it_says_so_in_one_line(redis, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['opentelemetry.exporter'] = None\n")
    path = f"{tmp_path}:{RUNTIME}:{PROJECT}"
    assert "channels-stack[tracing]" in rejected(redis, tmp_path, PYTHONPATH=path, TRACING="http://c:4318")


def rejected(redis, folder: pathlib.Path, **environment: str) -> str:
    """The one line with which the process ends, with 78."""
    served = serve_with(redis, folder, **environment)
    assert served.process.wait() == 78, served.log()
    (line,) = served.log().splitlines()
    return line


ASKED = """
import sys
from django.http import HttpResponse
from django.urls import path
from traced import asgi, urls

urls.urlpatterns.append(path("imported/", lambda request: HttpResponse(str("opentelemetry.exporter" in sys.modules))))
application = asgi.application
"""


@pytest.mark.parametrize("on", [False, True])
def test_off_nothing_that_records_is_imported(redis, tmp_path, traces, on):
    """But for what redis-py imports where it is installed."""
    (tmp_path / "asked.py").write_text(ASKED)
    http = serve_quick(
        redis,
        tmp_path,
        PYTHONPATH=f"{RUNTIME}:{PROJECT}:{tmp_path}",
        APP_ASGI="asked:application",
        TRACING=traces.url if on else "",
    )
    try:
        assert http.get("/imported/", {"Host": "localhost"}).body == str(on).encode()
    finally:
        http.kill()
