"""Clients that recover, in a stock Channels project under plain uvicorn, with two lines of settings and a real Redis."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import os
import random
import sys

import processes
import pytest
import redis as redis_py
from gathering.server import serve
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from channels_stack.groups import RedisGroupsChannelLayer
from channels_stack.groups.client import Client, Lost, Message, Refused, Subscribed
from channels_stack.groups.protocol import HELLO_LENGTH, PROTOCOL

numbers = itertools.count()


@pytest.fixture(scope="module")
def server(redis, tmp_path_factory):
    """Its address."""
    process = serve(redis, tmp_path_factory.mktemp("server"))
    yield f"ws://127.0.0.1:{process.port}"
    process.kill()
    assert "Traceback" not in process.output(), process.output()


@pytest.fixture
def layer(redis):
    return RedisGroupsChannelLayer(
        hosts=[redis.url], prefix=redis.prefix, history={"latest*": {"size": 1}, "off*": "off"}
    )


@pytest.fixture
def group() -> str:
    return f"room.{next(numbers)}"


def run(coroutine, seconds: float = 60):
    return asyncio.run(asyncio.wait_for(coroutine, seconds))


@contextlib.asynccontextmanager
async def recovering(server: str, group: str, positions: dict | None = None):
    async with connect(f"{server}/room/{group}/", subprotocols=[PROTOCOL]) as socket:
        await socket.send(json.dumps({"positions": positions or {}}))
        yield socket


async def envelope(socket) -> dict:
    return json.loads(await socket.recv())


async def say(layer, group: str, *texts: str) -> None:
    for text in texts:
        await layer.group_send(group, {"type": "say", "text": text})


def test_an_unmodified_consumer_hears_its_group(server, group):
    async def session() -> list:
        url = f"{server}/plain/{group}/"
        async with connect(url) as first, connect(url) as second:
            await first.send("hello")
            return [await first.recv(), await second.recv()]

    assert run(session()) == ["hello", "hello"]


def test_a_client_without_the_protocol_gets_bare_frames(server, layer, group):
    async def session() -> list:
        async with connect(f"{server}/room/{group}/") as socket:
            await socket.send("joined")
            got = [await socket.recv()]
            await layer.group_broadcast(group, "ready")
            await layer.group_broadcast(group, b"\x00\xff")
            return [*got, await socket.recv(), await socket.recv()]

    assert run(session()) == ["joined", "ready", b"\x00\xff"]


def test_what_was_missed_comes_before_what_is_new_once_and_in_order(server, layer, group):
    async def session() -> tuple:
        async with recovering(server, group) as socket:
            joined = await envelope(socket)
            await say(layer, group, "1", "2")
            before = [await envelope(socket) for _ in range(2)]
        await say(layer, group, "3", "filtered", "twice")
        await layer.group_broadcast(group, "4")
        await layer.group_broadcast(group, b"5")
        async with recovering(server, group, {group: before[-1]["p"]}) as socket:
            again = await envelope(socket)
            await say(layer, group, "6")
            return joined, before, again, [await envelope(socket) for _ in range(6)]

    joined, before, again, missed = run(session())
    assert (joined["s"], joined["r"]) == (group, None)
    assert [each["e"] for each in before] == ["1", "2"]
    assert again == {"s": group, "p": before[-1]["p"], "r": True}
    data = [each.get("e") or base64.b64decode(each["b"]).decode() for each in missed]
    assert data == ["3", "once", "twice", "4", "5", "6"]
    # The first of two frames of one event does not say that the client has them both.
    assert "p" not in missed[1]
    assert [int(each["p"].split(".")[1]) for each in missed if "p" in each] == [3, 5, 6, 7, 8]


def test_what_cannot_be_recovered_is_said_and_caught_up(redis, server, layer, group):
    async def session() -> list:
        async with recovering(server, group) as socket:
            start = (await envelope(socket))["p"]
        await say(layer, group, "1", "2")
        (other,) = await layer.history.find(["other"])
        epoch, _, link = start.split(".")
        forged = [
            str(other),
            "x",
            "x" * 50_000,
            7,
            None,
            {},
            f"{epoch}.1.{'f' * 16}",
            f"{epoch}.99.{link}",
            f"{'f' * 16}.1.{link}",
        ]
        answers = []
        for position in forged:
            async with recovering(server, group, {group: position}) as socket:
                answers.append((await envelope(socket), await envelope(socket)))
        redis_py.Redis(port=redis.port).delete(layer.names.history(group))  # evicted
        async with recovering(server, group, {group: start}) as socket:
            answers.append((await envelope(socket), await envelope(socket)))
        return answers

    for subscribed, frame in run(session()):
        assert subscribed["r"] is False
        assert frame == {"e": f"all of {group}"}


def test_positions_of_groups_that_the_consumer_does_not_subscribe_get_nothing(server, layer, group):
    async def session() -> list:
        await say(layer, "secret", "1")
        position = str((await layer.history.find(["secret"]))[0])
        async with recovering(
            server, group, {"secret": position, "a:b*": position, "": "", "\x00": position}
        ) as socket:
            await socket.send("mine")
            return [await envelope(socket), await envelope(socket)]

    subscribed, mine = run(session())
    assert (subscribed["s"], subscribed["r"]) == (group, None)
    assert mine["e"] == "mine"


HELLOS = [
    ("", 1002),
    ("{", 1002),
    ("[]", 1002),
    ("{}", 1002),
    ('{"positions": []}', 1002),
    (b'{"positions": {}}', 1002),
    ("[" * 60_000, 1002),
    (json.dumps({"positions": dict.fromkeys(map(str, range(501)), "")}), 1009),
    ('{"positions": {"a": "' + "x" * HELLO_LENGTH + '"}}', 1009),
    ('{"positions": {"a": "' + "x" * 10_000_000 + '"}}', 1009),
]


@pytest.mark.parametrize(("hello", "code"), HELLOS, ids=range(len(HELLOS)))
def test_a_hello_that_is_none_closes_the_socket(server, group, hello, code):
    async def session() -> int:
        async with connect(f"{server}/room/{group}/", subprotocols=[PROTOCOL]) as socket:
            await socket.send(hello)
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
            return closed.value.rcvd.code

    assert run(session()) == code


def test_of_a_group_of_latest_values_who_comes_gets_the_last_one(server, layer):
    async def session() -> list:
        await say(layer, "latest.7", "old", "new")
        async with recovering(server, "latest.7") as socket:
            got = [await envelope(socket), await envelope(socket)]
            await say(layer, "latest.7", "newer")
            return [each.get("e") for each in [*got, await envelope(socket)]]

    assert run(session()) == [None, "new", "newer"]


def test_a_group_without_history_has_no_positions(server, layer):
    async def session() -> list:
        async with recovering(server, "off.7", {"off.7": "x"}) as socket:
            got = [await envelope(socket)]
            await say(layer, "off.7", "1")
            await layer.group_broadcast("off.7", "2")
            return [*got, await envelope(socket), await envelope(socket)]

    assert run(session()) == [
        {"s": "off.7", "p": None, "r": None},
        {"e": "1"},
        {"e": "2", "g": "off.7", "p": None},
    ]


def test_a_loss_reaches_the_client_and_is_caught_up(redis, server, layer, group):
    async def session() -> list:
        async with recovering(server, group) as socket:
            got = [await envelope(socket)]
            await say(layer, group, "1")
            got.append(await envelope(socket))
            redis_py.Redis(port=redis.port).delete(layer.names.position(group), layer.names.history(group))
            await say(layer, group, "2")
            return [*got, *[await envelope(socket) for _ in range(3)]]

    _, one, lost, caught_up, two = run(session())
    assert (one["e"], lost["l"], caught_up["e"], two["e"]) == ("1", group, f"all of {group}", "2")
    assert two["p"].split(".")[0] != one["p"].split(".")[0]


def test_a_client_that_is_cut_again_and_again_gets_everything_once(server, layer, group):
    """The trial of jitter in small: three clients, each cut eight times without a word.

    The events are fewer than a history holds, so that it does not matter how long a busy machine takes to connect again.
    """
    count = 90

    async def follow(client: Client, joined: asyncio.Event) -> list:
        got: list[int] = []
        async with contextlib.aclosing(client.events()) as events:
            async for event in events:
                if isinstance(event, Message):
                    got.append(int(event.data))
                    if got[-1] == count - 1:
                        break
                elif isinstance(event, Subscribed):
                    assert event.recovered is not False
                    joined.set()
                else:
                    assert not isinstance(event, Lost)
        return got

    async def session() -> list:
        clients = [Client(f"{server}/room/{group}/") for _ in range(3)]
        joined = [asyncio.Event() for _ in clients]
        following = [asyncio.ensure_future(follow(*each)) for each in zip(clients, joined, strict=True)]
        await asyncio.gather(*(each.wait() for each in joined))

        async def cut(client: Client) -> None:
            for _ in range(8):
                await asyncio.sleep(random.uniform(0.05, 0.25))
                if client._socket is not None:
                    client._socket.transport.abort()

        cutting = [asyncio.ensure_future(cut(client)) for client in clients]
        for number in range(count):
            if number % 2:
                await layer.group_broadcast(group, str(number))
            else:
                await say(layer, group, str(number))
            await asyncio.sleep(0.02)
        await asyncio.gather(*cutting)
        return await asyncio.gather(*following)

    assert run(session(), 120) == [list(range(count))] * 3


def test_a_server_that_does_not_speak_the_protocol_is_named(server, group):
    async def session() -> None:
        async for _ in Client(f"{server}/plain/{group}/").events():
            pass

    with pytest.raises(Refused, match="does not speak"):
        run(session())


def test_a_client_that_does_not_read_delays_no_other_and_gets_all_of_it_later(server, layer, group):
    """More than the buffers of a connection hold: the rest waits, and the other client has long got it."""
    count, size = 60, 200_000

    async def session() -> tuple:
        async with recovering(server, group) as slow, recovering(server, group) as quick:
            await envelope(slow)
            await envelope(quick)
            slow.transport.pause_reading()
            for number in range(count):
                await layer.group_broadcast(group, f"{number} " + "x" * size)
            got = [(await envelope(quick))["e"].partition(" ")[0] for _ in range(count)]
            slow.transport.resume_reading()
            return got, [(await envelope(slow))["e"].partition(" ")[0] for _ in range(count)]

    assert run(session()) == ([str(number) for number in range(count)],) * 2


def script(name: str, redis, folder, *words: str) -> str:
    """What the program ``name`` of the project has printed."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{processes.RUNTIME}:{processes.HERE}",
        "PYTHONDONTWRITEBYTECODE": "1",
        **redis.environment(),
    }
    process = processes.Process([sys.executable, "-m", f"gathering.{name}", *words], environment, folder)
    assert process.wait(120) == 0, process.output()
    return process.output()


def test_what_is_published_on_commit_comes_after_it_and_never_after_a_rollback(redis, tmp_path):
    got = json.loads(script("commit", redis, tmp_path).splitlines()[-1])
    assert got == ["outside", "later", '{"ready": true}', "frame", "00", "last"]


def test_what_had_no_room_for_a_client_that_does_not_read_comes_from_the_history(redis, tmp_path):
    output = script("slow", redis, tmp_path, "recover")
    assert "a consumer does not keep up" in output
    assert json.loads(output.splitlines()[-1]) == [str(number) for number in range(50)]


def test_a_client_that_goes_after_its_ping_leaves_nothing_running(redis, tmp_path):
    assert json.loads(script("gone", redis, tmp_path)) == {"ended": "None", "left": 0}


def test_a_client_that_is_too_slow_is_closed_with_1013_where_its_class_says_so(redis, tmp_path):
    output = script("slow", redis, tmp_path, "close")
    assert "Traceback" not in output
    assert json.loads(output.splitlines()[-1]) == ["0", 1013]
