"""POST /-/leave: an edge that stops has its sockets told to come back, and nobody else's."""

from __future__ import annotations

import concurrent.futures
import contextlib
import time

import pytest
from processes import Redis, until
from serving import SERVERS, Answer, Serving, close_code, serve
from websockets.sync.client import ClientConnection

STOPPING, OTHER = "5" * 32, "0" * 32  # the secrets of two processes of an edge
FORWARDED = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}


@pytest.fixture(scope="module")
def redis():
    with Redis() as server:
        yield server


@pytest.fixture(scope="module", params=SERVERS)
def serving(request, redis, tmp_path_factory):
    """A process that edges forward handshakes to."""
    serving = serve(tmp_path_factory.mktemp(request.param), redis, request.param)
    yield serving
    serving.kill()


def ask(
    serving: Serving, query: str = "", headers: dict[str, str] | None = None, method: str = "POST"
) -> Answer:
    """What the edge that stops gets as the answer."""
    with contextlib.closing(serving.connection()) as connection:
        connection.request(method, f"/-/leave{query}", headers={"X-Edge-Worker": STOPPING} | (headers or {}))
        return Answer(connection.getresponse())


def opened(serving: Serving, stack: contextlib.ExitStack, secret: str = STOPPING) -> ClientConnection:
    """A websocket that came through the process of an edge with SECRET."""
    headers = {**FORWARDED, **({"X-Edge-Worker": secret} if secret else {})}
    return stack.enter_context(serving.socket(additional_headers=headers))


def lives(client: ClientConnection) -> bool:
    """Whether it still echoes; it may have said who it is before."""
    client.send("still here?")
    return "still here?" in (client.recv(), client.recv())


def test_its_sockets_are_closed_and_no_others(serving):
    with contextlib.ExitStack() as stack:
        its = [opened(serving, stack) for _ in range(3)]
        others = [opened(serving, stack, secret) for secret in (OTHER, "", STOPPING[:-1])]
        before = serving.journal().count("disconnect 1012")
        answer = ask(serving)
        assert (answer.status, answer.json()) == (200, {"sockets": 3})
        assert [close_code(client) for client in its] == [1012] * 3
        until(
            lambda: serving.journal().count("disconnect 1012") == before + 3, what="the consumers learn of it"
        )
        assert all(lives(client) for client in others)
        assert lives(opened(serving, stack)), "what comes later stays open"
    assert "Traceback" not in serving.whole_log()


def test_of_several_processes_of_the_edge(serving):
    with contextlib.ExitStack() as stack:
        former, current = opened(serving, stack, OTHER), opened(serving, stack)
        both = {"X-Edge-Worker": f"{OTHER}, {STOPPING}"}
        assert ask(serving, headers=both).json() == {"sockets": 2}
        assert close_code(former) == close_code(current) == 1012


def test_they_are_closed_one_after_the_other(serving):
    with concurrent.futures.ThreadPoolExecutor(20) as pool, contextlib.ExitStack() as stack:
        clients = [opened(serving, stack) for _ in range(20)]
        ends = [
            pool.submit(lambda client=client: (close_code(client), time.monotonic())) for client in clients
        ]
        assert ask(serving, "?seconds=2.0").json() == {"sockets": 20}
        answered = time.monotonic()
        codes, times = zip(*(end.result() for end in ends), strict=True)
    assert set(codes) == {1012}
    assert answered < max(times), "the answer does not wait for them"
    assert max(times) - min(times) > 1.4


def test_the_second_time_does_not_wait_for_the_first(serving):
    with contextlib.ExitStack() as stack:
        clients = [opened(serving, stack) for _ in range(5)]
        ask(serving, "?seconds=600")
        ask(serving)
        assert [close_code(client) for client in clients] == [1012] * 5


@pytest.mark.parametrize(
    ("query", "headers", "method", "status"),
    [
        ("", {"X-Edge-Worker": ""}, "POST", 403),
        ("", {"X-Edge-Worker": "none"}, "POST", 403),
        ("", {"X-Edge-Worker": ",,"}, "POST", 403),
        ("", FORWARDED, "POST", 403),
        ("", {"Forwarded": "for=203.0.113.7"}, "POST", 403),
        ("?seconds=soon", {}, "POST", 400),
        ("?seconds=-1", {}, "POST", 400),
        ("?seconds=inf", {}, "POST", 400),
        ("?seconds=nan", {}, "POST", 400),
        ("", {}, "GET", 405),
    ],
)
def test_anything_else_ends_nothing(serving, query, headers, method, status):
    with contextlib.ExitStack() as stack:
        client = opened(serving, stack)
        answer = ask(serving, query, headers, method)
        assert answer.status == status
        assert answer.headers["Allow"] == ("POST" if status == 405 else None)
        assert lives(client)
    assert "Traceback" not in serving.whole_log()
