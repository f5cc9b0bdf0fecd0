"""A process that cannot hear notices it, says so, and heals itself; while a data store is away, it waits."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer
from conformance.quiet_layer import QuietLayer
from processes import PATIENCE, Postgres, Redis, until
from serving import SERVERS, close_code, serve

from channels_stack.layers.tracker import Watched
from channels_stack.lifecycle import canary as canaries
from channels_stack.lifecycle.canary import Canary

SAY = {"type": "say"}


async def first_flight(canary):
    """Until its first message has come back."""

    async def heard():
        while canary.heard is None:
            await asyncio.sleep(0.02)

    await asyncio.wait_for(heard(), PATIENCE)


@pytest.fixture
def own_redis():
    with Redis() as server:
        yield server


@pytest.fixture(params=SERVERS)
def server(request):
    return request.param


@pytest.fixture
def start(tmp_path):
    """Starts a process that serves."""
    with contextlib.ExitStack() as running:

        def start(redis, server="uvicorn", **environment):
            serving = serve(tmp_path, redis, server, **environment)
            running.callback(serving.kill)
            serving.wait_until_ready()
            return serving

        yield start


def reasons(serving) -> dict[str, str]:
    return serving.get("/-/ready").json()["reasons"]


async def hears(layer, channel: str, seconds: float) -> bool:
    """Whether what is sent to the group `room` arrives in ``channel``, tried again and again."""
    receiving = asyncio.ensure_future(layer.receive(channel))
    deadline = asyncio.get_running_loop().time() + seconds
    while not receiving.done() and asyncio.get_running_loop().time() < deadline:
        await layer.group_send("room", SAY)
        await asyncio.wait({receiving}, timeout=0.2)
    receiving.cancel()
    await asyncio.wait({receiving})
    return not receiving.cancelled()


async def break_receiver(layer) -> None:
    """The task that receives for all sockets ends: channels_redis lets a TimeoutError end it, and starts no other."""
    task = layer._get_layer()._shards[0]._receive_task
    task.cancel()
    await asyncio.wait({task})


def test_where_a_receiver_has_ended_the_stock_layer_receives_nothing_and_ours_starts_it_again(redis):
    async def run() -> tuple[bool, bool]:
        stock, layer = (
            RedisPubSubChannelLayer(hosts=[redis.url], prefix=f"deaf-{name}") for name in ("stock", "ours")
        )
        canary = Canary(Watched("default", layer), drain=None)
        flying = asyncio.ensure_future(canary.run())
        names = []
        for each in (stock, layer):
            names.append(await each.new_channel())
            await each.group_add("room", names[-1])
        await first_flight(canary)
        await break_receiver(stock)
        await break_receiver(layer)
        # Ours first: when it hears again, the stock one has had the same time.
        ours = await hears(layer, names[1], PATIENCE)
        theirs = await hears(stock, names[0], 2)
        flying.cancel()
        await asyncio.wait({flying})
        return theirs, ours

    assert asyncio.run(run()) == (False, True)


class Link:
    """A way to Redis that can go dead without either end being told: packets are lost, connections stay."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.open: list[asyncio.Event] = []
        self.writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Link:
        self.server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        for writer in self.writers:
            writer.close()

    def go_dead(self) -> None:
        """For the connections that there are; new ones work."""
        for connection in self.open:
            connection.clear()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.redis.port)
        passes = asyncio.Event()
        passes.set()
        self.open.append(passes)
        self.writers += [writer, far_writer]
        await asyncio.gather(_pass_on(reader, far_writer, passes), _pass_on(far_reader, writer, passes))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passes: asyncio.Event) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            await passes.wait()
            writer.write(data)
    writer.close()


def test_where_a_link_is_dead_the_stock_layer_receives_nothing_and_ours_makes_another(redis):
    async def run(link: Link) -> tuple[bool, bool]:
        # As redis-py up to 7 has it: without a time limit.
        hosts = [{"address": f"redis://127.0.0.1:{link.port}/0", "socket_timeout": None}]
        stock, layer = (RedisChannelLayer(hosts=hosts, prefix=f"link-{name}") for name in ("stock", "ours"))
        canary = Canary(Watched("default", layer), drain=None)
        flying = asyncio.ensure_future(canary.run())
        receiving = []
        for each in (stock, layer):
            channel = await each.new_channel()
            await each.group_add("room", channel)
            receiving.append(asyncio.ensure_future(each.receive(channel)))
        await first_flight(canary)
        link.go_dead()
        sender = [RedisChannelLayer(hosts=[redis.url], prefix=f"link-{name}") for name in ("stock", "ours")]
        deadline = time.monotonic() + PATIENCE
        while not receiving[1].done() and time.monotonic() < deadline:
            for each in sender:
                await each.group_send("room", SAY)
            await asyncio.wait(receiving, timeout=0.5)
        heard = tuple(each.done() for each in receiving)
        for each in (flying, *receiving):
            each.cancel()
        await asyncio.wait([flying, *receiving], timeout=5)
        return heard

    async def linked() -> tuple[bool, bool]:
        async with Link(redis) as link:
            return await run(link)

    assert asyncio.run(linked()) == (False, True)


def test_a_layer_that_delivers_nothing_and_cannot_be_repaired(start, redis, tmp_path):
    silence = tmp_path / "silence"
    serving = start(redis, TEST_SILENCE=str(silence))
    with serving.socket() as client:
        silence.touch()
        assert close_code(client) == 1012
    until(lambda: "canary" in reasons(serving), what="it is not ready")
    assert "'default': nothing arrived for" in reasons(serving)["canary"]
    refusal = serving.refusal("/echo/")
    assert (refusal.status_code, refusal.headers["Retry-After"]) == (503, "5")
    silence.unlink()
    serving.wait_until_ready()
    with serving.socket() as client:
        client.send("heard")
        assert client.recv() and client.recv() == "heard"
    serving.says("messages arrive again")


@pytest.mark.parametrize("busy", [False, True])
def test_a_process_that_is_merely_busy_does_not_count_as_not_receiving(tmp_path, busy):
    async def run() -> tuple[int, int]:
        canary = Canary(Watched("default", QuietLayer(str(tmp_path / "silence"))), drain=None)
        flying = asyncio.ensure_future(canary.run())
        await first_flight(canary)
        (tmp_path / "silence").touch()
        while canary.failures < 2:
            await asyncio.sleep(0.02)
            if busy:
                time.sleep(2.5)  # as bad code in a consumer does: longer than a message is waited for
        flying.cancel()
        await asyncio.wait({flying})
        return canary.failures, canary.unheard

    failures, unheard = asyncio.run(run())
    assert failures == 2
    assert unheard == (0 if busy else 2)


def test_a_process_that_goes_on_receiving_nothing_gives_way_to_a_new_one(start, redis, tmp_path):
    serving = start(redis, TEST_SILENCE=str(tmp_path / "silence"))
    (tmp_path / "silence").touch()
    assert serving.process.wait() == 0
    assert "nothing helps: the process ends" in serving.log()


@pytest.mark.parametrize("layer", ["pubsub", "groups"])
def test_handshakes_while_redis_is_away(start, own_redis, server, layer):
    serving = start(own_redis, server, TEST_LAYER=layer)
    with serving.socket() as client:
        client.recv()
        own_redis.stop()
        refusal = serving.refusal("/echo/")
        assert refusal.status_code == 503, serving.log()
        assert refusal.headers["Retry-After"] == "5"
        until(lambda: "canary" in reasons(serving), what="the canary is missed")
        own_redis.start()
        serving.wait_until_ready()
        client.send("still here?")
        assert client.recv() == "still here?"
    with serving.socket() as client:
        assert client.recv()
    log = serving.whole_log()
    assert "Traceback" not in log
    assert '"level": "error"' not in log


def test_handshakes_and_messages_while_the_database_is_away(start, redis, server):
    with Postgres() as postgres:
        serving = start(redis, server, TEST_POSTGRES_PORT=str(postgres.port))
        with serving.socket("/database/") as client:
            client.send("query")
            assert client.recv() == "answered"
            postgres.process.kill()
            postgres.process.wait()
            client.send("query")
            assert close_code(client) == 1012
        refusal = serving.refusal("/database/")
        assert (refusal.status_code, refusal.headers["Retry-After"]) == (503, "5")
    serving.says("a websocket ended by an outage: '/database/': database: OperationalError")
    assert "Traceback" not in serving.whole_log()


class TestFlaws:
    """A check of ours that cannot be done, a version of a library not being the one it expects, is reported and no more."""

    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch):
        monkeypatch.setattr(canaries, "FLIGHT_SECONDS", 0.1)
        monkeypatch.setattr(canaries, "SILENT_SECONDS", 0.5)

    def concern(self, redis, break_it, layer_class=RedisPubSubChannelLayer) -> tuple[str, str, bool]:
        """With a library BROKEN after the first flight: what the process says, why it is deaf, and whether it hears."""

        async def run() -> tuple[str, str, bool]:
            layer = layer_class(hosts=[redis.url], prefix="flaws")
            watching = canaries.Canaries()
            watching.canaries.append(Canary(Watched("default", layer), drain=None))
            flying = asyncio.ensure_future(watching.canaries[0].run())
            name = await layer.new_channel()
            await layer.group_add("room", name)
            await first_flight(watching.canaries[0])
            break_it(watching.canaries[0])
            await asyncio.sleep(3 * canaries.SILENT_SECONDS)
            heard = await hears(layer, name, 10)
            assert not flying.done()
            flying.cancel()
            await asyncio.wait({flying})
            return watching.concern(), watching.trouble(), heard

        return asyncio.run(run())

    def test_the_name_that_redis_py_5_0_1_has(self, redis):
        class Older:
            """A connection as that version has it."""

            def __init__(self, connection):
                self.connection = connection
                self._register_connect_callback = connection.register_connect_callback

            def __getattr__(self, name):
                if name == "register_connect_callback":
                    raise AttributeError(name)
                return getattr(self.connection, name)

        def break_it(canary):
            pubsub = canary.watched.layer._get_layer()._shards[0]._pubsub
            pubsub.connection = Older(pubsub.connection)

        assert self.concern(redis, break_it) == ("", "", True)

    @pytest.mark.parametrize("layer_class", [RedisPubSubChannelLayer, RedisChannelLayer])
    @pytest.mark.parametrize("step", ["_fly", "_came_back", "reconnected", "rejoin"])
    def test_each_step_of_the_check(self, redis, step, layer_class):
        def raises(*_, **__):
            raise AttributeError("'Connection' object has no attribute 'nosuch'")

        def break_it(canary):
            setattr(canary if hasattr(canary, step) else canary.watched.rejoining, step, raises)
            canary._rejoin_at_once = True

        concern, trouble, heard = self.concern(redis, break_it, layer_class)
        assert "channel layer 'default': the check of it cannot " in concern
        assert "AttributeError: 'Connection' object has no attribute 'nosuch' (test_canary.py:" in concern
        assert (trouble, heard) == ("", True)

    def test_a_flaw_that_shows_after_an_outage(self, own_redis):
        """What was known of the layer is forgotten: nothing is known of it any more."""

        async def run() -> tuple[str, str]:
            layer = RedisPubSubChannelLayer(hosts=[own_redis.url], prefix="flaws")
            watching = canaries.Canaries()
            watching.canaries.append(canary := Canary(Watched("default", layer), drain=None))
            flying = asyncio.ensure_future(canary.run())
            await first_flight(canary)
            own_redis.stop()
            while not watching.trouble():
                await asyncio.sleep(0.05)
            deaf = watching.trouble()

            async def fly():
                raise TypeError("fly() takes another argument")

            canary._fly = fly
            while not canary.flaws:
                await asyncio.sleep(0.05)
            after = watching.trouble()
            flying.cancel()
            await asyncio.wait({flying})
            return deaf, after

        deaf, after = asyncio.run(run())
        assert "'default': nothing arrived for" in deaf
        assert after == ""

    def test_a_layer_that_cannot_be_watched(self, redis, monkeypatch):
        class Newer(RedisPubSubChannelLayer):
            """Of a version that cannot be changed as this one."""

            group_discard = property(lambda self: None)

        async def run() -> tuple[str, str]:
            watching = canaries.Canaries()
            watching.watch("default", Newer(hosts=[redis.url]))
            await watching.stop()
            return watching.concern(), watching.trouble()

        concern, trouble = asyncio.run(run())
        assert (
            "channel layer 'default': it cannot be watched: AttributeError: property 'group_discard' of "
            in concern
        )
        assert trouble == ""

    def test_a_process_that_was_held_up_counts_as_receiving(self, redis):
        def hold_up(_):
            time.sleep(2 * canaries.SILENT_SECONDS)

        assert self.concern(redis, hold_up) == ("", "", True)
