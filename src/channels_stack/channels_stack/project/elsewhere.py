"""Servers that a project's settings look for in their own container, and that the stack does not bring: a line each.

A search engine, a message broker, a cache: on the machine of whoever wrote the settings each listens at localhost.
Only what is certainly such a server is named, by its scheme, its port or the name of the setting; the parts of the
overlay have moved the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..config import app_redis, compose_hosts
from ..config.app_redis import LOCAL
from .override import Project


@dataclass(frozen=True)
class Server:
    """A kind of server: SCHEMES of its addresses, its usual PORTS, WORDS in the names of its settings."""

    name: str
    schemes: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    words: str = "$."


REDIS = Server("Redis", ("redis", "rediss", "valkey"), ("6379",), r"REDIS|VALKEY|\bRQ_")
SERVERS = (
    REDIS,
    Server("memcached", ("memcached", "memcache", "pymemcache"), ("11211",), "MEMCACHE"),
    Server("RabbitMQ", ("amqp", "amqps", "pyamqp"), ("5672",), "RABBIT|AMQP"),
    Server("Elasticsearch", (), ("9200",), "ELASTIC|OPENSEARCH"),
    Server("Solr", (), ("8983",), "SOLR"),
    Server("Meilisearch", (), ("7700",), "MEILI"),
    Server("Typesense", (), ("8108",), "TYPESENSE"),
    Server("MongoDB", ("mongodb",), ("27017",), "MONGO"),
    Server("Kafka", ("kafka",), ("9092",), "KAFKA"),
    Server("NATS", ("nats",), ("4222",), r"\bNATS"),
    Server("MQTT", ("mqtt", "mqtts"), ("1883", "8883"), "MQTT"),
    Server("StatsD", ("statsd",), ("8125",), "STATSD"),
    Server("InfluxDB", ("influxdb",), ("8086",), "INFLUX"),
    Server("LDAP", ("ldap", "ldaps"), ("389", "636"), "LDAP"),
    Server("Neo4j", ("bolt", "neo4j"), ("7687",), "NEO4J"),
    Server("ClickHouse", ("clickhouse",), ("8123",), "CLICKHOUSE"),
    Server("object store", (), (), r"MINIO|S3_ENDPOINT|S3_URL"),
    Server("Ollama", (), ("11434",), "OLLAMA"),
)

ANY = Server("server")
"""What is on a host of the project's own compose file, whatever it is."""

MOVED = re.compile(
    r"CACHES|DATABASES|CHANNEL_LAYERS|MAILERS|EMAIL_\w+|(CELERY_)?BROKER_URL|(CELERY_)?RESULT_BACKEND|ALLOWED_HOSTS|"
    r"INTERNAL_IPS|CSRF_\w+|CORS_\w+|LOGGING|(CACHE|DATABASE)_URL"
)
"""Settings that a part of the overlay sees to, or that name no server."""

PLAIN = re.compile(r"\w*REDIS_(URL|HOST|SERVER|LOCATION|ADDRESS)")
"""Names from which settings make their layers, broker and cache, and code its own clients."""

URL = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?:[^/@]*@)?(?P<host>\[::1\]|[^/:?#,]*)(?::(?P<port>\d+))?"
)
PLACE = re.compile(r"(?P<host>localhost|127\.0\.0\.1|0\.0\.0\.0|\[?::1\]?)(?::(?P<port>\d+))?")
HOST = re.compile(r"(HOST|SERVER|BROKER|ADDRESS|ENDPOINT|URL|LOCATION)S?('\])?$", re.IGNORECASE)

DEPTH = 5
"""How far into a setting is looked."""

Found = tuple[str, str, Server]
"""(the setting, the host, what is looked for there)."""


def risks(project: Project) -> list[str]:
    """One line for each setting that names a server in this container."""
    place = app_redis.place()
    lines = []
    for name, host, server in found(project):
        if server is not REDIS and compose_hosts.is_one(host):
            lines.append(
                f"{name}: {host} is a service of the project's own compose file, which this stack does not run; "
                "give it the address of one of yours, by a variable in app.env"
            )
        elif server is not REDIS:
            fix = "give it the address of one of yours, by a variable in app.env"
            lines.append(f"{name}: {host} is the container itself, where no {server.name} listens; {fix}")
        elif place is None and PLAIN.fullmatch(name):
            lines.append(
                f"{name}: {host} is the container itself; layers and Celery's broker are moved from there, a client of the "
                f"project's own finds no Redis; {app_redis.FIX}"
            )
        elif place is not None and place.tls:
            lines.append(
                f"{name}: {host} is the container itself; the application's Redis speaks TLS: give it REDIS_URL"
            )
        elif place is None:
            lines.append(f"{name}: {host} is the container itself, where no Redis listens; {app_redis.FIX}")
    return lines


def reached(project: Project) -> list[str]:
    """One line for each setting whose clients reach the application's own Redis although it names this container."""
    place = app_redis.place()
    if place is None or place.tls:
        return []
    return [
        f"{name}: clients of {host} reach the application's Redis, {place.host}"
        for name, host, server in found(project)
        if server is REDIS
    ]


def found(project: Project) -> Iterator[Found]:
    """Every server in this container that PROJECT names, each setting once."""
    for name, value in project.items():
        if name.isupper() and not name.startswith("_") and not MOVED.fullmatch(name):
            neighbours = {"PORT": project.get(re.sub(r"HOSTS?$", "PORT", name))} if "HOST" in name else {}
            seen = set()
            for path, host, server in _within(name, value, neighbours, DEPTH):
                if server not in seen:
                    seen.add(server)
                    yield path, host, server


def _within(path: str, value: Any, neighbours: Mapping[Any, Any], depth: int) -> Iterator[Found]:
    if isinstance(value, str):
        server = _server(path, value, neighbours)
        if server:
            yield path, _host(value), server
    elif depth and isinstance(value, Mapping):
        for key, each in value.items():
            yield from _within(f"{path}[{key!r}]", each, value, depth - 1)
    elif depth and isinstance(value, (list, tuple)):
        for each in value:
            yield from _within(path, each, neighbours, depth - 1)


def _server(path: str, value: str, neighbours: Mapping[Any, Any]) -> Server | None:
    """What is at the other end of VALUE, which the setting PATH holds; None where it is elsewhere, or nothing known."""
    url = URL.match(value)
    match = url or PLACE.fullmatch(value)
    is_of_compose_file = bool(url) and match is not None and compose_hosts.is_one(match["host"])
    if not match or (match["host"].strip("[]") not in LOCAL and not is_of_compose_file):
        return None
    if url and not match["host"] and not match["port"]:
        return None  # a file, or a service without a host
    port = match["port"] or next((str(each) for key, each in neighbours.items() if _is_port(key)), "")
    if url:
        scheme = match["scheme"].partition("+")[0]
        by_scheme = next((server for server in SERVERS if scheme in server.schemes), None)
        if is_of_compose_file:
            return by_scheme or ANY
        if by_scheme or scheme not in ("http", "https", "tcp"):
            return by_scheme
    elif not match["port"] and not HOST.search(path):
        return None
    by_name = next((server for server in SERVERS if re.search(server.words, path.upper())), None)
    return by_name or next((server for server in SERVERS if port in server.ports), None)


def _is_port(key: Any) -> bool:
    return str(key).upper() == "PORT"


def _host(value: str) -> str:
    match = URL.match(value) or PLACE.fullmatch(value)
    return (match["host"] if match else "") or "localhost"
