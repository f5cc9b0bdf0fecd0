"""CHANNEL_LAYERS: what is delivered to whom, and what a channel layer loses in silence."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..findings import CODE, SETTINGS, Found, Place, rule
from ..project import Project
from ..settings import Settings
from ..values import (
    Items,
    Mapping,
    Unknown,
    Value,
    constant,
    get,
    is_certain,
    is_complete,
    text,
)
from .routing import sends

CORE = "channels_redis.core.RedisChannelLayer"
PUBSUB = "channels_redis.pubsub.RedisPubSubChannelLayer"
GROUPS = "channels_stack.groups.RedisGroupsChannelLayer"
ON_REDIS = (CORE, PUBSUB, GROUPS)
IN_MEMORY = "channels.layers.InMemoryChannelLayer"
GROUP_EXPIRY_SECONDS = 86_400  # default of channels_redis; also the longest life of a socket of Daphne
BLOCKING_SECONDS = 5  # how long the core layer waits in BZPOPMIN
# Keys that aioredis knew and redis-py does not.
AIOREDIS_KEYS = (
    "minsize",
    "maxsize",
    "timeout",
    "create_connection_timeout",
    "loop",
    "pool_cls",
    "connection_cls",
    "parser",
)
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1", "0.0.0.0")
WITHOUT_LIMIT_OF_AGE = ("uvicorn", "uvicorn-worker", "gunicorn", "hypercorn", "granian")


@dataclass(frozen=True)
class Layer:
    """One entry of CHANNEL_LAYERS."""

    alias: str
    value: Mapping
    settings: Settings

    @property
    def backend(self) -> str:
        """The dotted path of the class, "" when it is not known."""
        found = text(self.value.items.get("BACKEND")) or ""
        # The package offers the core layer under a short name too.
        return CORE if found == "channels_redis.RedisChannelLayer" else found

    def option(self, name: str) -> Value | None:
        """A value of CONFIG."""
        return get(self.value, "CONFIG", name)

    @property
    def is_configured(self) -> bool:
        """Whether all of CONFIG is known (none counts as known)."""
        config = self.value.items.get("CONFIG")
        return self.value.complete and (config is None or is_complete(config))

    @property
    def hosts(self) -> list[Value]:
        """The entries of ``hosts``; the groups layer takes its only one without a list, too."""
        found = self.option("hosts")
        if self.backend == GROUPS and found is not None and not isinstance(found, Items):
            return [found]
        return found.items if isinstance(found, Items) else []


def layers(project: Project, *backends: str) -> Iterator[Layer]:
    """Every channel layer whose entry can be seen; with these backends, if any are named."""
    for settings in project.settings:
        found = settings["CHANNEL_LAYERS"]
        for alias, value in found.items.items() if isinstance(found, Mapping) else ():
            if isinstance(value, Mapping):
                layer = Layer(str(alias), value, settings)
                if not backends or layer.backend in backends:
                    yield layer


def address(host: Value) -> Value | None:
    """The URL of an entry of ``hosts``, which is a URL or a dictionary with one."""
    return (
        get(host, "address") or get(host, "url")
        if isinstance(host, (Mapping, Unknown)) and host.items
        else host
    )


def host_and_port(host: Value | None) -> tuple[str, int] | None:
    """Where an entry of ``hosts`` or a cache's LOCATION is; None when that is not known."""
    if isinstance(host, Items) and len(host.items) >= 2:
        name, port = constant(host.items[0]), constant(host.items[1])
    elif isinstance(host, Mapping) and "host" in host.items:
        name, port = constant(host.items["host"]), constant(host.items.get("port")) or 6379
    else:
        url = text(address(host)) if host else None
        if not url or not re.match(r"rediss?://", url):
            return (url, 0) if url and url.startswith("unix://") else None
        try:
            parts = urlsplit(url)
            name, port = parts.hostname, parts.port or 6379
        except ValueError:
            return None
    return (name, port) if isinstance(name, str) and isinstance(port, int) else None


@rule("E301", SETTINGS, deploy=True)
def no_layer(project: Project) -> Found:
    """No channel layer

    In production: self.channel_layer is None, and the first group_add or group_send of a socket ends it with an
    AttributeError.

    Instead: configure one; with channels-stack:
        from channels_stack.layers import channel_layers
        CHANNEL_LAYERS = channel_layers(os.environ["REDIS_URL"], "mysite")
    """
    for settings in project.settings:
        empty = isinstance(settings["CHANNEL_LAYERS"], Mapping) and not get(
            settings["CHANNEL_LAYERS"], "default"
        )
        missing = settings.lacks("CHANNEL_LAYERS") or (empty and is_complete(settings["CHANNEL_LAYERS"]))
        if not missing:
            continue
        for module in project.modules:
            for node in module.nodes:
                used = isinstance(node, ast.Attribute) and node.attr in ("group_add", "group_send")
                if used or (
                    isinstance(node, ast.Call)
                    and module.dotted(node.func) == "channels.layers.get_channel_layer"
                ):
                    value = settings["CHANNEL_LAYERS"]
                    at = value.at if value else settings.place
                    wrong = "CHANNEL_LAYERS has no default" if value else "CHANNEL_LAYERS is not set"
                    yield at, f"{wrong}, but {module.place(node)} uses a layer"
                    break
            else:
                continue
            break


@rule("E302", SETTINGS, deploy=True)
def in_memory_layer(project: Project) -> Found:
    """The in-memory layer

    In production: every process has a layer of its own. A message reaches only the sockets of the process that sent it,
    a worker gets none at all, and nothing says so.

    Instead: configure Redis; with channels-stack:
        from channels_stack.layers import channel_layers
        CHANNEL_LAYERS = channel_layers(os.environ["REDIS_URL"], "mysite")
    """
    for layer in layers(project, IN_MEMORY):
        if not layer.settings.debug and is_certain(layer.value.items["BACKEND"]):
            yield (
                layer.value.items["BACKEND"].at,
                f"CHANNEL_LAYERS[{layer.alias!r}] keeps its messages in the process",
            )


@rule("E303", SETTINGS)
def several_hosts(project: Project) -> Found:
    """More than one host on the core layer

    In production: it sends and receives by different hashes. Measured with two hosts: half of all direct messages and
    five of six jobs were lost, without an error.

    Instead: name one host. A copy for failover is Redis Sentinel's work.
        "hosts": [{"address": REDIS_URL, "socket_timeout": 15, "max_connections": 1000}]
    """
    for layer in layers(project, CORE):
        if len(layer.hosts) > 1:
            yield layer.hosts[1].at, f"CHANNEL_LAYERS[{layer.alias!r}] has {len(layer.hosts)} hosts"


@rule("E304", SETTINGS)
def hosts_as_text(project: Project) -> Found:
    """hosts is not a list

    In production: the first use of the layer raises ValueError: You must pass a list of Redis hosts.

    Instead: write a list, even of one.
        "hosts": [REDIS_URL]
    """
    for layer in layers(project, CORE, PUBSUB):
        found = layer.option("hosts")
        if found and text(found) is not None and found.value:  # type: ignore[union-attr]
            yield found.at, f"hosts of CHANNEL_LAYERS[{layer.alias!r}] is a text"


@rule("E305", SETTINGS)
def aioredis_options(project: Project) -> Found:
    """An option of aioredis

    In production: the first use of the layer raises TypeError: unexpected keyword argument. Since channels-redis 4.0 the
    entries of hosts go to redis-py.

    Instead: use redis-py's names.
        {"address": REDIS_URL, "max_connections": 1000, "socket_timeout": 15, "socket_connect_timeout": 3}
    """
    for layer in layers(project, CORE, PUBSUB):
        for host in layer.hosts:
            for key, value in host.items.items() if isinstance(host, Mapping) else ():
                if key in AIOREDIS_KEYS:
                    yield value.at, f"a host of CHANNEL_LAYERS[{layer.alias!r}] has the option {key!r}"


@rule("W306", SETTINGS)
def dead_callbacks(project: Project) -> Found:
    """on_disconnect and on_reconnect are never called

    In production: nothing happens when Redis restarts: channels-redis has stored these options without using
    them since 4.0. What was sent in between is lost and nothing reports it.

    Instead: delete them. Let the client say what it saw last when it reconnects, and let the consumer compare itself
    with the database from time to time.
    """
    for layer in layers(project, CORE, PUBSUB):
        for name in ("on_disconnect", "on_reconnect"):
            value = layer.option(name)
            if value:
                yield value.at, f"CHANNEL_LAYERS[{layer.alias!r}] sets {name}"


@rule("E307", SETTINGS)
def redis_timeouts(project: Project) -> Found:
    """A core layer without a timeout of its own under redis-py 8

    In production: redis-py 8 gives up reading after 5 s, as long as the layer waits for a message. Every idle socket is
    cut after 5 seconds, and an idle `runworker` ends.

    Instead: give the host as a dictionary with its limits.
        "hosts": [{"address": REDIS_URL, "socket_timeout": 15, "socket_connect_timeout": 3, "max_connections": 1000}]
    """
    for layer in layers(project, CORE):
        if not _may_have_redis_8(project) or not layer.is_configured:
            continue
        hosts = layer.option("hosts")
        if hosts is None:
            yield layer.value.at, f"CHANNEL_LAYERS[{layer.alias!r}] names no hosts"
        for host in layer.hosts:
            if isinstance(host, Unknown) and host.call and not host.variables:
                continue  # made by a function: what it returns is not known
            if isinstance(host, Mapping) and not host.complete:
                continue
            limit = get(host, "socket_timeout") if isinstance(host, Mapping) else None
            seconds = constant(limit)
            if limit is None and "socket_timeout=" not in (text(address(host)) or ""):
                yield (
                    _written(layer, host),
                    f"a host of CHANNEL_LAYERS[{layer.alias!r}] has no socket_timeout",
                )
            elif isinstance(seconds, (int, float)) and seconds <= BLOCKING_SECONDS:
                wrong = (
                    f"socket_timeout of {seconds:g} s is not longer than the {BLOCKING_SECONDS} s of waiting"
                )
                yield (limit or host).at, wrong


def _written(layer: Layer, host: Value) -> Place:
    """Where a host has to be changed: a name such as REDIS_URL was given its value elsewhere."""
    listed = layer.option("hosts")
    if isinstance(host, Mapping) or listed is None:
        return host.at
    return host.at if (listed.at.path, listed.at.line) <= (host.at.path, host.at.line) else listed.at


@rule("W308", SETTINGS)
def redis_connections(project: Project) -> Found:
    """A core layer without max_connections under redis-py 8

    In production: redis-py 8 allows 100 connections, and every concurrent command takes one. Measured: of 300
    simultaneous group_send 200 failed with MaxConnectionsError. A wave of reconnecting sockets is enough.

    Instead: say how many there may be; Redis allows 10,000 to all its clients.
        "hosts": [{"address": REDIS_URL, "socket_timeout": 15, "socket_connect_timeout": 3, "max_connections": 1000}]
    """
    for layer in layers(project, CORE):
        for host in layer.hosts:
            # Where the timeout is missing too, that finding shows the same line to write.
            known = isinstance(host, Mapping) and host.complete and "socket_timeout" in host.items
            if known and _may_have_redis_8(project) and get(host, "max_connections") is None:
                yield host.at, f"a host of CHANNEL_LAYERS[{layer.alias!r}] has no max_connections"


def _may_have_redis_8(project: Project) -> bool:
    return project.packages.may_be("redis", "8") and project.packages.may_be("channels-redis", "4")


@rule("W309", SETTINGS)
def no_prefix(project: Project) -> Found:
    """A layer without a prefix

    In production: its keys and channels begin with "asgi", as those of every other project do. Two projects or two
    environments on one Redis get each other's messages; the number of the database does not keep publish and subscribe
    apart.

    Instead: name the environment.
        "CONFIG": {"hosts": […], "prefix": "mysite-production"}
    """
    for layer in layers(project, *ON_REDIS):
        prefix = layer.option("prefix")
        if layer.is_configured and prefix is None:
            yield layer.value.at, f"CHANNEL_LAYERS[{layer.alias!r}] has no prefix"
        elif prefix is not None and text(prefix) in ("", "asgi"):
            yield prefix.at, f"the prefix of CHANNEL_LAYERS[{layer.alias!r}] is the default one"


@rule("E310", SETTINGS)
def pubsub_for_workers(project: Project) -> Found:
    """Workers on the publish and subscribe layer

    In production: every worker gets every job, so N workers do it N times; with none listening the job is gone.

    Instead: give workers a layer that hands a message to one receiver, and name it where you send.
        CHANNEL_LAYERS = channel_layers(REDIS_URL, "mysite")   # from channels_stack.layers: default and tasks
        await get_channel_layer("tasks").send("thumbnails", {"type": "make", …})
    """
    if not project.has_worker:
        return
    for settings in project.settings:
        found = settings["CHANNEL_LAYERS"]
        if not isinstance(found, Mapping) or not found.complete or not found.items:
            continue
        backends = {layer.alias: layer for layer in layers(project) if layer.settings is settings}
        if len(backends) == len(found.items) and all(layer.backend == PUBSUB for layer in backends.values()):
            yield (
                found.at,
                "the project has a worker, and every layer of CHANNEL_LAYERS is publish and subscribe",
            )


@rule("E311", CODE)
def job_to_pubsub(project: Project) -> Found:
    """A job sent through the publish and subscribe layer

    In production: every worker that listens gets the job and does it; with none listening it is gone.

    Instead: send it through the layer of the workers.
        await get_channel_layer("tasks").send("thumbnails", {"type": "make", …})
    """
    routed = project.worker_channels or {}
    pubsub = {layer.alias for layer in layers(project, PUBSUB)}
    others = {layer.alias for layer in layers(project) if layer.backend != PUBSUB}
    if not pubsub or not others:
        return  # one kind for everything: E310 reports it
    for module, name, call in sends(project):
        alias = _alias(call)
        if name in routed and alias in pubsub:
            yield module.place(call), f"send() to {name!r} uses CHANNEL_LAYERS[{alias!r}]"


def _alias(call: ast.Call) -> str:
    """The layer that ``get_channel_layer(…).send(…)`` uses; "" when that is not known."""
    for node in ast.walk(call.func):
        if isinstance(node, ast.Call) and "get_channel_layer" in ast.dump(node.func):
            if not node.args and not node.keywords:
                return "default"
            first = node.args[0] if node.args else node.keywords[0].value
            return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""
    return ""


@rule("E312", SETTINGS)
def cluster(project: Project) -> Found:
    """A channel layer on Redis Cluster

    In production: the core layer runs scripts over several keys, which a cluster refuses (CROSSSLOT, MOVED); neither
    layer has a client for a cluster.

    Instead: use a single Redis, with Sentinel or a managed failover if you need one.
    """
    for layer in layers(project, CORE, PUBSUB):
        for host in layer.hosts:
            url = text(address(host)) or text(get(host, "host")) or ""
            if re.match(r"[a-z+]*cluster[a-z+]*://", url) or re.search(r"(^|@|/)clustercfg\.", url):
                yield host.at, f"a host of CHANNEL_LAYERS[{layer.alias!r}] is a Redis Cluster"


@rule("W314", SETTINGS)
def group_expiry(project: Project) -> Found:
    """Sockets outlive their groups

    In production: the core layer forgets a member of a group `group_expiry` seconds after it joined, whether its socket
    is open or not. The socket stays open and hears nothing any more. (Daphne hides it: it closes sockets after a day.)

    Instead: use the publish and subscribe layer for groups, which forgets no member:
        CHANNEL_LAYERS = channel_layers(REDIS_URL, "mysite")   # from channels_stack.layers
    or close sockets when they are older than that, or join again with group_add from time to time.
    """
    joins = any(
        isinstance(node, ast.Attribute) and node.attr == "group_add"
        for m in project.modules
        for node in m.nodes
    )
    for layer in layers(project, CORE):
        if layer.alias != "default" or not joins or not layer.is_configured:
            continue
        value = layer.option("group_expiry")
        seconds = constant(value) if value else GROUP_EXPIRY_SECONDS
        if not isinstance(seconds, (int, float)):
            continue
        if seconds < GROUP_EXPIRY_SECONDS and value:
            yield value.at, f"groups are forgotten after {seconds:g} s, sockets live for a day or longer"
        elif seconds == GROUP_EXPIRY_SECONDS and project.packages.asks_for(*WITHOUT_LIMIT_OF_AGE):
            at = value.at if value else layer.value.at
            yield at, "groups are forgotten after a day, and the server sets no limit to the age of a socket"
