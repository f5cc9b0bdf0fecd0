"""Redis behind Sentinel: whoever opens a connection asks first which Redis is the master now.

The address is ``redis+sentinel://user:password@host[:port],host[:port]/master[/database]``: the Sentinels, and the
name under which they know the master. User and password are the same for the Sentinels and for Redis.

Neither redis-py's nor channels_redis' own way is used: they come with a pool of their own, in which redis-py before
version 6 repeats an attempt many times on the address of the dead master before it asks again; and they believe a
Sentinel that has not heard yet. Here each attempt asks again, and what was named must call itself a master.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, NoPermissionError, ReadOnlyError, RedisError, ResponseError
from redis.retry import Retry

SCHEME = "redis+sentinel"
EXAMPLE = f"{SCHEME}://app:password@sentinel,sentinel-2,sentinel-3/redis/0"
PORT = 26379
# A Sentinel answers within milliseconds. Of three, the two others are asked within the patience of a handshake.
ASK_SECONDS = 1
# States in which a Sentinel still names a master that is unavailable, or that it has lost sight of.
AWAY = ("s_down", "o_down", "disconnected")


class Sentinels:
    """The Sentinels of an address. Raises ValueError, which does not hold the password, when it is none."""

    def __init__(self, url: str) -> None:
        self.url = url
        parts = urlsplit(url)
        login, _, places = parts.netloc.rpartition("@")
        names = parts.path.strip("/").split("/")
        if parts.scheme != SCHEME or not places or not names[0] or len(names) > 2 or parts.query:
            raise ValueError(f"is not of the form {SCHEME}://user:password@host,host,host/master/database")
        self.places = [_place(place) for place in places.split(",")]
        user, _, password = login.partition(":")
        self.username, self.password = unquote(user) or None, unquote(password) or None
        self.master = unquote(names[0])
        if len(names) == 2 and not names[1].isdecimal():
            raise ValueError(f"has {names[1]!r} for the number of a database")
        self.database = int(names[1]) if len(names) == 2 else 0
        # Not all processes ask the same one; whoever has answered is asked first the next time.
        random.shuffle(self.places)

    def __repr__(self) -> str:
        places = ",".join(f"{host}:{port}" for host, port in self.places)
        return f"<Sentinels of {self.master} at {places}>"

    def options(self, connection_class: type) -> dict[str, Any]:
        """Keywords for a connection pool of redis-py."""
        return {
            "connection_class": connection_class,
            "sentinels": self,
            "username": self.username,
            "password": self.password,
            "db": self.database,
        }

    async def find(self) -> tuple[str, int]:
        """Host and port of the master. Raises redis' ConnectionError when no Sentinel knows one that is there."""
        failures = []
        for host, port in list(self.places):
            client = redis.asyncio.Redis(
                host=host, port=port, retry=AsyncRetry(NoBackoff(), 0), **self._login()
            )
            try:
                return self._found(
                    (host, port), await client.execute_command("SENTINEL", "MASTER", self.master)
                )
            except (RedisError, OSError) as error:
                failures.append(f"{host}:{port}: {error}")
            finally:
                await (client.aclose() if hasattr(client, "aclose") else client.close())
        raise ConnectionError(self._unknown(failures))

    def find_now(self) -> tuple[str, int]:
        """``find`` for sync code."""
        failures = []
        for host, port in list(self.places):
            client = redis.Redis(host=host, port=port, retry=Retry(NoBackoff(), 0), **self._login())
            try:
                return self._found((host, port), client.execute_command("SENTINEL", "MASTER", self.master))
            except (RedisError, OSError) as error:
                failures.append(f"{host}:{port}: {error}")
            finally:
                client.close()
        raise ConnectionError(self._unknown(failures))

    def _login(self) -> dict[str, Any]:
        return {
            "username": self.username,
            "password": self.password,
            "socket_timeout": ASK_SECONDS,
            "socket_connect_timeout": ASK_SECONDS,
            "decode_responses": True,
        }

    def _found(self, place: tuple[str, int], answer: Any) -> tuple[str, int]:
        """The master of a Sentinel's ``answer``: a list of names and values, or a dictionary with RESP3."""
        state: Mapping[str, str] = (
            answer if isinstance(answer, dict) else dict(zip(answer[::2], answer[1::2]))
        )
        flags = state["flags"].split(",")
        if any(flag in flags for flag in AWAY):
            raise ConnectionError(f"{self.master} is unavailable, no other is master yet ({state['flags']})")
        self.places = [place, *(other for other in self.places if other != place)]
        return state["ip"], int(state["port"])

    def _unknown(self, failures: list[str]) -> str:
        return f"no Sentinel knows where {self.master} is: {'; '.join(failures)}"


def _place(text: str) -> tuple[str, int]:
    """Host and port of one Sentinel: a name or an IPv4 address."""
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError("names a Sentinel without a host")
    return parts.hostname, parts.port or PORT


def is_behind(url: str) -> bool:
    """Whether ``url`` is an address of this kind."""
    return url.startswith(f"{SCHEME}://")


def checked(url: str) -> dict[str, bool]:
    """For a TLS address: the certificate must be of that host, which redis-py asks only since version 6."""
    return {"ssl_check_hostname": True} if url.startswith("rediss://") else {}


def client(url: str, **options: Any) -> redis.Redis:
    """A client for ``url`` of any kind, with more ``options`` of redis-py."""
    if not is_behind(url):
        return redis.Redis.from_url(url, **checked(url), **options)
    pool = redis.ConnectionPool(**Sentinels(url).options(Connection), **options)
    return redis.Redis(connection_pool=pool)


def async_client(url: str, **options: Any) -> redis.asyncio.Redis:
    """``client`` for async code."""
    if not is_behind(url):
        return redis.asyncio.from_url(url, **checked(url), **options)
    pool = redis.asyncio.ConnectionPool(**Sentinels(url).options(AsyncConnection), **options)
    return redis.asyncio.Redis(connection_pool=pool)


async def _greet(connection: Any) -> None:
    """What is done on each new connection: log in, and leave again if this is no master."""
    await connection.on_connect()
    await connection.send_command("ROLE")
    with contextlib.suppress(NoPermissionError):  # rules made before Sentinel was thought of do not allow it
        _must_be_master(connection, await connection.read_response())


def _greet_now(connection: Any) -> None:
    connection.on_connect()
    connection.send_command("ROLE")
    with contextlib.suppress(NoPermissionError):
        _must_be_master(connection, connection.read_response())


def _must_be_master(connection: Any, role: Any) -> None:
    if role[0] not in (b"master", "master"):
        raise ConnectionError(f"{connection.host}:{connection.port} is not the master any more")


def _outage(error: ResponseError) -> ConnectionError | None:
    """What an answer of a Redis says that is no master any more, or that is cut off from its replicas."""
    if isinstance(error, ReadOnlyError):
        return ConnectionError("this Redis is not the master any more")
    if "NOREPLICAS" in str(error):
        return ConnectionError("this master has no replica that follows it")
    return None


class AsyncConnection(redis.asyncio.Connection):
    """A connection to the master that ``sentinels`` know."""

    def __init__(self, *, sentinels: Sentinels, **options: Any) -> None:
        super().__init__(redis_connect_func=_greet, **options)
        self.sentinels = sentinels

    async def _connect(self) -> None:
        self.host, self.port = await self.sentinels.find()
        await super()._connect()

    async def read_response(self, *arguments: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*arguments, **options)
        except ResponseError as error:
            outage = _outage(error)
            if outage is None:
                raise
            await self.disconnect()
            raise outage from error


class Connection(redis.Connection):
    """The same for sync code."""

    def __init__(self, *, sentinels: Sentinels, **options: Any) -> None:
        super().__init__(redis_connect_func=_greet_now, **options)
        self.sentinels = sentinels

    def _connect(self) -> Any:
        self.host, self.port = self.sentinels.find_now()
        return super()._connect()

    def read_response(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super().read_response(*arguments, **options)
        except ResponseError as error:
            outage = _outage(error)
            if outage is None:
                raise
            self.disconnect()
            raise outage from error
