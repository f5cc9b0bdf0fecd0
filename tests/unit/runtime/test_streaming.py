"""Streams of synchronous code, which come from WSGI: as they are made, in flat memory, on every server."""

from __future__ import annotations

import contextlib
import http.client
import pathlib
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from processes import until
from serving import SERVERS, Serving, serve

LARGE = 600  # MiB
FLAT = 40 << 10  # KiB that a process may grow by, whatever it sends


@pytest.fixture(scope="module", params=SERVERS)
def serving(request, redis, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    serving = serve(folder, redis, request.param, "http", HTTP_PROCESSES="1")
    assert serving.get("/memory/").status == 200
    yield serving
    serving.kill()


def peak(serving: Serving) -> int:
    """The most memory that the process has had so far, in KiB."""
    return int(serving.get("/memory/").body)


def read_all(serving: Serving, path: str) -> int:
    """Bytes of the answer."""
    with contextlib.closing(serving.connection()) as connection:
        connection.request("GET", path)
        response, size = connection.getresponse(), 0
        while block := response.read(1 << 20):
            size += len(block)
        return size


def test_rows_arrive_one_by_one(serving):
    with contextlib.closing(serving.connection()) as connection:
        connection.request("GET", "/rows/")
        response = connection.getresponse()
        for number in range(3):
            assert response.readline() == f"row {number}\n".encode()
            pathlib.Path(f"{serving.journal_file}.{number}").touch()
        assert response.read() == b""
    # On the thread of its view: that is where its database connection is.
    until(lambda: "rows over on True" in serving.journal(), what="the generator is closed on its thread")


def test_large_files_at_once_with_flat_memory(serving):
    before = peak(serving)
    with ThreadPoolExecutor(2) as clients:
        sizes = list(clients.map(lambda _: read_all(serving, f"/download/{LARGE}/"), range(2)))
    assert sizes == [LARGE << 20] * 2
    assert peak(serving) - before < FLAT


def test_a_client_that_leaves_ends_the_generator(serving):
    with contextlib.closing(serving.connection()) as connection:
        connection.request("GET", "/endless/")
        connection.getresponse().read(4096)
        assert "endless over" not in serving.journal()
    until(lambda: "endless over" in serving.journal(), what="the generator is closed")
    assert "Traceback" not in serving.whole_log()


def test_a_slow_reader_holds_nothing_up_and_costs_no_memory(serving):
    before = peak(serving)
    with socket.create_connection(("127.0.0.1", serving.port)) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(f"GET /download/{LARGE}/ HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert slow.recv(64).startswith(b"HTTP/1.1 200")
        assert [serving.get("/who/").status for _ in range(20)] == [200] * 20
        assert peak(serving) - before < FLAT


def test_a_generator_that_fails_cuts_the_answer(serving):
    with contextlib.closing(serving.connection()) as connection:
        connection.request("GET", "/broken-rows/")
        response = connection.getresponse()
        assert response.readline() == b"row 0\n"
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            response.read()
    serving.says("broken rows")


@pytest.mark.parametrize("name", ["Größe.css", "Größe.0123456789ab.css", "日本.css", "a b.css", "100%.css"])
def test_static_files_of_any_name(serving, name):
    folder = pathlib.Path(serving.environment["STATIC_ROOT"])
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("body {}")
    path = f"/static/{name}".replace("%", "%25").replace(" ", "%20").encode()
    quoted = "".join(chr(byte) if byte < 128 else f"%{byte:02X}" for byte in path)
    assert serving.get(quoted).body == b"body {}"
    part = serving.get(quoted, {"Range": "bytes=0-3"})
    assert (part.status, part.body) == (206, b"body")
