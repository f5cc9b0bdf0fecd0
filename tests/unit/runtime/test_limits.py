"""What one client may take of a process, on every server, with real sockets; stock beside ours where it matters."""

from __future__ import annotations

import contextlib
import socket

import pytest
from processes import PATIENCE, until
from serving import SERVERS, Serving, close_code, serve
from websockets.exceptions import ConnectionClosed

from channels_stack.middleware.limits import TokenBucket, network

PER_SECOND, OF_ADDRESS = 10, 3
BURST = 10 * PER_SECOND
PING_SECONDS = 1
LARGEST = 1 << 20
STOCK = {
    "uvicorn": ("-m", "uvicorn", "--port", "{port}", "--ws-ping-interval", "1", "--ws-ping-timeout", "1"),
    "daphne": ("-m", "daphne", "-p", "{port}", "--ping-interval", "1", "--ping-timeout", "1"),
}


@pytest.fixture(scope="module", params=SERVERS)
def running(request, redis, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    limits = {
        "WS_MESSAGES_PER_SECOND": str(PER_SECOND),
        "WS_MAX_SOCKETS_PER_ADDRESS": str(OF_ADDRESS),
        "WS_PING_SECONDS": str(PING_SECONDS),
        "WS_MAX_MESSAGE_BYTES": str(LARGEST),
    }
    serving = serve(folder, redis, request.param, **limits)
    yield serving
    serving.kill()


@pytest.fixture
def stock(tmp_path, redis):
    """Starts a stock server."""
    started = []

    def start(server: str) -> Serving:
        command = (*STOCK[server], "conformance.asgi:application")
        started.append(Serving(tmp_path, redis, *command).wait_until_it_serves())
        return started[-1]

    yield start
    for serving in started:
        serving.kill()


class TestRate:
    def test_messages_too_fast_are_closed_with_1008_and_its_reason(self, running):
        with running.socket() as client:
            client.recv()
            for number in range(BURST):
                client.send(str(number))
            assert [client.recv() for _ in range(BURST)][-1] == str(BURST - 1), "a burst passes"
            with contextlib.suppress(ConnectionClosed):
                for _ in range(3 * PER_SECOND):
                    client.send("more")
            assert _end(client) == (1008, "too many messages")
        until(lambda: "disconnect 1008" in running.journal(), what="disconnect() has run")

    def test_pings_too_fast(self, running):
        with running.socket() as client:
            with contextlib.suppress(ConnectionClosed):
                for _ in range(3 * BURST):
                    client.ping()
            assert _end(client) == (1008, "too many frames")

    def test_too_many_fragments(self, running):
        with running.socket() as client:
            with contextlib.suppress(ConnectionClosed):
                client.send("x" for _ in range(3 * BURST))
            assert _end(client) == (1008, "too many frames")

    def test_fragments_below_the_limit(self, running):
        with running.socket() as client:
            client.recv()
            client.send("x" for _ in range(BURST // 2))
            assert client.recv() == "x" * (BURST // 2)


class TestSockets:
    def test_too_many_of_one_address(self, running):
        with contextlib.ExitStack() as stack:
            for _ in range(OF_ADDRESS):
                stack.enter_context(running.socket(source="127.0.0.3"))
            refused = running.refusal("/echo/", source="127.0.0.3")
            assert (refused.status_code, refused.headers["Retry-After"]) == (429, "5")
            stack.enter_context(running.socket(source="127.0.0.4"))
        until(lambda: _accepts(running, "127.0.0.3"), what="there is room again")


class TestSize:
    def test_a_message_sent_whole_that_is_too_large_is_always_answered_1009(self, running):
        """The close frame must not be lost on what is still under way."""
        for _ in range(5):
            with running.socket() as client:
                with contextlib.suppress(ConnectionClosed):
                    client.send(bytes(3 * LARGEST))
                assert close_code(client) == 1009


class TestReader:
    def test_a_client_that_does_not_read_is_cut_and_its_buffer_is_small(self, running):
        before, overs = _memory(running), running.journal().count("flood over")
        with _reads_nothing(running, blocks=4096):
            until(lambda: running.journal().count("flood over") > overs, what="the application is told")
            assert _memory(running) - before < 32
        with running.socket() as client:
            client.recv()
            client.send("still here?")
            assert client.recv() == "still here?"

    def test_stock_uvicorn_keeps_it(self, stock):
        serving = stock("uvicorn")
        with _reads_nothing(serving, blocks=4096):
            until(lambda: "flood begins" in serving.journal(), what="the flood")
            with pytest.raises(AssertionError, match="not within"):
                until(lambda: "flood over" in serving.journal(), 8)

    def test_stock_daphne_buffers_everything(self, stock):
        serving = stock("daphne")
        before = _memory(serving)
        with _reads_nothing(serving, blocks=2048):  # 128 MiB
            until(lambda: "flood sent" in serving.journal(), what="the application has sent all of it")
            assert _memory(serving) - before > 64


class TestWriter:
    """A client that sends more than the application takes."""

    def test_it_has_to_wait(self, running, tmp_path):
        before = _memory(running)
        with _raw(running, "/busy/") as link:
            link.sendall(_frame(0x81, str(tmp_path / "released").encode()))
            link.settimeout(1)
            with pytest.raises(
                (TimeoutError, ConnectionError)
            ):  # it takes no more, or has given up who answers no ping
                _send_blocks(link, 64)
            assert _memory(running) - before < 48
            (tmp_path / "released").touch()

    def test_stock_daphne_takes_everything(self, stock, tmp_path):
        serving = stock("daphne")
        with _raw(serving, "/busy/") as link:
            link.sendall(_frame(0x81, str(tmp_path / "released").encode()))
            link.settimeout(PATIENCE)
            _send_blocks(link, 64)
            (tmp_path / "released").touch()
            until(lambda: serving.journal().count(f"busy {LARGEST}") == 64, what="all waited in its memory")


def test_the_bucket():
    now = 0.0
    bucket = TokenBucket(2, lambda: now)
    assert [bucket.take() for _ in range(21)] == [True] * 20 + [False]
    now = 0.5
    assert [bucket.take(), bucket.take()] == [True, False]
    now = 1000.0
    assert [bucket.take() for _ in range(21)].count(True) == 20


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
    ],
)
def test_whom_an_address_stands_for(one, other, same):
    networks = {network({"client": (host, 1)}) for host in (one, other)}
    assert (len(networks) == 1) is same


def _end(client) -> tuple[int, str]:
    code = close_code(client)
    return code, client.close_reason


def _accepts(serving: Serving, source: str) -> bool:
    try:
        with serving.socket(source=source):
            return True
    except Exception:
        return False


@contextlib.contextmanager
def _reads_nothing(serving: Serving, blocks: int):
    """A client that asks for a flood, and does not read one byte of it."""
    with _raw(serving, "/flood/") as link:
        link.sendall(_frame(0x81, str(blocks).encode()))
        yield


@contextlib.contextmanager
def _raw(serving: Serving, path: str):
    """The connection of a websocket, without a client that reads and answers by itself."""
    with socket.create_connection(("127.0.0.1", serving.port), PATIENCE) as link:
        head = (
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            "Origin: https://localhost\r\n\r\n"
        )
        link.sendall(head.encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += link.recv(1)
        assert answer.startswith(b"HTTP/1.1 101 ")
        yield link


def _frame(first: int, payload: bytes) -> bytes:
    """A frame as it stands on the wire, with a mask of zeros."""
    if len(payload) < 126:
        return bytes([first, 0x80 | len(payload)]) + bytes(4) + payload
    return bytes([first, 0xFF]) + len(payload).to_bytes(8, "big") + bytes(4) + payload


def _send_blocks(link: socket.socket, count: int) -> None:
    block = _frame(0x82, bytes(LARGEST))
    for _ in range(count):
        link.sendall(block)


def _memory(serving: Serving) -> float:
    """Resident MiB of the process that serves, under gunicorn the worker."""
    pids = [serving.process.popen.pid, *serving.process.children()]
    sizes = []
    for pid in pids:
        with open(f"/proc/{pid}/statm") as file:
            sizes.append(int(file.read().split()[1]) * 4096 / (1 << 20))
    return max(sizes)
