"""Who is present in a group, across two server processes and a real Redis."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections import Counter

import pytest
import redis as redis_py
from gathering.server import serve
from support.polling import until_async
from websockets.asyncio.client import connect

from channels_stack.groups import RedisGroupsChannelLayer
from channels_stack.groups.client import Client, Present
from channels_stack.groups.protocol import PING, PROTOCOL

numbers = itertools.count()


@pytest.fixture(scope="module")
def servers(redis, tmp_path_factory):
    """Two processes."""
    running = [serve(redis, tmp_path_factory.mktemp("server")) for _ in range(2)]
    yield [f"ws://127.0.0.1:{process.port}" for process in running]
    for process in running:
        process.kill()
        assert "Traceback" not in process.output(), process.output()


@pytest.fixture
def layer(redis):
    return RedisGroupsChannelLayer(hosts=[redis.url], prefix=redis.prefix)


@pytest.fixture
def group() -> str:
    return f"here.{next(numbers)}"


def run(coroutine, seconds: float = 180):
    return asyncio.run(asyncio.wait_for(coroutine, seconds))


class Watcher:
    """A client that keeps what it is told: who is here, and how often each has joined and left."""

    def __init__(self, server: str, group: str, name: str) -> None:
        self.client = Client(f"{server}/here/{group}/{name}/")
        self.here: dict = {}
        self.counts: Counter = Counter()

    async def __aenter__(self) -> Watcher:
        self.task = asyncio.ensure_future(self.follow())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})

    async def follow(self) -> None:
        async with contextlib.aclosing(self.client.events()) as events:
            async for event in events:
                if isinstance(event, Present):
                    self.here = event.entries
                    self.counts.update(f"+{each}" for each in event.joined)
                    self.counts.update(f"-{each}" for each in event.left)

    async def sees(self, *names: str) -> None:
        await until_async(lambda: set(self.here) == set(names), what=f"{names} are here: {self.here}")


def test_who_is_here_is_listed_in_all_processes_and_changes_arrive(servers, layer, group):
    async def session() -> None:
        one, two = servers
        async with Watcher(one, group, "anna") as anna:
            await anna.sees("anna")
            async with Watcher(two, group, "berta") as berta:
                await anna.sees("anna", "berta")
                await berta.sees("anna", "berta")
                expected = {"anna": {"name": "anna"}, "berta": {"name": "berta"}}
                assert berta.here == expected == await layer.present(group)
            await anna.sees("anna")
            assert anna.counts == {"+anna": 1, "+berta": 1, "-berta": 1}

    run(session())


def test_two_sockets_of_one_identity_are_one_entry_and_of_none_are_two(servers, layer, group):
    async def session() -> None:
        one, two = servers
        async with Watcher(one, group, "anna") as anna, Watcher(two, group, "anna"):
            async with Watcher(one, group, "anyone"), Watcher(two, group, "anyone"):
                await until_async(lambda: len(anna.here) == 3, what="one and two")
            await anna.sees("anna")
        assert anna.counts["+anna"] == 1

    run(session())


def test_who_comes_back_has_neither_left_nor_joined(servers, layer, group):
    async def session() -> None:
        one, two = servers
        async with Watcher(one, group, "anna") as anna:
            async with Watcher(one, group, "berta"):
                await anna.sees("anna", "berta")
            async with Watcher(two, group, "berta") as berta:
                await berta.sees("anna", "berta")
            async with Watcher(one, group, "berta"), Watcher(two, group, "last"):
                # What was to be said of the changes before would come before this.
                await anna.sees("anna", "berta", "last")
                assert anna.counts == {"+anna": 1, "+berta": 1, "+last": 1}

    run(session())


def test_a_killed_process_leaves_within_30_seconds_but_for_who_came_back(
    redis, servers, layer, group, tmp_path
):
    async def session() -> float:
        killed = serve(redis, tmp_path)
        dying = f"ws://127.0.0.1:{killed.port}"
        async with contextlib.AsyncExitStack() as stack:
            anna = await stack.enter_async_context(Watcher(servers[0], group, "anna"))
            for number in range(20):
                await stack.enter_async_context(Watcher(dying, group, f"gone-{number}"))
            back = await stack.enter_async_context(Watcher(dying, group, "back"))
            await until_async(lambda: len(anna.here) == 22, what="all are here")
            killed.kill()
            begun = time.monotonic()
            back.client.url = f"{servers[1]}/here/{group}/back/"
            await anna.sees("anna", "back")
            seconds = time.monotonic() - begun
            assert set(await layer.present(group)) == {"anna", "back"}
            assert anna.counts["+back"] == 1 and anna.counts["-back"] == 0
            assert all(anna.counts[f"-gone-{number}"] == 1 for number in range(20))
            return seconds

    # 21 s where nothing else runs.
    assert run(session()) < 30


def test_a_redis_that_has_lost_everything_gets_it_again(redis, servers, layer, group):
    async def session() -> None:
        async with Watcher(servers[0], group, "anna") as anna, Watcher(servers[1], group, "berta") as berta:
            await anna.sees("anna", "berta")
            redis_py.Redis(port=redis.port).flushall()
            while set(await layer.present(group)) != {"anna", "berta"}:
                await asyncio.sleep(0.1)
            await anna.sees("anna", "berta")
            await berta.sees("anna", "berta")

    run(session())


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (json.dumps({"text": "x" * 1_000_000}), "ValueError: presence: 1000011 bytes"),
        (json.dumps({"text": "x" * 4090}), "ValueError: presence: 4101 bytes"),
        ("[]", "TypeError: presence: a dict is expected"),
        ('{"a": NaN}', "ValueError"),
        ('{"a": "\\ud800"}', "UnicodeEncodeError"),
    ],
)
def test_data_that_no_entry_can_have_is_refused_and_nothing_of_it_is_kept(servers, layer, group, data, error):
    async def session() -> None:
        async with connect(f"{servers[0]}/here/{group}/anna/") as socket:
            await socket.send(data)
            assert (await socket.recv()).startswith(error)
            await socket.send("who")
            assert json.loads(await socket.recv()) == {"anna": {"name": "anna"}}

    run(session())


def test_every_name_that_channels_allows_and_any_identity(servers, layer):
    async def session() -> None:
        names = ["'\"<&>", "a:b", "*", "ä 語", "x" * 200, "version"]
        for group in ("a-b_c.D9", "0", "x" * 99):
            for name in names:
                async with connect(f"{servers[0]}/here/{group}/{name}/") as socket:
                    await socket.send("who")
                    assert json.loads(await socket.recv())[name] == {"name": name}
        assert set(await layer.present("0")) == set(names)  # those that went are here for their grace
        assert await layer.present("x") == {}

    run(session())


def test_who_leaves_the_group_is_gone_and_gets_no_more_changes(servers, layer, group):
    async def session() -> None:
        berta = connect(f"{servers[0]}/here/{group}/berta/", subprotocols=[PROTOCOL])
        async with Watcher(servers[0], group, "anna") as anna, berta as socket:
            await socket.send('{"positions": {}}')
            await anna.sees("anna", "berta")
            await socket.send("leave")
            await anna.sees("anna")
            async with Watcher(servers[1], group, "clara"):
                await anna.sees("anna", "clara")
            await socket.send(PING)
            while "a" not in (last := json.loads(await socket.recv())):
                assert "clara" not in str(last)

    run(session())


def test_one_command_a_process_and_interval_and_keys_that_expire_by_themselves(redis, servers, layer, group):
    client = redis_py.Redis(port=redis.port, decode_responses=True)

    async def session() -> int:
        async with contextlib.AsyncExitStack() as stack:
            watchers = [
                await stack.enter_async_context(Watcher(servers[0], f"{group}.{number % 3}", f"n{number}"))
                for number in range(30)
            ]
            for watcher in watchers:
                await until_async(lambda watcher=watcher: len(watcher.here) == 10, what="all are here")

            def renewals() -> int:
                with client.monitor() as monitor:
                    seen = 0
                    end = time.monotonic() + 12
                    while time.monotonic() < end:
                        command = monitor.next_command()["command"]
                        seen += command.startswith("EVAL") and ":alive:" in command.replace(
                            "alive:", ":alive:"
                        )
                    return seen

            return await asyncio.to_thread(renewals)

    # Every five seconds: three for each of the two servers at most, and some after a pause; each socket alone made 60.
    assert 1 <= run(session()) <= 15
    expiring = [
        key
        for key in client.scan_iter()
        if any(f"{part}:" in key for part in ("holders", "attending", "alive"))
    ]
    assert expiring and all(0 < client.pttl(key) <= 60_000 or client.pttl(key) == -2 for key in expiring)


def test_an_answer_to_a_ping_comes_while_the_consumer_has_nothing_to_say(servers, group):
    async def session() -> None:
        async with connect(f"{servers[0]}/room/{group}/", subprotocols=[PROTOCOL]) as socket:
            await socket.send('{"positions": {}}')
            assert "s" in json.loads(await socket.recv())
            await socket.send(PING)
            assert json.loads(await socket.recv()) == {"a": 1}

    run(session())


def test_whoever_only_asks_leaves_nothing_behind(layer, group):
    """Synchronous code asks on an event loop that serves this one call."""
    assert run(layer.present(group)) == {}
    assert len(layer._hubs) == 0


def test_a_client_without_the_protocol_is_present_and_gets_no_list(servers, layer, group):
    async def session() -> None:
        async with (
            connect(f"{servers[0]}/here/{group}/plain/") as socket,
            Watcher(servers[1], group, "anna") as anna,
        ):
            await anna.sees("anna", "plain")
            await socket.send("who")
            assert set(json.loads(await socket.recv())) == {"anna", "plain"}

    run(session())
