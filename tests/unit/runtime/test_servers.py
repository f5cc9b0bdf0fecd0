"""Every server does the same with the same project, each as a process of its own against a real Redis."""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import socket
import time
from collections.abc import Mapping

import pytest
from processes import PATIENCE, until
from serving import SERVERS, Serving, close_code, serve
from websockets.sync.client import ClientConnection

TRUSTED, STRANGER = "127.0.0.2", "127.0.0.1"  # both are this machine; only the first is in TRUSTED_PROXIES
MAX_SOCKETS, THREADS = 6, 2
FORWARDED = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}


@pytest.fixture(scope="module", params=SERVERS)
def server(request):
    return request.param


@pytest.fixture(scope="module")
def pages(server, redis, tmp_path_factory):
    """A process for pages that all tests of a server share."""
    folder = tmp_path_factory.mktemp(f"{server}-pages")
    (folder / "static").mkdir()
    (folder / "static/site.0123456789ab.css").write_text("body {}")
    (folder / "secret").write_text("secret")
    serving = serve(folder, redis, server, "http", TRUSTED_PROXIES=f"{TRUSTED}/32", HTTP_PROCESSES="1")
    yield serving
    serving.kill()


@pytest.fixture(scope="module")
def running(server, redis, tmp_path_factory):
    """A process for websockets that all tests of a server share."""
    folder = tmp_path_factory.mktemp(server)
    limits = {"WS_MAX_MESSAGE_BYTES": "4096", "WS_MAX_SOCKETS": str(MAX_SOCKETS), "WS_THREADS": str(THREADS)}
    serving = serve(folder, redis, server, TRUSTED_PROXIES=f"{TRUSTED}/32", **limits)
    yield serving
    serving.kill()


@pytest.fixture
def new(server, redis, tmp_path):
    """Starts processes that a test may stop."""
    started = []

    def start(service: str = "ws", **environment: str) -> Serving:
        started.append(serve(tmp_path, redis, server, service, **environment))
        return started[-1]

    yield start
    for serving in started:
        serving.kill()


@pytest.fixture
def quiet(running, pages):
    """The test must leave neither a traceback nor an error in the log."""
    before = [len(serving.log()) for serving in (running, pages)]
    yield
    for serving, length in zip((running, pages), before, strict=True):
        said = serving.whole_log()[length:]
        assert "Traceback" not in said, said
        assert '"level": "error"' not in said, said
        assert '"level": "critical"' not in said, said


@pytest.mark.usefixtures("quiet")
class TestPages:
    def test_a_page(self, pages):
        answer = pages.get("/who/")
        assert (answer.status, answer.json()["client"]) == (200, STRANGER)
        assert "Server" not in answer.headers

    def test_a_trusted_peer_says_who_asks(self, pages):
        who = pages.get("/who/", FORWARDED, source=TRUSTED).json()
        assert (who["client"], who["secure"]) == ("203.0.113.7", True)

    def test_a_stranger_is_not_believed(self, pages):
        who = pages.get("/who/", FORWARDED, source=STRANGER).json()
        assert (who["client"], who["secure"], who["forwarded_for"]) == (STRANGER, False, None)

    def test_no_header_moves_the_root_of_the_application(self, pages):
        who = pages.get("/who/", {"Daphne-Root-Path": "/elsewhere"}, source=TRUSTED).json()
        assert who["script_name"] == ""

    def test_static_files_with_a_hash_are_immutable(self, pages):
        answer = pages.get("/static/site.0123456789ab.css")
        assert (answer.status, answer.body) == (200, b"body {}")
        assert "immutable" in answer.headers["Cache-Control"]

    def test_a_static_file_that_a_newer_release_has_collected(self, pages):
        assert pages.get("/static/new.css").status == 404
        (pages.folder / "static/new.css").write_text("p {}")
        assert pages.get("/static/new.css").body == b"p {}"

    @pytest.mark.parametrize(
        "path", ["/static/../secret", "/static/%2e%2e/secret", "/static//etc/passwd", "/static/%00"]
    )
    def test_no_file_outside_the_static_root(self, pages, path):
        answer = pages.get(path)
        assert answer.status in (400, 404)
        assert b"secret" not in answer.body


@pytest.mark.usefixtures("quiet")
class TestProbes:
    def test_live_ready_metrics(self, running):
        assert running.get("/-/live").status == 200
        running.wait_until_ready()
        ready = running.get("/-/ready")
        assert ready.json() == {"ready": True, "reasons": {}, "warnings": {}, "was_ready": True}
        assert b"channels_stack_sockets" in running.get("/-/metrics").body

    def test_nothing_else_of_the_stack_is_reached(self, running):
        assert running.get("/-/elsewhere").status == 404
        assert running.refusal("/-/ready").status_code == 404


@pytest.mark.usefixtures("quiet")
class TestSockets:
    def test_echo(self, running):
        with running.socket() as client:
            assert client.recv() == "ws 127.0.0.1 []"
            for message in ("text", "", "ünïcödé", b"\x00\xff", b""):
                client.send(message)
                assert client.recv() == message

    def test_no_compression(self, running):
        with running.socket(compression="deflate") as client:
            assert "Sec-WebSocket-Extensions" not in client.response.headers
            assert "Server" not in client.response.headers

    def test_a_trusted_peer_says_who_asks(self, running):
        with running.socket(source=TRUSTED, additional_headers=FORWARDED) as client:
            assert client.recv() == "wss 203.0.113.7 []"

    def test_a_stranger_is_not_believed(self, running):
        headers = {**FORWARDED, "Daphne-Root-Path": "/elsewhere"}
        with running.socket(source=STRANGER, additional_headers=headers) as client:
            assert client.recv() == "ws 127.0.0.1 []"

    def test_unknown_path(self, running):
        assert running.refusal("/nowhere/").status_code == 404

    @pytest.mark.parametrize(
        "origin",
        [
            "https://localhost:99999",
            "https://localhost:x",
            "http://[::1",
            "https://evil.example",
            "null",
            None,
        ],
    )
    def test_malformed_and_foreign_origins(self, running, origin):
        assert running.refusal("/echo/", origin).status_code == 403

    def test_a_message_too_large(self, running):
        with running.socket() as client:
            client.send("x" * 5000)
            assert close_code(client) == 1009
        until(lambda: "disconnect 1009" in running.journal(), what="disconnect() has run")

    def test_a_message_too_large_in_fragments(self, running):
        with running.socket() as client:
            with contextlib.suppress(Exception):
                client.send(["x" * 1000] * 6)
            assert close_code(client) == 1009

    def test_one_socket_too_many(self, running):
        with contextlib.ExitStack() as open_sockets:
            for _ in range(MAX_SOCKETS):
                open_sockets.enter_context(running.socket())
            refused = running.refusal("/echo/")
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
            running.wait_until_ready()
        until(lambda: _accepts_socket(running), what="there is room again")

    @pytest.mark.parametrize(
        ("frame", "code"),
        [
            (b"\x81\x82\x00\x00\x00\x00\xff\xff", 1007),  # a text that is not UTF-8
            (b"\x83\x80\x00\x00\x00\x00", 1002),  # opcode 3
            (b"\x80\x80\x00\x00\x00\x00", 1002),  # a continuation of nothing
            (b"\x81\x01x", 1002),  # not masked
            (b"\xc1\x80\x00\x00\x00\x00", 1002),  # a reserved bit
            (b"\x89\xfe\x00\x7e" + bytes(4 + 126), 1002),  # a ping of more than 125 bytes
            (b"\x09\x80\x00\x00\x00\x00", 1002),  # a ping in fragments
            (b"\x88\x82\x00\x00\x00\x00\x03\xe7", 1002),  # close code 999
            (b"\x88\x81\x00\x00\x00\x00\x03", 1002),  # half a close code
            (b"\x88\x84\x00\x00\x00\x00\x03\xe8\xff\xff", 1007),  # a close reason that is not UTF-8
            (b"\x82\xff" + (1 << 62).to_bytes(8, "big") + bytes(4), 1009),  # four exabytes
        ],
    )
    def test_frames_that_break_the_protocol(self, running, frame, code):
        with running.socket() as client:
            client.recv()
            client.socket.sendall(frame)
            assert close_code(client) == code

    @pytest.mark.parametrize(
        ("change", "statuses"),
        [
            ({"Sec-WebSocket-Version": "8"}, (400, 426)),
            ({"Sec-WebSocket-Key": "short"}, (400,)),
            ({"Sec-WebSocket-Key": None}, (400,)),
            ({"Sec-WebSocket-Protocol": "\u00e9"}, (400, 101)),
        ],
    )
    def test_handshakes_that_break_the_protocol(self, running, change, statuses):
        assert _handshake(running, "/echo/", change) in statuses

    def test_a_path_that_is_not_ascii(self, running):
        assert _handshake(running, "/\u00e9/", {}) in (400, 404)

    def test_an_application_that_closes_again_for_each_frame(self, running):
        with _begin_handshake(running, "/strict/") as link:
            assert link.recv(4096).startswith(b"HTTP/1.1 101 ")
            link.sendall(_text_frame(b"x") * 3)
            # The client does not answer the close frame, so the other frames meet a socket that is being closed.
            until(lambda: running.journal().count("strict closes") == 3, what="each frame is answered")
            assert link.recv(4096) == b"\x88\x0b" + (1008).to_bytes(2, "big") + b"no frames"
        running.says("WEBSOCKET /strict/")  # the application has ended

    def test_a_client_that_leaves_while_the_application_talks(self, running):
        with running.socket("/chatty/") as client:
            client.send("x")
            client.recv()
            client.socket.shutdown(socket.SHUT_RDWR)
        until(lambda: "chatty disconnect" in running.journal(), what="disconnect() has run")

    def test_a_client_that_leaves_before_it_is_accepted(self, running):
        with _begin_handshake(running, "/undecided/"):
            until(lambda: "asked" in running.journal(), what="the application is asked")
        running.says("WEBSOCKET /undecided/")  # the application has ended


@pytest.mark.usefixtures("quiet")
class TestThreads:
    """Of sync code: test_stock.py has the same without us."""

    def test_a_consumer_that_waits_holds_up_no_other(self, running, tmp_path):
        with running.socket("/sync/") as waiting, running.socket("/echo/") as other:
            waiting.send(str(tmp_path / "released"))
            until(lambda: "sync waits" in running.journal(), what="a thread is blocked")
            other.recv()
            other.send("still here?")
            assert other.recv() == "still here?"
            (tmp_path / "released").touch()
            assert waiting.recv() == "found"

    def test_threads_are_few_and_each_socket_keeps_its_own(self, running):
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(running.socket("/sync/")) for _ in range(MAX_SOCKETS)]
            threads = [{_thread(client) for _ in range(3)} for client in clients]
        assert [len(each) for each in threads] == [1] * MAX_SOCKETS
        used = [each.pop() for each in threads]
        assert sorted(used.count(thread) for thread in set(used)) == [MAX_SOCKETS / THREADS] * THREADS


class TestFailingApplication:
    def test_an_exception_in_a_page(self, pages):
        assert pages.get("/broken/").status == 500

    def test_an_exception_in_a_stream_that_has_begun(self, pages):
        with pytest.raises(http.client.IncompleteRead):
            pages.get("/abandoned-stream/")

    def test_an_exception_before_accept(self, running):
        assert running.refusal("/broken-connect/").status_code == 500

    def test_an_exception_after_accept(self, running):
        with running.socket("/broken/") as client:
            client.send("x")
            assert close_code(client) == 1011
        running.says("RuntimeError: broken consumer")


class TestStop:
    def test_sockets_end_well(self, new):
        serving = new(DRAIN_NOTICE_SECONDS="1.5")
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(serving.socket()) for _ in range(5)]
            late_speaker = stack.enter_context(serving.socket("/silent/"))
            idle = serving.connection()
            idle.connect()
            serving.terminate()
            until(lambda: serving.ready() == 404, what="the probe says that the process drains")
            # The edge has not noticed yet. What it still sends is served.
            assert _accepts_socket(serving)
            assert [close_code(client) for client in [*clients, late_speaker]] == [1012] * 6
        assert serving.process.wait() == 0
        assert serving.journal().count("disconnect 1012") == len(clients)
        assert "silent 1012" in serving.journal()
        assert "Traceback" not in serving.log()

    def test_pages_end_well(self, new):
        serving = new("http", DRAIN_NOTICE_SECONDS="1.5", HTTP_PROCESSES="1")  # shorter than the pages take
        with concurrent.futures.ThreadPoolExecutor() as pool:
            pages = [pool.submit(serving.get, path) for path in ("/slow-sync/25/", "/slow-async/25/")]
            until(lambda: _requests_in_flight(serving) == len(pages), what="the slow pages are being made")
            serving.terminate()
            until(lambda: serving.ready() == 404, what="the probe says that the process drains")
            # What the edge still sends is served, and not to keep the connection.
            assert serving.get("/who/").headers["Connection"] == "close"
            assert [(page.result().status, page.result().body) for page in pages] == [(200, b"finished")] * 2
        assert serving.process.wait() == 0
        assert "Traceback" not in serving.log()

    def test_nothing_that_only_lies_open_holds_it_up(self, new):
        """As the edge leaves them: idle connections, a request that never gets complete, checks each second."""
        serving = new(DRAIN_NOTICE_SECONDS="0.2", DRAIN_SECONDS="0.2", STOP_SECONDS="20")
        with contextlib.ExitStack() as stack:
            for begun in (b"", b"GET /who/ HTTP/1.1\r\n", b"POST /who/ HTTP/1.1\r\nHost: localhost\r\n"):
                link = stack.enter_context(socket.create_connection(("127.0.0.1", serving.port), PATIENCE))
                link.sendall(begun)
            for _ in range(3):
                idle = stack.enter_context(contextlib.closing(serving.connection()))
                idle.request("GET", "/-/ready")
                idle.getresponse().read()
            client = stack.enter_context(serving.socket())
            serving.terminate()
            assert close_code(client) == 1012
            # Not 1: nothing had to be ended by force.
            assert serving.process.wait() == 0

    def test_sockets_are_closed_one_after_the_other(self, new):
        serving = new(DRAIN_NOTICE_SECONDS="0", DRAIN_SECONDS="1")
        with concurrent.futures.ThreadPoolExecutor(20) as pool, contextlib.ExitStack() as stack:
            clients = [stack.enter_context(serving.socket()) for _ in range(20)]
            ends = [
                pool.submit(lambda client=client: (close_code(client), time.monotonic()))
                for client in clients
            ]
            serving.terminate()
            codes, times = zip(*(end.result() for end in ends), strict=True)
        assert set(codes) == {1012}
        assert max(times) - min(times) > 0.7
        assert serving.process.wait() == 0

    def test_new_sockets_are_refused_while_the_others_are_closed(self, new):
        serving = new(DRAIN_NOTICE_SECONDS="0", DRAIN_SECONDS="2")
        with contextlib.ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(serving.socket())
            serving.terminate()
            until(lambda: serving.ready() == 404, what="the process drains")
            until(lambda: not _accepts_socket(serving), what="new sockets are refused")
            refused = serving.refusal("/echo/")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")

    def test_a_handshake_that_the_application_has_not_answered(self, new):
        serving = new(DRAIN_NOTICE_SECONDS="0")
        with concurrent.futures.ThreadPoolExecutor() as pool:
            refusal = pool.submit(serving.refusal, "/undecided/")
            until(lambda: "asked" in serving.journal(), what="the application is asked")
            serving.terminate()
            assert refusal.result().status_code == 503
        assert serving.process.wait() == 0
        assert "Traceback" not in serving.log()

    def test_streams_are_asked_to_end(self, new):
        """An event stream with the sockets, and in good order; any other at the end of the time, and it is cut."""
        times = {"DRAIN_NOTICE_SECONDS": "0.2", "DRAIN_SECONDS": "0.2", "STOP_SECONDS": "5"}
        serving = new("http", HTTP_PROCESSES="1", **times)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            pages = [pool.submit(_read_all, serving, path) for path in ("/events/", "/stream/")]
            until(lambda: _requests_in_flight(serving) == len(pages), what="the streams have begun")
            serving.terminate()
            until(
                lambda: "events over" in serving.journal(), what="the generator of the events has cleaned up"
            )
            assert "stream over" not in serving.journal()
            assert serving.process.wait() == 0
            (events, complete), (_, whole) = (page.result() for page in pages)
        assert events.startswith(b"data: part")
        assert (complete, whole) == (True, False)
        assert "stream over" in serving.journal()
        assert "Traceback" not in serving.log()

    def test_it_ends_in_time_whatever_a_consumer_does(self, new):
        serving = new(DRAIN_NOTICE_SECONDS="0", DRAIN_SECONDS="0", STOP_SECONDS="4")
        with serving.socket("/stubborn/") as client:
            serving.terminate()
            assert close_code(client) == 1012
            serving.process.wait()  # the consumer waits for an hour
        assert "stubborn 1012" in serving.journal()

    def test_it_ends_in_time_whatever_a_page_does(self, new):
        times = {"DRAIN_NOTICE_SECONDS": "0", "DRAIN_SECONDS": "0", "STOP_SECONDS": "2"}
        serving = new("http", HTTP_PROCESSES="1", **times)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            paths = ("/slow-sync/36000/", "/slow-async/36000/", "/stream/")
            pages = [pool.submit(serving.get, path) for path in paths]
            until(lambda: _requests_in_flight(serving) == len(pages), what="the pages are being made")
            serving.terminate()
            # Not 0: the thread of a page was cut off, which takes an hour.
            assert serving.process.wait() == 1
            for page in pages:
                with contextlib.suppress(OSError, http.client.HTTPException):
                    page.result()
        assert "ended by force: " in serving.log()

    def test_a_second_signal_does_not_wait(self, new):
        serving = new(DRAIN_NOTICE_SECONDS="100", DRAIN_SECONDS="2", STOP_SECONDS="110")
        with serving.socket() as client:
            serving.terminate()
            until(lambda: serving.ready() == 404, what="the process drains")
            # gunicorn's master passes SIGTERM on once; to Ctrl-C it answers with SIGQUIT for its workers.
            serving.process.popen.send_signal(2)
            assert close_code(client) == 1012
            assert serving.process.wait() == 0  # sooner than the notice alone would take


def _read_all(serving: Serving, path: str) -> tuple[bytes, bool]:
    """The body, and whether it was complete."""
    with contextlib.closing(serving.connection()) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        try:
            return response.read(), True
        except http.client.IncompleteRead as error:
            return error.partial, False


def _accepts_socket(serving: Serving) -> bool:
    try:
        with serving.socket() as client:
            return client.recv() is not None
    except Exception:
        return False


def _requests_in_flight(serving: Serving) -> int:
    """By the log of what the pages did: each slow page writes to the journal when it begins."""
    return sum(line.startswith("page ") for line in serving.journal())


def _thread(client: ClientConnection) -> str | bytes:
    client.send("thread")
    return client.recv()


def _text_frame(text: bytes) -> bytes:
    return b"\x81" + bytes([0x80 | len(text)]) + bytes(4) + text


def _handshake(serving: Serving, path: str, change: dict[str, str | None]) -> int:
    """The status of a handshake with some headers changed (None: left out)."""
    with _begin_handshake(serving, path, change) as link:
        return int(link.recv(4096).split()[1])


def _begin_handshake(
    serving: Serving, path: str, change: Mapping[str, str | None] | None = None
) -> socket.socket:
    headers = {
        "Host": "localhost",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Origin": "https://localhost",
        **(change or {}),
    }
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    link = socket.create_connection(("127.0.0.1", serving.port), PATIENCE)
    link.sendall("\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode())
    return link
