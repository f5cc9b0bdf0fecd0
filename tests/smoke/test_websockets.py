"""Websockets through the edge, on every server that may serve them."""

import contextlib
import json
import uuid

import pytest
from stacks import eventually
from visitors import sign_in, sign_out
from websockets.exceptions import ConnectionClosed, InvalidStatus

pytestmark = pytest.mark.variants("default", "daphne", "gunicorn")

LARGEST_MESSAGE = 1024 * 1024
"""WS_MAX_MESSAGE_BYTES as a user gets it."""

SPREAD_SECONDS = 10
"""How long the console may take to tell of new sockets: each process reports every 2 s."""

FOREIGN = {
    "missing": None,
    "null": "null",
    "foreign": "https://evil.example",
    "foreign suffix": "https://localhost.evil.example",
    "plain http": "http://localhost",
    "wrong port": "https://localhost:1",
    "port out of range": "https://a.test:99999",
    "port no number": "https://a.test:x",
    "broken IPv6": "http://[::1",
    "empty": " ",
    "not ASCII": "https://ä.test",
}


@pytest.fixture
def refusal(open_socket):
    """A function (path, …) -> the answer to a handshake that must be refused."""

    def refused(path, **options):
        with pytest.raises(InvalidStatus) as error:
            open_socket(path, **options)
        return error.value.response

    return refused


def test_handshake_over_the_edge(open_socket, stack, room):
    socket = open_socket(f"/ws/rooms/{room}/")
    assert socket.connection.response.status_code == 101
    assert socket.hear("welcome")["user"] == stack.user


@pytest.mark.parametrize("origin", FOREIGN.values(), ids=FOREIGN)
def test_origin_that_is_not_ours_is_refused(refusal, room, origin):
    assert refusal(f"/ws/rooms/{room}/", origin=origin).status_code == 403


def test_two_origins_are_refused(refusal, stack, room):
    headers = [("Origin", "https://evil.example")]
    assert refusal(f"/ws/rooms/{room}/", headers=headers).status_code in (400, 403)


def test_stranger_is_refused(refusal, room):
    assert refusal(f"/ws/rooms/{room}/", client=None).status_code == 403


def test_unknown_path_is_404(refusal):
    assert refusal("/ws/there/is/nothing/").status_code == 404


def test_probes_are_out_of_reach_by_websocket(refusal):
    assert refusal("/-/ready").status_code in (400, 404)


@pytest.mark.parametrize(
    "path", ["/-/leave", "//-/leave", "/%2d/leave", "/-%2fleave", "/./-/leave", "/-/leave?seconds=0"]
)
def test_no_visitor_ends_the_sockets_of_others(request_as_is, enter, room, path):
    """Only the edge itself may ask the application for that, past its own rules."""
    socket = enter(room)
    answer = request_as_is("POST", path, [("Content-Length", "0")])
    assert answer.status in (400, 404) and b"sockets" not in answer.body, (answer.status, answer.body[:300])
    socket.send(type="history", before=1)
    socket.hear("history")


def test_forged_root_path_has_no_effect(open_socket, room):
    forged = [("Daphne-Root-Path", "/ws"), ("X-Forwarded-Proto", "http")]
    open_socket(f"/ws/rooms/{room}/", headers=forged).hear("welcome")


HANDSHAKE = [("Connection", "Upgrade"), ("Upgrade", "websocket")]
KEY = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")

BAD_HANDSHAKES = {
    "no key": (400, "GET", [*HANDSHAKE, ("Sec-WebSocket-Version", "13")]),
    "short key": (
        400,
        "GET",
        [*HANDSHAKE, ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", "c2hvcnQ=")],
    ),
    "POST": (405, "POST", [*HANDSHAKE, KEY, ("Sec-WebSocket-Version", "13"), ("Content-Length", "0")]),
    "version 8": (426, "GET", [*HANDSHAKE, KEY, ("Sec-WebSocket-Version", "8")]),
}


@pytest.mark.parametrize(("status", "method", "headers"), BAD_HANDSHAKES.values(), ids=BAD_HANDSHAKES)
def test_bad_handshake_gets_the_reason(request_as_is, room, status, method, headers):
    answer = request_as_is(method, f"/ws/rooms/{room}/", headers)
    assert answer.status == status, answer.body[:300]


def test_message_too_large_is_closed_with_1009(enter, room):
    socket = enter(room)
    socket.begin(LARGEST_MESSAGE + 1)
    assert socket.ended(10) == 1009


def test_message_that_is_not_json_gets_an_answer_and_the_socket_stays(enter, room):
    socket = enter(room)
    socket.connection.send("{not json")
    assert socket.hear("error")["code"] == "not_json"
    socket.send(type="history", before=1)
    socket.hear("history")


def test_message_that_is_binary_gets_an_answer(enter, room):
    socket = enter(room)
    socket.connection.send(b"\x00\xff")
    assert socket.hear("error")["code"] == "not_text"


def test_typing_reaches_the_others(enter, stack, room):
    first, second = enter(room), enter(room)
    first.send(type="typing")
    assert second.hear("typing")["user"] == stack.user


def test_replicas_hear_each_other(enter, processes, room):
    """With sockets on several replicas, everybody hears everybody, so every message crosses between replicas too."""
    before = {each["host"]: each["accepted"] for each in processes("ws")}
    if len(before) < 2:
        pytest.skip("this stack runs one ws replica")
    sockets = [enter(room) for _ in range(2 * len(before))]

    def spread():
        return all(each["accepted"] > before.get(each["host"], 0) for each in processes("ws"))

    eventually(spread, SPREAD_SECONDS, f"a socket on each replica; accepted before: {before}")
    for speaker in sockets:
        speaker.send(type="typing")
        for listener in sockets:
            if listener is not speaker:
                listener.hear("typing")


@pytest.mark.writes
def test_message_reaches_everybody_with_its_number(enter, stack, room):
    first, second = enter(room), enter(room)
    nonce = first.say("hello")
    heard = [socket.hear("message") for socket in (first, second)]
    assert heard[0] == heard[1]
    assert (heard[0]["text"], heard[0]["user"], heard[0]["sequence"], heard[0]["nonce"]) == (
        "hello",
        stack.user,
        1,
        nonce,
    )


@pytest.mark.writes
def test_who_was_away_gets_the_rest_in_order_and_once(enter, room):
    speaker, listener = enter(room), enter(room)
    speaker.say("heard")
    last = listener.hear("message")["sequence"]
    listener.close()
    texts = [f"missed {number}" for number in range(20)]
    for text in texts:
        speaker.say(text)
    speaker.hear("message", where=lambda frame: frame["text"] == texts[-1])
    back = enter(room, last=last)
    assert [back.hear("message")["text"] for _ in texts] == texts
    speaker.say("now")
    assert back.hear("message")["text"] == "now"


@pytest.mark.writes
def test_same_message_sent_twice_is_stored_once(enter, room):
    speaker, listener = enter(room), enter(room)
    nonce = uuid.uuid4().hex
    for _ in range(2):
        speaker.send(type="message", text="once", nonce=nonce)
    speaker.say("after")
    assert [listener.hear("message")["text"] for _ in range(2)] == ["once", "after"]


@pytest.mark.writes
def test_report_is_made_by_the_worker(enter, room):
    socket = enter(room)
    socket.say("something to count")
    socket.hear("message")
    socket.say("/report")
    report = socket.hear("report", 20, where=lambda frame: frame["state"] in ("done", "failed"))
    steps = [frame["progress"] for frame in socket.heard if frame["type"] == "report"]
    assert (report["state"], report["progress"]) == ("done", 100), report
    assert "Messages: 1 by 1 person" in report["result"], report
    assert steps == sorted(steps) and len(set(steps)) > 2, f"the progress did not move: {steps}"


@pytest.mark.writes
def test_too_many_frames_are_slowed_down_and_then_closed_with_1008(enter, room):
    socket = enter(room)
    with contextlib.suppress(ConnectionClosed):  # it may be closed before all are sent
        for _ in range(200):
            socket.connection.send(json.dumps({"type": "typing"}))
    assert socket.ended(10) == 1008
    assert {frame.get("code") for frame in socket.heard if frame["type"] == "error"} == {"slow_down"}


def test_signing_out_ends_the_session_for_sockets(stack, visitor, open_socket, refusal, room):
    """In every process: two sockets lie with two replicas, more often than not."""
    sign_in(visitor, stack.user, stack.password)
    cookie = f"sessionid={visitor.cookies['sessionid']}"
    sockets = [open_socket(f"/ws/rooms/{room}/", visitor) for _ in range(3)]
    sign_out(visitor)
    assert [socket.ended(60) for socket in sockets] == [4401] * 3
    assert refusal(f"/ws/rooms/{room}/", client=None, headers=[("Cookie", cookie)]).status_code == 403


@pytest.mark.looks_back
@pytest.mark.variants(
    "default", "daphne"
)  # under gunicorn it is uvicorn's code once more, and a minute of waiting
def test_silent_socket_still_hears(silent, enter, stack):
    """Nobody said anything in it since the first test; the time of silence is that of all tests in between."""
    heard = len(silent.socket.heard)
    eventually(silent.long_enough, 70, "the time of silence")
    enter(silent.room).send(type="typing")
    silent.socket.hear("typing", where=lambda frame: frame["user"] == stack.user)
    before = [frame["type"] for frame in silent.socket.heard[heard:]]
    # In a room of a running stack other people may talk.
    assert stack.folder is None or "message" not in before, before
