"""One Redis, in every form in which a project of Channels writes it down, as keywords for a connection pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ..layers.config import redis_host
from ..stores.sentinels import SCHEME

DEFAULT = ("localhost", 6379)


def options(hosts: Any) -> dict[str, Any]:
    """Keywords for ``Connections``, with the time limits and retries of ``layers.redis_host`` where HOSTS has none.

    ``hosts`` is a list with one Redis, or that Redis itself: an address (redis://, rediss://, unix://, redis+sentinel://),
    a pair (host, port), or a dictionary of redis-py's keywords, with the address under "address", or as channels_redis
    writes Sentinels ("sentinels", "master_name"). Raises ValueError for anything else, and for more than one.
    """
    single = [DEFAULT] if hosts is None else [hosts] if isinstance(hosts, (str, Mapping)) else list(hosts)
    if len(single) != 1:
        raise ValueError(
            f"RedisGroupsChannelLayer: hosts names {len(single)} servers; the layer uses one Redis, which may be "
            f"behind Sentinel ({SCHEME}://user:password@host,host,host/master)"
        )
    (host,) = single
    if isinstance(host, str):
        return redis_host(host)
    if isinstance(host, Mapping):
        return _of_keywords(dict(host))
    if isinstance(host, Sequence) and len(host) == 2:
        return {**redis_host(""), "host": host[0], "port": host[1]}
    raise ValueError(
        f"RedisGroupsChannelLayer: hosts has a {type(host).__name__} where an address, a pair (host, port) or a "
        "dictionary of redis-py's options is expected"
    )


def _of_keywords(given: dict[str, Any]) -> dict[str, Any]:
    if "sentinels" in given and "master_name" in given:
        return {**redis_host(_sentinel_address(given)), **given}
    known = redis_host(given.get("address") or "")
    if given.get("path"):
        known.pop("socket_keepalive", None)  # redis-py's unix connection does not know it
    return {**known, **given}


def _sentinel_address(given: dict[str, Any]) -> str:
    """The address of Sentinels that channels_redis' keywords name; these keywords are taken out of GIVEN."""
    places = given.pop("sentinels")
    master, database = given.pop("master_name"), given.pop("db", 0)
    login = dict(given.pop("sentinel_kwargs", None) or {})
    user = given.pop("username", None) or login.get("username") or ""
    password = given.pop("password", None) or login.get("password") or ""
    credentials = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user or password else ""
    hosts = ",".join(f"{host}:{port}" for host, port in places)
    return f"{SCHEME}://{credentials}{hosts}/{quote(master, safe='')}/{database}"
