"""The part `layers` of the overlay: CHANNEL_LAYERS on the stack's Redis, and the project's own where others can reach them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from ..config import app_redis, compose_hosts
from ..config.app_redis import LOCAL
from ..config.settings import Settings
from ..layers import config as layers
from ..stores import sentinels
from . import databases
from .override import Found, Override, Project, replaced, setting


def find(project: Project, settings: Settings) -> Found:
    """Layers that more than this process can reach are the project's own choice, and stay."""
    own = project.get("CHANNEL_LAYERS") or {}
    lost = [
        alias
        for alias, layer in own.items()
        if not _reachable(layer, settings.redis_url)
        or _on_applications(layer, settings)
        or _in_database_of(project, layer)
    ]
    if own and not lost:
        patient = {alias: _patient(layer, settings.redis_url) for alias, layer in own.items()}
        yield from setting(
            project, "CHANNEL_LAYERS", patient, "the project's own, with time limits that keep silent sockets"
        )
        return
    ours = layers.channel_layers(settings.redis_url, settings.redis_prefix)
    value = {alias: _patient(layer, settings.redis_url) for alias, layer in own.items() if alias not in lost}
    for alias in [*lost, *({"default", "tasks"} - own.keys())]:
        stock = ours["tasks"] if alias == "tasks" else _another(ours["default"], alias)
        value[alias] = _moved(own.get(alias) or {}, stock) if alias != "tasks" else stock
        keys = (own.get(alias, {}).get("CONFIG") or {}).get("symmetric_encryption_keys")
        if keys and alias != "tasks":
            keys = replaced(keys, project.get("SECRET_KEY"), settings.secret_key)
            value[alias]["CONFIG"]["symmetric_encryption_keys"] = keys
    default = value["default"]
    if "default" not in own or "default" in lost:
        if "tasks" not in own and settings.app_worker_channels:
            # The project knows one layer, for groups and for jobs.
            if default["BACKEND"] in SINGLE:
                default["BACKEND"] = SINGLE[default["BACKEND"]]
                default["CONFIG"]["jobs"] = list(settings.app_worker_channels)
            else:
                del value["tasks"]  # a class of the project's own sends them where it sends everything
    elif "tasks" not in own:
        del value["tasks"]
    changes = [
        f"{alias} was {_described(own[alias])}, {_class_change(own[alias], value[alias])}" for alias in lost
    ]
    yield Override("CHANNEL_LAYERS", value, f"REDIS_URL; {'; '.join(changes) or 'there was none'}")


GROUPS_LAYER = "channels_stack.groups.RedisGroupsChannelLayer"
SINGLE = {
    "channels_redis.pubsub.RedisPubSubChannelLayer": "channels_stack.single_layer.SingleLayer",
    "channels_redis.core.RedisChannelLayer": "channels_stack.single_layer.SingleQueueingLayer",
    GROUPS_LAYER: "channels_stack.groups.single.SingleGroupsLayer",
}
"""Class of a layer -> the same that hands jobs to the layer `tasks`."""


def _moved(own: Mapping[str, Any], stock: Mapping[str, Any]) -> dict[str, Any]:
    """OWN on the server of the STOCK layer: a class on Redis stays, code may count on it; any other becomes STOCK's."""
    if not _on_redis(own):
        return {**stock}
    config = stock["CONFIG"] if own["BACKEND"] == stock["BACKEND"] else {"prefix": stock["CONFIG"]["prefix"]}
    config = {**config, **(own.get("CONFIG") or {}), "hosts": stock["CONFIG"]["hosts"]}
    return {"BACKEND": own["BACKEND"], "CONFIG": config}


def _on_redis(layer: Mapping[str, Any]) -> bool:
    return "redis" in str(layer.get("BACKEND", "")).lower()


def _class_change(own: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    before, after = (str(layer.get("BACKEND", "")) for layer in (own, now))
    if before.startswith("channels_redis."):
        return f"{before} stays ({GROUPS_LAYER} loses no event to a broken connection)"
    return f"{before} stays" if _on_redis(own) and before == after else f"{after} instead of {before}"


def _another(layer: dict[str, Any], alias: str) -> dict[str, Any]:
    """A layer like ``layer`` that shares nothing with it."""
    config = layer["CONFIG"]
    prefix = config["prefix"] if alias == "default" else f"{config['prefix']}{alias}."
    return {**layer, "CONFIG": {**config, "prefix": prefix}}


def _reachable(layer: Mapping[str, Any], redis_url: str) -> bool:
    """Whether the other processes of the stack can be behind ``layer``: not in memory, not on this container.

    The stack's own Redis is reached under its whole address only, which holds the password.
    """
    backend = str(layer.get("BACKEND", ""))
    if "InMemory" in backend:
        return False
    if "redis" not in backend.lower():
        return not _names_this_container(layer.get("CONFIG") or {})
    hosts = (layer.get("CONFIG") or {}).get("hosts") or [("localhost", 6379)]
    given = [hosts] if isinstance(hosts, (str, dict)) else hosts
    if sentinels.is_behind(redis_url):
        # An address of Sentinels is nothing that redis-py reads, and none of the servers is always the master.
        behind = sentinels.Sentinels(redis_url)
        ours = (behind.master, *(host for host, _ in behind.places))
        return all(
            _is_ours(host, redis_url) or host_of(_address(host)) not in (*LOCAL, *ours) for host in given
        )
    addresses = [_address(host) for host in given]
    single = urlsplit(redis_url).hostname
    return all(
        address == redis_url
        or not (host_of(address) in (*LOCAL, single) or compose_hosts.is_one(host_of(address)))
        for address in addresses
    )


PLACES = ("HOST", "HOSTS", "SERVER", "SERVERS", "ADDRESS", "ADDRESSES")
"""Names under which a layer learns where its server is."""


def _names_this_container(config: Any) -> bool:
    """Whether CONFIG of a layer that is not on Redis has its server here: a broker's address, or the settings of a database."""
    return any(host in LOCAL or compose_hosts.is_one(host) for host in _hosts(config, "", set()))


def _hosts(config: Any, name: str, seen: set[tuple[int, str]]) -> Iterator[str]:
    """The hosts of servers in CONFIG, which stands under NAME; SEEN holds what was looked at, as CONFIG may contain itself."""
    if isinstance(config, str):
        if name.upper() in PLACES:
            yield host_of(config if "://" in config or config in LOCAL else f"//{config}")
        elif "://" in config and not config.startswith(("http://", "https://")):  # those are of pages
            yield host_of(config)
    elif isinstance(config, (Mapping, list, tuple)) and (id(config), name) not in seen:
        seen.add((id(config), name))
        if isinstance(config, Mapping):
            if "ENGINE" in config:
                yield config.get("HOST") or "localhost"
            for inner, value in config.items():
                yield from _hosts(value, str(inner), seen)
        else:
            for each in config:
                yield from _hosts(each, name, seen)


def _in_database_of(project: Project, layer: Mapping[str, Any]) -> bool:
    """Whether LAYER is in the project's own database (channels_postgres, which hands out events several times)."""
    config, default = layer.get("CONFIG") or {}, (project.get("DATABASES") or {}).get("default") or {}
    return "NAME" in config and databases.same_database({"ENGINE": default.get("ENGINE"), **config}, default)


def _on_applications(layer: Mapping[str, Any], settings: Settings) -> bool:
    """Whether ``layer`` is on the application's own Redis, which may throw away what a layer has to keep."""
    own = app_redis.parsed(settings.app_redis_url)
    if own is None or "redis" not in str(layer.get("BACKEND", "")).lower():
        return False
    hosts = (layer.get("CONFIG") or {}).get("hosts") or []
    given = [hosts] if isinstance(hosts, (str, dict)) else hosts
    addresses = [_address(host) for host in given]
    return any(address != settings.redis_url and host_of(address) == own.host for address in addresses)


def _is_ours(host: Any, redis_url: str) -> bool:
    """Whether ``host`` is what ``layers.channel_layers`` makes of ``redis_url``, which names Sentinels."""
    known = host.get("sentinels") if isinstance(host, dict) else None
    return isinstance(known, sentinels.Sentinels) and known.url == redis_url


def _patient(layer: dict[str, Any], redis_url: str) -> dict[str, Any]:
    """``layer`` with hosts that keep a silent socket and outlive a broken connection, where it says nothing of it.

    redis-py 8 gives up after 5 s, which is how long the core layer of channels_redis waits for a message.
    """
    config = layer.get("CONFIG") or {}
    hosts = config.get("hosts") or []
    backend = str(layer.get("BACKEND", ""))
    if not backend.startswith("channels_redis.") or isinstance(hosts, (str, dict)):
        return layer
    changed = [_patient_host(host, redis_url, backend.startswith("channels_redis.core")) for host in hosts]
    return {**layer, "CONFIG": {**config, "hosts": changed}} if changed != list(hosts) else layer


def _patient_host(host: Any, redis_url: str, blocks: bool) -> Any:
    if host == redis_url:
        return layers.redis_host(redis_url)
    if not blocks or not _redis_gives_up():
        return host
    if isinstance(host, dict):
        options = host
    elif isinstance(host, (tuple, list)):
        options = {"host": host[0], "port": host[1]}
    else:
        options = {"address": host}
    return {"socket_timeout": layers.SOCKET_TIMEOUT_SECONDS, **options}


def _address(host: Any) -> str:
    """A host of channels_redis as text: an URL, a pair, or a dictionary with one of them or with sentinels."""
    if isinstance(host, dict):
        if isinstance(host.get("sentinels"), sentinels.Sentinels):
            return _address(host["sentinels"].places[0])
        if host.get("sentinels"):
            return _address(host["sentinels"][0])
        return _address(host.get("address") or host.get("host") or host.get("path") or "")
    return str(host[0]) if isinstance(host, (list, tuple)) else str(host)


def host_of(address: str) -> str:
    """The host in an address: a URL, one with Sentinels, or a bare name. What cannot be read has none."""
    if sentinels.is_behind(address):
        return sentinels.Sentinels(address).places[0][0]
    try:
        return (urlsplit(address).hostname or "") if "://" in address or address.startswith("//") else address
    except ValueError:
        return "an address that cannot be read"


def _described(layer: Mapping[str, Any]) -> str:
    if "InMemory" in str(layer.get("BACKEND", "")):
        return "in memory"
    if not _on_redis(layer):
        return "in this container, in the project's database or on a host of its own compose file"
    hosts = (layer.get("CONFIG") or {}).get("hosts") or ["localhost"]
    first = hosts if isinstance(hosts, (str, dict)) else hosts[0]
    return f"at {host_of(_address(first)) or 'a socket'}, which is not for layers"


def risks(project: Project) -> list[str]:
    """One line for each layer that is on the wrong Redis, or closes idle sockets."""
    lines = []
    own = app_redis.place()
    for alias, layer in (project.get("CHANNEL_LAYERS") or {}).items():
        hosts = (layer.get("CONFIG") or {}).get("hosts") or []
        given = [hosts] if isinstance(hosts, (str, dict)) else hosts
        bare = any(not (isinstance(host, dict) and "socket_timeout" in host) for host in given)
        if own and any(host_of(_address(host)) == own.host for host in given):
            lines.append(
                f"CHANNEL_LAYERS[{alias!r}] is on the application's own Redis, which may throw away what a layer keeps; "
                "take -layers out of APP_OVERLAY, or give it the address in the file REDIS_URL_FILE"
            )
        if str(layer.get("BACKEND", "")).startswith("channels_redis.core") and bare and _redis_gives_up():
            lines.append(
                f"CHANNEL_LAYERS[{alias!r}]: redis-py 8 ends a socket that is idle for 5 s; write its host as "
                '{"address": ..., "socket_timeout": 15}, or pin redis<8'
            )
    return lines


def _redis_gives_up() -> bool:
    if find_spec("redis") is None:
        return False
    import redis

    return int(redis.__version__.split(".")[0]) >= 8
