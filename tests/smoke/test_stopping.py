"""Stopping each part of the stack in order: exit code 0 in time, visitors see what was promised, and it comes back."""

import time

import pytest
from load import load
from stacks import eventually
from support.polling import until
from websockets.exceptions import InvalidStatus

pytestmark = [
    pytest.mark.containers,
    pytest.mark.disrupts,
    pytest.mark.variants("default", "daphne", "gunicorn"),
]

once = pytest.mark.variants("default")
"""For what has nothing to do with the server."""

RESTART = 1012
STOP_SECONDS = {"http": 20, "ws": 20, "worker": 15, "redis": 10, "db": 15, "edge": 15}
"""How long a stop may take on a busy machine: well below the deadline at which the process gives up waiting (25 s), and
that at which the engine kills it (137)."""

HANG_SECONDS = 12
"""How long Redis hangs: readiness fails after 3 s, the canary after 6 s."""

BACK_SECONDS = 20
"""How soon after the return of a part everything must work again."""


def assert_orderly(stop, service):
    """The process ended by itself, well and in time."""
    evidence = f"{service}: exit code {stop.code} after {stop.seconds:.1f} s"
    assert stop.code == 0 and stop.seconds < STOP_SECONDS[service], evidence


def answers(visitor, status=200):
    """Whether the login page has that STATUS now."""
    return lambda: visitor.get("/login/").status_code == status


@pytest.fixture
def takes_sockets(open_socket):
    """A function that tells whether a handshake comes to the application: pages do not need Redis, websockets do."""

    def taken() -> bool:
        with pytest.raises(InvalidStatus) as refused:
            open_socket("/ws/nowhere/")
        return refused.value.response.status_code == 404

    return taken


@pytest.fixture(autouse=True)
def works_again(request, visitor, silent, takes_sockets):
    """No test hands a broken stack to the next one, and each knows all sockets that are open."""
    silent.socket.close()
    yield
    eventually(answers(visitor), BACK_SECONDS, f"pages after {request.node.name}")
    eventually(takes_sockets, BACK_SECONDS, f"websockets after {request.node.name}")


def test_pages_while_one_of_their_replicas_stops(stack, containers):
    with load(stack) as seen, containers("http")[0].stopped() as stop:
        pass
    assert_orderly(stop, "http")
    assert seen.pages > 50 and seen.failures == [], (
        f"{len(seen.failures)} of {seen.pages} pages failed: {seen.failures}"
    )


@once
def test_pages_while_redis_hangs(stack, containers):
    """A page that asks nothing of Redis does not depend on it."""
    with load(stack) as seen, containers("redis")[0].paused():
        end = time.monotonic() + HANG_SECONDS
        eventually(
            lambda: time.monotonic() > end, HANG_SECONDS + 1, "checks of readiness have failed for a while"
        )
    assert seen.pages > 100 and seen.failures == [], (
        f"{len(seen.failures)} of {seen.pages} pages failed: {seen.failures}"
    )


def test_websockets_while_one_of_their_replicas_stops(containers, processes, enter, room):
    def held():
        return {each["host"]: each["sockets"] for each in processes("ws")}

    leaving = containers("ws")[0]
    before = held()
    sockets = [enter(room) for _ in range(6)]
    eventually(
        lambda: sum(held().values()) == sum(before.values()) + len(sockets),
        what="all sockets in the console",
    )
    there = held()[leaving.hostname] - before[leaving.hostname]
    assert 0 < there < len(sockets), f"the edge did not spread the sockets: {before}, then {held()}"
    with leaving.stopped() as stop:
        # What the edge has passed on is heard a moment later.
        until(lambda: sum(not socket.open for socket in sockets) >= there, what="those sockets are closed")
        gone = [socket for socket in sockets if not socket.open]
        codes = {socket.connection.close_code for socket in gone}
        stayed = [socket for socket in sockets if socket.open]
        # Those who stay, and who comes new, hear each other while the replica is away.
        enter(room).send(type="typing")
        for socket in stayed:
            socket.hear("typing")
    assert_orderly(stop, "ws")
    assert (len(gone), codes) == (there, {RESTART}), f"{len(gone)} of {there} sockets closed with {codes}"


@once
@pytest.mark.writes
def test_job_waits_while_the_worker_is_stopped(container, enter, room):
    socket = enter(room)
    with container("worker").stopped() as stop:
        socket.say("/report")
        assert socket.hear("report")["state"] == "queued"
    assert_orderly(stop, "worker")
    socket.hear("report", BACK_SECONDS, where=lambda frame: frame["state"] == "done")


@once
def test_new_replica_is_used_without_a_reload_of_the_edge(stack, container, enter, processes, room):
    edge = container("edge")
    known = {each["host"] for each in processes("ws")}
    before = [each["Pid"] for each in edge.processes()]
    try:
        stack.compose("up", "--detach", "--no-build", "--no-recreate", "--scale", "ws=3", "ws")

        def used():
            enter(room)
            return [each for each in processes("ws") if each["host"] not in known and each["sockets"] > 0]

        eventually(used, BACK_SECONDS, "a socket on the new replica")
    finally:
        stack.compose("up", "--detach", "--no-build", "--no-recreate", "--scale", "ws=2", "ws")
    assert [each["Pid"] for each in edge.processes()] == before


@once
def test_redis_stops_and_comes_back(container, takes_sockets, enter, room):
    with container("redis").stopped() as stop:
        pass
    assert_orderly(stop, "redis")
    eventually(takes_sockets, BACK_SECONDS, "websockets after the return of Redis")
    speaker, listener = enter(room), enter(room)
    speaker.send(type="typing")
    listener.hear("typing")


@once
def test_database_stops_and_the_application_says_so(container, visitor, member):
    """No process of `http` is ready then: what asks the database gets the application's answer, and the rest what it asks for."""
    with container("db").stopped() as stop:
        eventually(lambda: "Running on backup" in "".join(container("edge").log()), what="none is ready")
        answer = member.get("/")
        others = {visitor.get("/nowhere/").status_code for _ in range(20)}
    assert_orderly(stop, "db")
    assert (answer.status_code, others) == (500, {404}), answer.text
    assert answer.headers["x-request-id"] and "server" not in answer.headers, answer.headers


@once
def test_edge_stops_and_comes_back(container, visitor, enter, room):
    sockets = [enter(room) for _ in range(6)]
    with container("edge").stopped() as stop:
        codes = [socket.ended(60) for socket in sockets]
    assert_orderly(stop, "edge")
    assert codes == [RESTART] * len(sockets)
    eventually(answers(visitor), BACK_SECONDS, "pages after the return of the edge")
