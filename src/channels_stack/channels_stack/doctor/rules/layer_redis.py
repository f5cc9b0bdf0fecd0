"""The Redis of the channel layers: who else uses it, where it is, and what encrypts what is in it."""

from __future__ import annotations

from ..findings import SETTINGS, Found, rule
from ..project import Project
from ..values import Items, Mapping, Value, get, same, text, variables_of
from .layers import CORE, LOCAL_HOSTS, ON_REDIS, address, host_and_port, layers


@rule("W313", SETTINGS)
def layer_and_cache(project: Project) -> Found:
    """Channel layer and cache in one Redis

    In production: a full cache evicts the members or the history of groups in silence or, with noeviction, makes every
    send() fail; clearing it empties the queues. Another database number changes none of this.

    Instead: give the cache a Redis of its own, whose maxmemory-policy is allkeys-lru; the layer's is noeviction. Here:
        APP_REDIS=cache   # in stack.env
    """
    for settings in project.settings:
        caches = settings["CACHES"]
        places = [
            (alias, location)
            for alias, cache in (caches.items.items() if isinstance(caches, Mapping) else ())
            if "redis" in (text(get(cache, "BACKEND")) or "").lower()
            for location in _locations(get(cache, "LOCATION"))
        ]
        hosts = [
            host for layer in layers(project, *ON_REDIS) if layer.settings is settings for host in layer.hosts
        ]
        for alias, location in places:
            if any(_same_redis(host, location) for host in hosts):
                yield location.at, f"CACHES[{alias!r}] is in the Redis of the channel layer"


def _locations(value: Value | None) -> list[Value]:
    return value.items if isinstance(value, Items) else [value] if value else []


def _same_redis(host: Value, location: Value) -> bool:
    one, other = host_and_port(host), host_and_port(location)
    if one and other:
        return one == other
    url = address(host)
    if url is None:
        return False
    used = variables_of(url)
    return same(url, location) or bool(used and used == variables_of(location))


@rule("W315", SETTINGS)
def encryption_with_secret_key(project: Project) -> Found:
    """SECRET_KEY encrypts the messages of the layer

    In production: a rotation of SECRET_KEY makes messages of the other processes unreadable. They are lost; on the layers
    of channels_redis one also ends the consumer or the worker's listener that receives it.

    Instead: use keys of their own; the first encrypts, all decrypt.
        "symmetric_encryption_keys": [os.environ["LAYER_KEY"]]
    """
    for layer in layers(project, *ON_REDIS):
        keys = layer.option("symmetric_encryption_keys")
        secret = layer.settings["SECRET_KEY"]
        if not isinstance(keys, Items):
            continue
        for key in keys.items:
            if secret is not None and (
                same(key, secret) or (variables_of(key) and variables_of(key) == variables_of(secret))
            ):
                yield keys.at, f"CHANNEL_LAYERS[{layer.alias!r}] is encrypted with SECRET_KEY"


@rule("W316", SETTINGS, deploy=True)
def local_redis(project: Project) -> Found:
    """Redis on this machine

    In production: in a container 127.0.0.1 is the container itself. Every handshake fails with a ConnectionError.

    Instead: take the address from the environment.
        os.environ["REDIS_URL"]
    """
    for layer in layers(project, *ON_REDIS):
        if layer.backend != CORE and layer.is_configured and layer.option("hosts") is None:
            yield layer.value.at, f"CHANNEL_LAYERS[{layer.alias!r}] names no hosts, so it is on localhost"
        for host in layer.hosts:
            found = host_and_port(host)
            if found and found[0] in LOCAL_HOSTS and not variables_of(host) and not layer.settings.imported:
                yield host.at, f"CHANNEL_LAYERS[{layer.alias!r}] is on {found[0]}"
