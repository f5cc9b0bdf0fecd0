"""POST /-/leave: an edge that stops has its sockets told to come back, and nobody else's."""

from __future__ import annotations

import concurrent.futures
import contextlib
import time

import pytest
from processes import Redis, until
from serving import SERVERS, Answer, Serving, close_code, serve
from websockets.sync.client import ClientConnection

STOPPING, OTHER = "127.0.0.2", "127.0.0.3"  # two edges; both are this machine
FORWARDED = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}


@pytest.fixture(scope="module")
def redis():
    with Redis() as server:
        yield server


@pytest.fixture(scope="module", params=SERVERS)
def serving(request, redis, tmp_path_factory):
    """A process that believes both edges who their visitors are."""
    folder = tmp_path_factory.mktemp(request.param)
    serving = serve(folder, redis, request.param, TRUSTED_PROXIES=f"{STOPPING}/32 {OTHER}/32")
    yield serving
    serving.kill()


def ask(
    serving: Serving, query: str = "", headers: dict[str, str] | None = None, method: str = "POST"
) -> Answer:
    """What STOPPING gets as the answer."""
    with contextlib.closing(serving.connection(STOPPING)) as connection:
        connection.request(method, f"/-/leave{query}", headers=headers or {})
        return Answer(connection.getresponse())


def lives(client: ClientConnection) -> bool:
    """Whether it still echoes; it may have said who it is before."""
    client.send("still here?")
    return "still here?" in (client.recv(5), client.recv(5))


def test_its_sockets_are_told_and_no_others(serving):
    with contextlib.ExitStack() as stack:

        def opened(source: str) -> list[ClientConnection]:
            options = {"source": source, "additional_headers": FORWARDED}
            return [stack.enter_context(serving.socket(**options)) for _ in range(3)]

        its, others = opened(STOPPING), opened(OTHER)
        before = serving.journal().count("disconnect 1012")
        answer = ask(serving)
        assert (answer.status, answer.json()) == (200, {"sockets": 3})
        assert [close_code(client) for client in its] == [1012] * 3
        until(
            lambda: serving.journal().count("disconnect 1012") == before + 3, what="the consumers learn of it"
        )
        assert all(lives(client) for client in others)
        (new,) = opened(STOPPING)[:1]
        assert lives(new), "what comes later may come through the next edge of this address"
    assert "Traceback" not in serving.log()


def test_they_are_told_one_after_the_other(serving):
    with concurrent.futures.ThreadPoolExecutor(20) as pool, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(serving.socket(source=STOPPING)) for _ in range(20)]
        ends = [
            pool.submit(lambda client=client: (close_code(client), time.monotonic())) for client in clients
        ]
        begun = time.monotonic()
        assert ask(serving, "?seconds=1.0").json() == {"sockets": 20}
        assert time.monotonic() - begun < 0.7, "the answer does not wait for them"
        codes, times = zip(*(end.result() for end in ends), strict=True)
    assert set(codes) == {1012}
    assert 0.7 < max(times) - min(times) < 3


def test_the_second_time_does_not_wait_for_the_first(serving):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(serving.socket(source=STOPPING)) for _ in range(5)]
        ask(serving, "?seconds=60")
        ask(serving)
        assert [close_code(client) for client in clients] == [1012] * 5


def test_of_one_process_of_the_edge_alone(serving):
    with contextlib.ExitStack() as stack:

        def opened(worker: str, source: str = STOPPING) -> ClientConnection:
            headers = {**FORWARDED, "X-Edge-Worker": worker}
            return stack.enter_context(serving.socket(source=source, additional_headers=headers))

        former, current, another = opened("a1"), opened("b2"), opened("a1", OTHER)
        assert ask(serving, "?worker=a1").json() == {"sockets": 1}
        assert close_code(former) == 1012
        assert lives(current) and lives(another)


@pytest.mark.parametrize(
    ("query", "headers", "method", "status"),
    [
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
    with serving.socket(source=STOPPING) as client:
        answer = ask(serving, query, headers, method)
        assert answer.status == status
        assert answer.headers["Allow"] == ("POST" if status == 405 else None)
        assert lives(client)
    assert "Traceback" not in serving.log()
