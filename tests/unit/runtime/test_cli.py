"""The command `channels-stack`: what it refuses, in which words and with which exit code."""

from __future__ import annotations

import http.server
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading

import pytest
from processes import HERE, PATIENCE, PROBE, RUNTIME, Redis, probe, until
from serving import SERVERS, Serving, free_port, serve

from channels_stack.config.settings import SERVICE_PORT, WORKER_HEARTBEAT
from channels_stack.jobs.heartbeats import Heartbeat


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`channels-stack` with ``arguments`` and these variables only."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{RUNTIME}:{HERE}", **environment}
    command = [sys.executable, "-B", "-m", "channels_stack", *arguments]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def serve_in_vain(
    folder: pathlib.Path, redis: Redis, *options: str, **environment: str
) -> tuple[int, Serving]:
    """`channels-stack serve ws` that shall end by itself; its exit code."""
    port = () if "--port" in options else ("--port", "{port}")
    serving = Serving(folder, redis, "-m", "channels_stack", "serve", "ws", *options, *port, **environment)
    try:
        return serving.process.wait(), serving
    finally:
        serving.kill()


def own_lines(serving: Serving) -> list[str]:
    """What the command itself has said."""
    return [line for line in serving.log().splitlines() if line.startswith("channels-stack: ")]


def test_a_configuration_is_refused_as_a_whole():
    done = run("serve", "ws", REDIS_URI="redis://", LOG_FORMAT="xml")
    assert done.returncode == 78
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[0].startswith("channels-stack: warning: REDIS_URI is not a setting")
    assert [line.split()[1] for line in lines[1:]] == [
        "SECRET_KEY",
        "DATABASE_URL",
        "REDIS_URL",
        "LOG_FORMAT",
    ]


@pytest.mark.parametrize(
    ("server", "name", "value", "wrong"),
    [
        ("uvicorn", "APP_SETTINGS", "nowhere.settings", "the Python path holds no module 'nowhere'"),
        ("uvicorn", "APP_ASGI", "conformance.nowhere:application", "holds no module 'conformance.nowhere'"),
        ("uvicorn", "APP_ASGI", "conformance.asgi:app", "the module conformance.asgi has no attribute 'app'"),
        ("gunicorn", "APP_ASGI", "conformance.asgi:not_callable", "cannot be called"),
        ("daphne", "APP_ASGI", "conformance.asgi:not_callable", "cannot be called"),
    ],
)
def test_an_application_that_is_not_there(redis, tmp_path, server, name, value, wrong):
    code, serving = serve_in_vain(tmp_path, redis, SERVER_WS=server, **{name: value})
    (line,) = own_lines(serving)
    assert (code, line.split()[1]) == (78, name)
    assert wrong in line
    assert "Traceback" not in serving.log()


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("DEBUG = (", "broken.py:1: SyntaxError: '(' was never closed"),
        (
            "import os\nKEY = os.environ['MAIL_KEY']",
            "broken.py:2: KeyError: 'MAIL_KEY'; variables that the project",
        ),
        (
            "import os\nos.mkdir('/src/media')",
            "file system: '/src/media'; no process may change the source: name",
        ),
        (
            "import decouple",
            "broken.py:1: ModuleNotFoundError: No module named 'decouple'; is its package in APP_REQ",
        ),
        (
            "INSTALLED_APPS = ['blog']",
            "ModuleNotFoundError: No module named 'blog'; is its package in APP_REQ",
        ),
        (
            "INSTALLED_APPS = ['sites.Blog']\nimport sys\nsys.modules['sites'] = sys",
            "ImportError: Module 'sites' does",
        ),
    ],
)
def test_settings_that_cannot_be_imported(redis, tmp_path, source, wrong):
    (tmp_path / "broken.py").write_text(source)
    path = f"{RUNTIME}:{tmp_path}"
    code, serving = serve_in_vain(
        tmp_path, redis, APP_SETTINGS="broken", PYTHONPATH=path, APP_OVERLAY="-static"
    )
    (line,) = own_lines(serving)
    assert (code, line.split()[1]) == (78, "APP_SETTINGS")
    assert wrong in line
    assert "Traceback" not in serving.log()


@pytest.mark.parametrize("server", SERVERS)
def test_an_application_that_fails_keeps_its_traceback(redis, tmp_path, server):
    code, serving = serve_in_vain(
        tmp_path, redis, SERVER_WS=server, APP_ASGI="conformance.failing:application"
    )
    assert (code, own_lines(serving)) == (1, [])
    assert "RuntimeError: this module cannot be imported" in serving.log()


@pytest.mark.parametrize("server", ["uvicorn", "daphne"])
def test_a_port_in_use(redis, tmp_path, server):
    with socket.create_server(("0.0.0.0", free_port())) as taken:
        port = str(taken.getsockname()[1])
        code, serving = serve_in_vain(tmp_path, redis, "--port", port, SERVER_WS=server)
        assert code == 1
    assert "in use" in serving.log()
    assert "Traceback" not in serving.log()


def test_several_processes_for_pages(redis, tmp_path):
    serving = serve(tmp_path, redis, "gunicorn", "http", HTTP_PROCESSES="2")
    try:
        for _ in range(20):
            assert serving.get("/who/").status == 200
        # Both processes together have made them, whichever of them is asked.
        until(
            lambda: {_pages_made(serving) for _ in range(10)} == {20}, what="every process knows of all pages"
        )
        serving.terminate()
        assert serving.process.wait() == 0
    finally:
        serving.kill()


def _pages_made(serving: Serving) -> float:
    body = serving.get("/-/metrics").body.decode()
    return float(re.search(r"^channels_stack_http_requests_total{.*} (.*)$", body, re.MULTILINE).group(1))


class TestProbe:
    """The health check of a container, against servers that answer as ours do."""

    @pytest.fixture
    def answering(self):
        """Starts a server that answers every request with ``status`` and ``body``; its port."""
        servers = []

        def start(status: int, body: str) -> int:
            class Handler(http.server.BaseHTTPRequestHandler):
                def do_GET(self) -> None:
                    self.send_response(status if self.path == "/-/ready" else 500)
                    self.end_headers()
                    self.wfile.write(body.encode())

                def log_message(self, *_: object) -> None:
                    pass

            servers.append(http.server.HTTPServer(("127.0.0.1", free_port()), Handler))
            threading.Thread(target=servers[-1].serve_forever, args=[0.05]).start()
            return servers[-1].server_port

        yield start
        for server in servers:
            server.shutdown()
            server.server_close()

    @pytest.mark.parametrize(
        ("status", "body", "code"),
        [
            (200, "{}", 0),
            (404, '{"reasons": {"process": "draining"}}', 0),
            (404, "", 1),
            (503, '{"ready": false, "was_ready": false}', 1),
            (503, '{"ready": false, "was_ready": true}', 0),
        ],
    )
    def test_a_server(self, answering, status, body, code):
        done = probe("http", answering(status, body))
        assert done.returncode == code, done.stderr
        assert done.stderr == (f"http: /-/ready answers {status}: {body}\n" if code else "")

    def test_no_one_listens(self):
        port = free_port()
        done = probe("ws", port)
        assert (done.returncode, done.stderr) == (1, f"ws: no answer on port {port}: nothing listens there\n")

    def test_a_server_that_hangs(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            done = probe("ws", port)
        assert (done.returncode, done.stderr) == (1, f"ws: no answer on port {port}: none within 4 s\n")

    def test_a_server_that_closes_without_an_answer(self):
        with socket.create_server(("127.0.0.1", 0)) as rude:
            threading.Thread(target=lambda: rude.accept()[0].close()).start()
            assert probe("http", rude.getsockname()[1]).returncode == 1

    def test_a_worker(self, tmp_path):
        heartbeat = tmp_path / "heartbeat"
        done = probe("worker", heartbeat)
        assert (done.returncode, done.stderr) == (1, f"worker: no heartbeat: {heartbeat}\n")
        Heartbeat(str(heartbeat)).beat()
        assert probe("worker", heartbeat).returncode == 0
        old = heartbeat.stat().st_mtime - 60
        os.utime(heartbeat, (old, old))
        done = probe("worker", heartbeat)
        assert done.returncode == 1
        assert re.fullmatch(r"worker: the last heartbeat is \d+ s old\n", done.stderr)

    def test_it_looks_where_the_library_is(self):
        text = PROBE.read_text()
        assert f"SERVICE_PORT={SERVICE_PORT} " in text
        assert f"WORKER_HEARTBEAT={WORKER_HEARTBEAT}\n" in text

    @pytest.mark.parametrize("arguments", [(), ("pages",)])
    def test_it_is_called_wrongly(self, arguments):
        assert probe(*arguments).returncode == 2
