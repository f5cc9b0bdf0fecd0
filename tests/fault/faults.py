"""What happens to Redis. Each fault is a coroutine that returns when Redis works again."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import processes
import redis as redis_py
from redis_set import RedisSet

FILLER = b"x" * 10_000


class Redis(processes.Redis):
    """A redis-server, with an append-only file in the folder ``data`` or without any memory of an earlier life."""

    def __init__(self, data: str = "") -> None:
        super().__init__()
        self.data = data

    def start(self) -> None:
        keep = ["--appendonly", "yes", "--dir", self.data] if self.data else ["--appendonly", "no"]
        command = ["redis-server", "--port", str(self.port), "--save", "", "--bind", "127.0.0.1", *keep]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        processes.until(self._answers, what="redis-server answers")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        self.process.wait()

    def client(self) -> redis_py.Redis:
        return redis_py.Redis(port=self.port)

    @property
    def host(self) -> dict:
        """As the manual of channels_redis writes it."""
        return {"address": self.url}

    def _answers(self) -> bool:
        try:
            return bool(self.client().ping())  # an error while it loads its file
        except redis_py.RedisError:
            return False


def restart(seconds: float) -> Callable[[Redis], Awaitable[None]]:
    async def fault(redis: Redis) -> None:
        await asyncio.to_thread(redis.stop)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(redis.start)

    return fault


def pause(seconds: float) -> Callable[[Redis], Awaitable[None]]:
    """As `docker pause` does: connections stay, nobody answers."""

    async def fault(redis: Redis) -> None:
        redis.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        redis.process.send_signal(signal.SIGCONT)

    return fault


async def flush(redis: Redis) -> None:
    redis.client().flushall()


async def kill_clients(redis: Redis) -> None:
    for kind in ("normal", "pubsub"):
        redis.client().client_kill_filter(_type=kind, skipme=True)


async def evict(redis: Redis) -> None:
    """Memory is full, and Redis told to make room: until the groups of the stock server are gone."""
    client = redis.client()
    client.config_set("maxmemory-policy", "allkeys-lru")
    client.config_set("maxmemory", client.info("memory")["used_memory"] + (2 << 20))
    await asyncio.sleep(1.1)  # Redis' clock of use has no finer grain, and the canaries use theirs
    for number in range(5_000):
        client.set(f"filler:{number}", FILLER)
        if number % 50 == 0:
            await asyncio.sleep(0)
            if not list(client.scan_iter(f"{redis.prefix}-stock-core:group:group-*", count=10_000)):
                return
    raise AssertionError("Redis evicts no group")


async def grow_old(redis: Redis) -> None:
    """Nothing happens, for longer than a membership lives."""
    await asyncio.sleep(GROUP_EXPIRY + 5)


async def lose_master(redis: RedisSet) -> None:
    """Its machine is gone."""
    redis.signal(redis.master(), signal.SIGKILL)


async def master_hangs(redis: RedisSet) -> None:
    """Connections to it stay, nobody answers: what a cut network looks like. It wakes up as another is master."""
    name = redis.master()
    redis.signal(name, signal.SIGSTOP)
    asyncio.get_running_loop().call_later(WAKE_SECONDS, redis.signal, name, signal.SIGCONT)


async def master_comes_back(redis: RedisSet) -> None:
    """Its machine is gone and comes back as the master that it was, after another has taken its place."""
    name = redis.master()
    redis.signal(name, signal.SIGKILL)
    other = "there is a new master"
    await asyncio.to_thread(processes.until, lambda: redis.master() not in ("", name), 30, other)
    redis.begin(name)


WAKE_SECONDS = 15
GROUP_EXPIRY = 10
ALL_LAYERS, ONLY_CORE = ("core", "pubsub", "groups"), ("core",)


@dataclass(frozen=True)
class Fault:
    name: str
    inject: Callable[..., Awaitable[None]]
    layers: tuple[str, ...] = ALL_LAYERS
    keeps_data: bool = False
    group_expiry: int = 86_400  # seconds; what channels_redis has by default
    long: bool = False
    sentinel: bool = False  # three servers with Sentinel instead of a single one
    failover: bool = False  # its end is another master
    deafens: bool = False  # stock sockets on the queueing layer, or some of them
    cuts: bool = False  # stock sockets on the queueing layer, and fails handshakes


MASTER_HANGS = Fault("master hangs", master_hangs, sentinel=True, failover=True, long=True)
FAULTS = (
    Fault("pause of 60 s", pause(60), long=True),
    Fault("restart at once, data lost", restart(0), deafens=True),
    Fault("restart of 3 s, data lost", restart(3), cuts=True),
    Fault("restart of 3 s, data kept", restart(3), keeps_data=True, cuts=True),
    Fault("FLUSHALL", flush, deafens=True),
    Fault("CLIENT KILL of all", kill_clients),
    Fault("pause of 0.3 s", pause(0.3)),
    Fault("pause of 3 s", pause(3)),
    Fault("groups evicted", evict, ONLY_CORE, deafens=True),
    Fault("groups expired", grow_old, ONLY_CORE, group_expiry=GROUP_EXPIRY, deafens=True),
    # Long, so that CI leaves them out: a Sentinel that is held up for 2 s does nothing for 30 s (TILT).
    Fault("master lost", lose_master, sentinel=True, failover=True, long=True),
    MASTER_HANGS,
    Fault("master lost and back", master_comes_back, sentinel=True, long=True),
)
