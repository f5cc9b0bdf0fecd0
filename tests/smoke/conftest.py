"""Fixtures of the smoke tests: visitors from outside, containers from inside. Test files use nothing else."""

from __future__ import annotations

import re
import time
import uuid
from contextlib import ExitStack

import pytest
from containers import Container
from visitors import Socket, ask, browse, sign_in, sign_out

SILENT_SECONDS = 65
"""Longer than any common idle timeout: 60 s of proxies, 5 s of redis-py 8, three pings of 20 s."""


@pytest.fixture
def visitor(stack):
    """A client for pages that has not signed in."""
    with browse(stack) as client:
        yield client
        if "sessionid" in client.cookies:
            sign_out(client)


@pytest.fixture(scope="session")
def member(stack):
    """A client for pages with the session of the stack's user, who is staff."""
    with browse(stack) as client:
        answer = sign_in(client, stack.user, stack.password)
        assert answer.status_code == 302, (
            f"signing in as {stack.user}: {answer.status_code}\n{answer.text[:500]}"
        )
        yield client
        if stack.folder is None:
            # A running stack is left as it was found: without our session.
            sign_out(client)


@pytest.fixture
def request_as_is(stack):
    """A function (method, target, headers=(), plain=False, host="") for one request exactly as given."""

    def send(method, target, headers=(), **options):
        return ask(stack, method, target, headers, **options)

    return send


@pytest.fixture(scope="session")
def make_room(stack, member):
    """A function that makes a new room and returns its slug; on a running stack the slug of a room that is there."""

    def make() -> str:
        if stack.folder is None:
            found = re.search(r'href="/rooms/([a-z0-9-]+)/"', member.get("/").text)
            assert found, "the running stack has no room to test with: make one"
            return found[1]
        name = f"smoke-{uuid.uuid4().hex[:8]}"
        form = {"name": name}
        headers = {"X-CSRFToken": member.cookies["csrftoken"], "Referer": stack.url}
        answer = member.post("/", data=form, headers=headers)
        assert answer.status_code == 302, f"making a room: {answer.status_code}\n{answer.text[:500]}"
        return name

    return make


@pytest.fixture
def room(make_room):
    """The slug of a room in which nothing has happened yet (on a running stack: of any room)."""
    return make_room()


@pytest.fixture
def open_socket(stack, member):
    """A function (path, …) that opens a websocket with the user's session; all are closed in the end."""
    with ExitStack() as opened:

        def opening(path, client=member, **options):
            socket = Socket(stack, path, client, **options)
            opened.callback(socket.close)
            return socket

        yield opening


@pytest.fixture
def enter(open_socket):
    """A function (room, last=0) that opens a websocket in a room and has heard its welcome."""

    def entering(room, last=0):
        socket = open_socket(f"/ws/rooms/{room}/?last={last}")
        socket.hear("welcome")
        return socket

    return entering


@pytest.fixture
def processes(member):
    """A function (service) -> what each of its processes last said of itself in the console."""

    def asked(service):
        answer = member.get("/console/processes.json")
        assert answer.status_code == 200, (
            f"/console/processes.json: {answer.status_code}\n{answer.text[:500]}"
        )
        return [each for each in answer.json()["processes"] if each["service"] == service]

    return asked


@pytest.fixture
def containers(stack):
    """A function (service="") -> the containers of a service, or all."""

    def found(service=""):
        names = stack.containers(service)
        assert names, f"project {stack.project} has no container of {service or 'any service'}"
        return [Container(name, stack.since) for name in names]

    return found


@pytest.fixture
def container(containers):
    """A function (service) -> its first container."""
    return lambda service: containers(service)[0]


class Silent:
    """A websocket in which nobody says anything from ``since`` (time.monotonic) on."""

    def __init__(self, room, socket):
        self.room, self.socket, self.since = room, socket, time.monotonic()

    def long_enough(self) -> bool:
        return time.monotonic() - self.since >= SILENT_SECONDS


@pytest.fixture(scope="session", autouse=True)
def silent(stack, member, make_room):
    """Opened before the first test, so that the other tests fill its time of silence."""
    room = make_room()
    socket = Socket(stack, f"/ws/rooms/{room}/", member)
    socket.hear(
        "presence"
    )  # the last of what comes at first: in a room that is in use, what was said before precedes it
    yield Silent(room, socket)
    socket.close()
