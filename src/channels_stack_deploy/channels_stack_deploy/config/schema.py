"""The one schema of settings: who reads each, and the words that it takes.

Defaults and meanings are in `compose/stack.env.example`, which a new `stack.env` is a copy of. Everything else about a setting
comes from here or is compared with this by `tests/unit/stack/test_schema.py`: what the application's containers and the edge are
given (so what a change restarts), the reference page, and the settings of the runtime, of haproxy.cfg, of the Compose files and
of the builds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Reader(Enum):
    """Who reads a setting, and so what a change of it does."""

    APPLICATION = "application"
    """Processes of the application: `http`, `ws`, `worker` and the services of APP_COMMANDS are replaced."""
    RELEASE = "release"
    """The jobs of a release: nothing that runs is replaced."""
    EDGE = "edge"
    """The edge, which reloads it: no container is replaced."""
    CONTAINERS = "containers"
    """Definitions of services: those that name it are replaced."""
    BUILD = "build"
    """Builds: services whose image becomes another are replaced."""


APPLICATION, RELEASE, EDGE, CONTAINERS, BUILD = Reader


@dataclass(frozen=True)
class Setting:
    """One setting: its readers and, where it takes one of a few words, these words, the default first."""

    name: str
    readers: tuple[Reader, ...]
    choices: tuple[str, ...] = ()


def _one(name: str, *readers: Reader, choices: tuple[str, ...] = ()) -> Setting:
    return Setting(name, readers, choices)


SETTINGS = (
    _one("DOMAINS", APPLICATION, EDGE, CONTAINERS),
    _one("HTTP_PORT", APPLICATION, CONTAINERS),
    _one("HTTPS_PORT", APPLICATION, EDGE, CONTAINERS),
    _one("BIND_ADDRESS", CONTAINERS),
    _one("EDGE_TRUSTED_HOPS", EDGE),
    _one("EDGE_CLIENT_FROM", EDGE),
    _one("EDGE_TLS_IN_FRONT", EDGE),
    _one("PUBLIC_PORT", APPLICATION, EDGE),
    _one("COMPOSE_PROJECT_NAME", CONTAINERS),
    _one("DEV_PORT", CONTAINERS),
    _one("CERTIFICATE", CONTAINERS, choices=("local", "files", "acme")),
    _one("ACME_EMAIL", CONTAINERS),
    _one("ACME_SERVER", CONTAINERS),
    _one("SECRET_COMMANDS", CONTAINERS),
    _one("ALLOWED_ORIGINS", APPLICATION),
    _one("APP_DIR", BUILD),
    _one("APP_PATH", APPLICATION, BUILD),
    _one("APP_SETTINGS", APPLICATION),
    _one("APP_ASGI", APPLICATION),
    _one("APP_OVERLAY", APPLICATION),
    _one("APP_CHECKS", APPLICATION, choices=("tell", "enforce")),
    _one("APP_REQUIREMENTS", BUILD),
    _one("APP_CONSTRAINTS", BUILD),
    _one("APP_PACKAGES", BUILD),
    _one("APP_BUILD_PACKAGES", BUILD),
    _one("APP_DEBIAN", BUILD),
    _one("APP_VOLUMES", CONTAINERS, BUILD),
    _one("APP_COMMANDS", CONTAINERS),
    _one("APP_REDIS", APPLICATION, CONTAINERS, choices=("", "cache", "queue", "both", "outside")),
    _one("APP_WORKER_CHANNELS", APPLICATION),
    _one("APP_RELEASE_COMMANDS", RELEASE),
    _one("SERVER_HTTP", APPLICATION, CONTAINERS, BUILD, choices=("gunicorn", "uvicorn", "daphne")),
    _one("SERVER_WS", APPLICATION, BUILD, choices=("uvicorn", "gunicorn", "daphne")),
    _one("HTTP_PROCESSES", APPLICATION, CONTAINERS),
    _one("HTTP_CONCURRENCY", APPLICATION, CONTAINERS),
    _one("HTTP_HANDLER", APPLICATION, choices=("pooled", "one-hop", "django")),
    _one("HTTP_REPLICAS", CONTAINERS),
    _one("WS_REPLICAS", CONTAINERS),
    _one("WORKER_REPLICAS", CONTAINERS),
    _one("TRIAL_SECONDS", CONTAINERS),
    _one("DRAIN_NOTICE_SECONDS", APPLICATION),
    _one("DRAIN_SECONDS", APPLICATION),
    _one("STOP_SECONDS", APPLICATION, CONTAINERS),
    _one("WS_MAX_MESSAGE_BYTES", APPLICATION),
    _one("WS_MAX_SOCKETS", APPLICATION),
    _one("WS_MAX_SOCKETS_PER_ADDRESS", APPLICATION),
    _one("WS_MAX_SOCKETS_PER_USER", APPLICATION),
    _one("WS_MESSAGES_PER_SECOND", APPLICATION),
    _one("WS_SESSION_CHECK_SECONDS", APPLICATION),
    _one("WS_PING_SECONDS", APPLICATION),
    _one("WS_THREADS", APPLICATION),
    _one("READY_TIMEOUT_SECONDS", APPLICATION),
    _one("WORKER_PROCESSES", APPLICATION),
    _one("WORKER_CONCURRENCY", APPLICATION),
    _one("WORKER_RETRIES", APPLICATION),
    _one("WORKER_RETRY_SECONDS", APPLICATION),
    _one("EDGE_REQUESTS_PER_10S", EDGE),
    _one("EDGE_HANDSHAKES_PER_10S", EDGE),
    _one("EDGE_CONNECTIONS_PER_ADDRESS", EDGE),
    _one("EDGE_NEW_CONNECTIONS_PER_10S", EDGE),
    _one("EDGE_FLOOD_PER_10S", EDGE),
    _one("EDGE_MAX_BODY_BYTES", EDGE, CONTAINERS),
    _one("EDGE_MAX_HEADER_BYTES", EDGE),
    _one("EDGE_MAX_URI_BYTES", EDGE),
    _one("EDGE_MAXCONN", EDGE),
    _one("EDGE_REQUEST_TIMEOUT", EDGE),
    _one("EDGE_CLIENT_TIMEOUT", EDGE),
    _one("EDGE_STREAM_TIMEOUT", EDGE),
    _one("EDGE_HANDSHAKE_TIMEOUT", EDGE),
    _one("EDGE_TUNNEL_TIMEOUT", EDGE),
    _one("EDGE_RELOAD_TIMEOUT", EDGE),
    _one("EDGE_DRAIN_TIMEOUT", EDGE),
    _one("EDGE_STOP_TIMEOUT", EDGE),
    _one("HTTP_SLOTS", EDGE),
    _one("WS_SLOTS", EDGE),
    _one("STATIC_PREFIX", EDGE),
    _one("EDGE_CACHE_MEGABYTES", EDGE),
    _one("EDGE_HSTS_SECONDS", EDGE),
    _one("EDGE_UPGRADE_INSECURE", EDGE),
    _one("EDGE_CPUS", CONTAINERS),
    _one("EDGE_MEMORY", CONTAINERS),
    _one("HTTP_CPUS", CONTAINERS),
    _one("HTTP_MEMORY", CONTAINERS),
    _one("WS_CPUS", CONTAINERS),
    _one("WS_MEMORY", CONTAINERS),
    _one("WORKER_CPUS", CONTAINERS),
    _one("WORKER_MEMORY", CONTAINERS),
    _one("REDIS_CPUS", CONTAINERS),
    _one("REDIS_MEMORY", CONTAINERS),
    _one("REDIS_MAXMEMORY", CONTAINERS),
    _one("APP_REDIS_CPUS", CONTAINERS),
    _one("APP_REDIS_MEMORY", CONTAINERS),
    _one("REDIS_NODES", CONTAINERS, choices=("1", "3", "0")),
    _one("DB_NODES", CONTAINERS, choices=("1", "0")),
    _one("DB_CPUS", CONTAINERS),
    _one("DB_MEMORY", CONTAINERS),
    _one("BACKUP_REPOSITORY", CONTAINERS),
    _one("BACKUP_HOURS", CONTAINERS),
    _one("BACKUP_FULL_DAYS", CONTAINERS),
    _one("BACKUP_KEEP_DAYS", CONTAINERS),
    _one("BACKUP_WAL_SECONDS", CONTAINERS),
    _one("MONITORING", EDGE, CONTAINERS, BUILD, choices=("off", "on")),
    _one("MONITORING_PORT", CONTAINERS),
    _one("MONITORING_DAYS", CONTAINERS),
    _one("TRUSTED_PROXIES", APPLICATION),
    _one("REDIS_PREFIX", APPLICATION),
    _one("LOG_LEVEL", APPLICATION),
    _one("LOG_FORMAT", APPLICATION, choices=("json", "text")),
    _one("TRACING", APPLICATION, BUILD),
    _one("TRACING_PERCENT", APPLICATION),
    _one("REDIS_IMAGE", CONTAINERS, BUILD),
    _one("DB_IMAGE", CONTAINERS, BUILD),
    _one("DB_PACKAGES", BUILD),
    _one("BASE_IMAGE", BUILD),
    _one("DEBIAN_MIRROR", BUILD),
    _one("BUILD_NETWORK", BUILD),
)
"""In the order of stack.env.example."""

NAMES = tuple(setting.name for setting in SETTINGS)

CHOICES = {setting.name: setting.choices for setting in SETTINGS if setting.choices}
"""Settings that take one of a few words, the default first."""


def read_by(*readers: Reader) -> frozenset[str]:
    """The names of the settings that any of READERS reads."""
    return frozenset(setting.name for setting in SETTINGS if set(readers) & set(setting.readers))
