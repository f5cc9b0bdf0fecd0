"""What a stranger sends is in no line of the log: a marker goes through every channel, and is looked for."""

from __future__ import annotations

import contextlib
import json
import socket
import urllib.parse

import pytest
from processes import PATIENCE
from serving import SERVERS, Serving, serve

MARKER = "mArKeR7391"
HEADERS = {
    "Cookie": f"sessionid={MARKER}; other={MARKER}",
    "Authorization": f"Bearer {MARKER}",
    "User-Agent": MARKER,
    "Referer": f"https://localhost/?{MARKER}",
    "X-Anything": MARKER,
}
PROJECT = {
    "DJANGO_SETTINGS_MODULE": "leaky.settings",
    "APP_SETTINGS": "leaky.settings",
    "APP_ASGI": "leaky.asgi:application",
    "LOG_LEVEL": "debug",  # as on staging
}
HOWS = ["chain", "sql", "number", "file", "refused", "denied", "missing", "logged", "thread", "destructor"]


@pytest.fixture(
    scope="module", params=[*((server, "json") for server in SERVERS), ("uvicorn", "text")], ids="-".join
)
def kind(request):
    """A server, and a form of its log."""
    return request.param


@pytest.fixture(scope="module")
def pages(redis, tmp_path_factory, kind):
    server, form = kind
    folder = tmp_path_factory.mktemp("leaky")
    serving = serve(folder, redis, server, "http", HTTP_PROCESSES="1", LOG_FORMAT=form, **PROJECT)
    yield serving
    serving.kill()


@pytest.fixture(scope="module")
def sockets(redis, tmp_path_factory, kind):
    server, form = kind
    serving = serve(tmp_path_factory.mktemp("leaky"), redis, server, "ws", LOG_FORMAT=form, **PROJECT)
    yield serving
    serving.kill()


def requested(serving: Serving, method: str, path: str, body: str | bytes = "", **headers: str) -> int:
    connection = serving.connection()
    with contextlib.closing(connection):
        connection.request(method, path, body, {**HEADERS, **headers})
        return connection.getresponse().status


def raw(serving: Serving, text: str) -> None:
    """Send ``text``, which need not be HTTP, and wait for the end of what comes."""
    with socket.create_connection(("127.0.0.1", serving.port), PATIENCE) as link:
        link.sendall(text.encode("latin-1"))
        link.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while link.recv(65536):
                pass


def log_of(serving: Serving, last: str) -> str:
    """The log, when the request for ``last`` has its line."""
    return serving.says(f"{last} ")


def test_pages(pages):
    form = urllib.parse.urlencode({"password": MARKER, MARKER: "x"})
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    paths = [f"/sync/{how}/" for how in HOWS] + [
        f"/async/{how}/" for how in ("chain", "logged", "task", "callback")
    ]
    statuses = [
        requested(pages, method, f"{path}?token={MARKER}", form, **kind)
        for path in paths
        for method in ("GET", "POST")
    ]
    assert {200, 400, 403, 404, 500} <= set(statuses)
    others = [
        requested(pages, "POST", f"/guarded/?{MARKER}", form, **kind, Origin=f"https://{MARKER}.example"),
        requested(pages, "POST", f"/guarded/?{MARKER}", form, **kind),
        requested(pages, "GET", f"/guarded/?{MARKER}", Host=f"{MARKER}.example"),
        requested(
            pages,
            "POST",
            "/sync/chain/",
            MARKER,
            **{"Content-Type": f"multipart/form-data; boundary={MARKER}"},
        ),
        requested(pages, "POST", "/sync/chain/", MARKER, **{"Content-Type": f"text/plain; charset={MARKER}"}),
        requested(pages, "GET", f"/none/?{MARKER}"),
        requested(pages, "GET", f"/raw/?{MARKER}"),
    ]
    assert others[0] == 403
    assert others[2] == 400
    requested(pages, "GET", "/constant/")
    for text in (
        f"GET /?{MARKER} HTTP/9.9\r\nHost: localhost\r\n\r\n",
        f"GET /guarded/?{MARKER} HTTP/1.1\r\nHost: localhost\r\nBad Header {MARKER}\r\n\r\n",
        f"POST /guarded/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: {MARKER}\r\n\r\n",
        f"{MARKER} / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        f"POST /guarded/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{MARKER}\r\n",
    ):
        raw(pages, text)
    requested(pages, "GET", "/last/")
    log = log_of(pages, "/last/")
    assert MARKER.lower() not in log.lower()
    # What is in no one's secret is there: where it failed, how, and what the code itself says.
    for told in ("in fail", "KeyError: (its text is left out)", "RuntimeError: this text stands in the code"):
        assert told in log
    assert "Origin checking failed" in log
    assert "the thread" in log


def test_sockets(sockets):
    paths = [
        f"/{kind}/{when}/{how}/"
        for kind in ("sync", "async")
        for when in ("connect", "receive")
        for how in HOWS
    ]
    for path in paths:
        with (
            contextlib.suppress(Exception),
            sockets.socket(
                f"{path}?token={MARKER}", additional_headers=HEADERS, subprotocols=[MARKER]
            ) as client,
        ):
            client.send(MARKER)
            client.recv()
    others = [{"path": f"/none/?{MARKER}"}, {"path": "/sync/receive/chain/", "origin": f"https://{MARKER}:x"}]
    for other in others:
        sockets.refusal(other["path"], other.get("origin"), additional_headers=HEADERS)
    key = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nHost: localhost\r\n"
    for text in (
        f"GET /sync/receive/none/?{MARKER} HTTP/1.1\r\n{key}Sec-WebSocket-Key: {MARKER}\r\n\r\n",
        f"GET /sync/receive/none/ HTTP/1.1\r\n{key}Sec-WebSocket-Key: x\r\nSec-WebSocket-Extensions: {MARKER};;\r\n\r\n",
        f"GET /sync/receive/none/ HTTP/1.1\r\n{key}Sec-WebSocket-Version: {MARKER}\r\n\r\n",
    ):
        raw(sockets, text)
    sockets.refusal("/last/")
    log = log_of(sockets, "/last/")
    assert MARKER.lower() not in log.lower()
    assert "KeyError: (its text is left out)" in log


def test_a_line_of_json_has_only_its_fields(redis, tmp_path):
    serving = serve(tmp_path, redis, "uvicorn", "http", **PROJECT)
    try:
        requested(serving, "GET", f"/sync/missing/?{MARKER}")
        log = log_of(serving, "/sync/missing/")
    finally:
        serving.kill()
    lines = [json.loads(line) for line in log.splitlines()]
    (line,) = [line for line in lines if line["logger"] == "django.request"]
    assert set(line) == {"timestamp", "level", "logger", "message", "service", "status_code", "request_id"}
