"""Serving processes for the tests: the project `conformance` on a real server, and clients for it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import sys
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from processes import PATIENCE, Process, Redis, counts, environment_of, free_port, until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

SERVERS = ("uvicorn", "gunicorn", "daphne")
ORIGIN = "https://localhost"


class Serving:
    """One serving process on its own port; what is not of the stack is asked of ``pages``, where it has such a companion."""

    pages: Serving | None = None

    def __init__(self, folder: pathlib.Path, redis: Redis, *command: str, **environment: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.journal_file = folder / "journal"
        self.journal_file.touch()
        self.environment = {
            **environment_of("conformance", folder, redis),
            "TEST_JOURNAL": str(self.journal_file),
            "DRAIN_NOTICE_SECONDS": "0.5",
            "DRAIN_SECONDS": "0.5",
            "STOP_SECONDS": "8",
            **environment,
        }
        words = [word.format(port=self.port) for word in command]
        self.process = Process([sys.executable, *words], self.environment, folder)

    def wait_until_it_serves(self) -> Serving:
        until(lambda: self._accepts() or self.process.exit_code() is not None, what="the server listens")
        assert self.process.exit_code() is None, self.process.output()
        return self

    def _accepts(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def journal(self) -> list[str]:
        return self.journal_file.read_text().splitlines()

    def log(self) -> str:
        """The log so far. A process that runs may still have lines to write: see ``says`` and ``whole_log``."""
        return self.process.output()

    def says(self, *words: str, seconds: float = PATIENCE) -> str:
        """The log, as soon as each of ``words`` is in it."""
        return self.process.says(*words, seconds=seconds)

    def whole_log(self) -> str:
        """The log with everything that has happened so far, to assert that something is not in it.

        A request of its own is the marker: lines are written in their order, so what came before it is there.
        """
        if self.process.exit_code() is not None:
            return self.log()
        path = f"/marker-{uuid.uuid4().hex}/"
        with contextlib.closing(self.connection()) as connection:
            connection.request("GET", path)
            connection.getresponse().read()
        return self.says(f"{path} ")

    def counts(self, *samples: str) -> str:
        """The metrics, as soon as they have ``samples``."""
        return counts(self.port, *samples)

    def kill(self) -> None:
        """End it at once, with the worker processes that a gunicorn has."""
        pid = self.process.popen.pid
        with contextlib.suppress(OSError):
            for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                os.kill(int(child), signal.SIGKILL)
        self.process.kill()

    def terminate(self) -> None:
        self.process.popen.send_signal(signal.SIGTERM)

    def connection(self, source: str = "127.0.0.1", timeout: float = PATIENCE) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout, source_address=(source, 0))

    def get(self, path: str, headers: Mapping[str, str] | None = None, source: str = "127.0.0.1") -> Answer:
        if self.pages is not None and not path.startswith("/-/"):
            return self.pages.get(path, headers, source)
        connection = self.connection(source)
        with contextlib.closing(connection):
            connection.request("GET", path, headers=dict(headers or {}))
            return Answer(connection.getresponse())

    def ready(self) -> int:
        return self.get("/-/ready").status

    def wait_until_ready(self) -> None:
        until(lambda: self.ready() == 200, what="the process is ready")

    @contextlib.contextmanager
    def socket(
        self, path: str = "/echo/", origin: str | None = ORIGIN, source: str = "127.0.0.1", **options: Any
    ) -> Iterator[ClientConnection]:
        """An open websocket; raises InvalidStatus when it is refused."""
        options.setdefault("open_timeout", PATIENCE)
        link = socket.create_connection(("127.0.0.1", self.port), PATIENCE, source_address=(source, 0))
        options |= {"sock": link, "origin": origin, "create_connection": Client}
        with connect(f"ws://127.0.0.1:{self.port}{path}", **options) as client:
            yield client

    def refusal(
        self, path: str, origin: str | None = ORIGIN, **options: Any
    ) -> http.client.HTTPResponse | Any:
        """The response that refuses the websocket at ``path``."""
        try:
            with self.socket(path, origin, **options):
                raise AssertionError(f"{path} was accepted")
        except InvalidStatus as refused:
            return refused.response


class Client(ClientConnection):
    """A websocket whose answers are waited for, and not for ever."""

    def recv(self, timeout: float | None = PATIENCE, decode: bool | None = None) -> Any:
        return super().recv(timeout, decode)


class Answer:
    """An HTTP response, read to its end."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self) -> Any:
        return json.loads(self.body)


def close_code(client: ClientConnection, seconds: float = PATIENCE) -> int:
    """The close code that the client sees: 1006 for a connection that is cut."""
    try:
        while True:
            client.recv(timeout=seconds)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 1006


def serve(
    folder: pathlib.Path, redis: Redis, server: str, service: str = "ws", **environment: str
) -> Serving:
    """`channels-stack serve SERVICE` on ``server``, once it listens."""
    command = ["-m", "channels_stack", "serve", service, "--port", "{port}"]
    names = {"SERVER_WS": server, "SERVER_HTTP": server}
    return Serving(folder, redis, *command, **{**names, **environment}).wait_until_it_serves()
