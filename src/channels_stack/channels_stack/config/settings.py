"""The settings of the runtime: one frozen object, read once from the environment.

Every attribute is the lower-case name of an environment variable. Its default is what a process gets that runs without the
stack (`pip install`, a test); stack.env.example holds those of a stack, and tests/unit/stack/test_stack_env.py compares the two.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Union
from urllib.parse import urlsplit

from . import app_redis
from .environment import TRUE_WORDS, Environment

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

OVERLAY_PARTS = (
    "debug",
    "secret_key",
    "hosts",
    "origins",
    "proxy",
    "cookies",
    "database",
    "layers",
    "celery",
    "redis",
    "static",
    "media",
    "mail",
    "sessions",
    "logging",
)

PRIVATE_NETWORKS = ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fd00::/8")
REDIS_SCHEMES = ("redis", "rediss", "unix", "redis+sentinel")
SHORTEST_SECRET_KEY = 50  # characters; the same bound as Django's deployment check security.W009
SHARED_BY_PAGES = 2
"""Threads for the sync code of pages that only wait (``slots``)."""
STOP_MARGIN = 2  # seconds between the last socket closed and STOP_SECONDS, for requests in flight to finish

SERVICE_PORT = 8000
WORKER_HEARTBEAT = "/tmp/worker-heartbeat"  # the worker renews this file, `channels-stack-probe` reads it


@dataclass(frozen=True)
class Settings:
    """What the operator decided. Make one with ``from_environment``."""

    debug: bool
    """The variable DEBUG is on, which `make dev` sets. A project may have variables of that name and other words."""
    app_settings: str
    app_asgi: str
    app_overlay: tuple[str, ...]
    app_checks: str
    app_worker_channels: tuple[str, ...]
    app_release_commands: tuple[str, ...]
    server_http: str
    server_ws: str
    http_processes: int
    http_concurrency: int
    http_handler: str
    domains: tuple[str, ...]
    http_port: int
    https_port: int
    allowed_origins: tuple[str, ...]
    secret_key: str = field(repr=False)
    secret_key_fallbacks: tuple[str, ...] = field(repr=False)
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    redis_prefix: str
    app_redis_url: str = field(repr=False)
    drain_notice_seconds: float
    drain_seconds: float
    stop_seconds: float
    ws_max_message_bytes: int
    ws_max_sockets: int
    ws_max_sockets_per_address: int
    ws_max_sockets_per_user: int
    ws_messages_per_second: float
    ws_session_check_seconds: float
    ws_ping_seconds: float
    ws_threads: int
    ready_timeout_seconds: float
    worker_processes: int
    worker_concurrency: int
    worker_retries: int
    worker_retry_seconds: float
    trusted_proxies: tuple[Network, ...]
    log_level: str
    log_format: str
    tracing: str
    tracing_percent: float
    static_root: str
    media_root: str

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read every setting; raises ConfigurationError with all problems together."""
        env = Environment(environ)
        domains = env.words("DOMAINS", ("localhost",), purpose="host names the stack answers to")
        https_port = _port(env, "HTTPS_PORT", 443)
        # Empty is the example's own value: the port that is published.
        given = env.environ.get("PUBLIC_PORT", "").strip()
        public_port = _port(env, "PUBLIC_PORT", https_port) if given else https_port
        settings = cls(
            debug=asks_for_debug(env.environ),
            app_settings=env.text("APP_SETTINGS", "config.settings", purpose="the Django settings module"),
            app_asgi=_app_asgi(env),
            app_overlay=overlay_parts(env),
            app_checks=env.choice(
                "APP_CHECKS", ("tell", "enforce"), "tell", purpose="what errors of advice do to a release"
            ),
            app_worker_channels=_channels(env),
            app_release_commands=_release_commands(env),
            server_http=env.choice(
                "SERVER_HTTP", ("gunicorn", "uvicorn", "daphne"), "gunicorn", purpose="the server for pages"
            ),
            server_ws=env.choice(
                "SERVER_WS", ("uvicorn", "gunicorn", "daphne"), "uvicorn", purpose="the server for websockets"
            ),
            http_processes=env.integer(
                "HTTP_PROCESSES", 2, minimum=1, maximum=256, purpose="gunicorn processes per http container"
            ),
            http_concurrency=env.integer(
                "HTTP_CONCURRENCY",
                6,
                minimum=1,
                maximum=256,
                purpose="requests that a process works on at once; more of them queue",
            ),
            http_handler=env.choice(
                "HTTP_HANDLER",
                ("pooled", "one-hop", "django"),
                "pooled",
                purpose="how a page gets through Django's middlewares",
            ),
            domains=_domains(env, domains),
            http_port=_port(env, "HTTP_PORT", 80),
            https_port=https_port,
            allowed_origins=_origins(env, domains, public_port),
            secret_key=_secret_key(env),
            secret_key_fallbacks=tuple(env.secret("SECRET_KEY_FALLBACKS", "").split()),
            database_url=_url(env, "DATABASE_URL", "the database", "postgresql://app:password@db:5432/app"),
            redis_url=_redis_url(env),
            redis_prefix=_prefix(env),
            app_redis_url=_app_redis_url(env),
            drain_notice_seconds=env.number(
                "DRAIN_NOTICE_SECONDS", 3, maximum=300, purpose="from not ready to the first closed socket"
            ),
            drain_seconds=env.number(
                "DRAIN_SECONDS", 5, maximum=3600, purpose="the closing of sockets is spread over it"
            ),
            stop_seconds=env.number(
                "STOP_SECONDS",
                25,
                minimum=1,
                maximum=3600,
                purpose="after SIGTERM everything has ended by then",
            ),
            ws_max_message_bytes=env.integer(
                "WS_MAX_MESSAGE_BYTES",
                1 << 20,
                minimum=1024,
                maximum=1 << 30,
                purpose="largest websocket message",
            ),
            ws_max_sockets=env.integer(
                "WS_MAX_SOCKETS", 5_000, minimum=1, maximum=1_000_000, purpose="open sockets per process"
            ),
            ws_max_sockets_per_address=env.integer(
                "WS_MAX_SOCKETS_PER_ADDRESS",
                1000,
                maximum=1_000_000,
                purpose="open sockets of one client address, per process; 0: no limit",
            ),
            ws_max_sockets_per_user=env.integer(
                "WS_MAX_SOCKETS_PER_USER",
                100,
                maximum=1_000_000,
                purpose="open sockets of one signed-in user, per process; 0: no limit",
            ),
            ws_messages_per_second=env.number(
                "WS_MESSAGES_PER_SECOND",
                100,
                maximum=1_000_000,
                purpose="messages that one socket may send; 0: no limit",
            ),
            ws_session_check_seconds=env.number(
                "WS_SESSION_CHECK_SECONDS",
                20,
                maximum=3600,
                purpose="between two checks whether the users of open sockets are still signed in; 0: none",
            ),
            ws_ping_seconds=env.number(
                "WS_PING_SECONDS", 20, minimum=1, maximum=3600, purpose="interval and time limit of pings"
            ),
            ws_threads=env.integer(
                "WS_THREADS",
                8,
                minimum=1,
                maximum=256,
                purpose="threads for sync code of websockets, per process",
            ),
            ready_timeout_seconds=env.number(
                "READY_TIMEOUT_SECONDS", 2, minimum=0.1, maximum=60, purpose="limit of each readiness check"
            ),
            worker_processes=env.integer(
                "WORKER_PROCESSES", 1, minimum=1, maximum=256, purpose="processes per worker container"
            ),
            worker_concurrency=env.integer(
                "WORKER_CONCURRENCY", 1, minimum=1, maximum=1000, purpose="jobs of a channel at a time"
            ),
            worker_retries=env.integer(
                "WORKER_RETRIES", 3, maximum=100, purpose="further attempts at a job that failed"
            ),
            worker_retry_seconds=env.number(
                "WORKER_RETRY_SECONDS",
                5,
                maximum=3600,
                purpose="before the first retry, then doubled each time",
            ),
            trusted_proxies=_networks(env),
            log_level=env.choice(
                "LOG_LEVEL",
                ("debug", "info", "warning", "error", "critical"),
                "info",
                purpose="least level logged",
            ),
            log_format=env.choice("LOG_FORMAT", ("json", "text"), "json", purpose="form of the logs"),
            tracing=_tracing(env),
            tracing_percent=env.number(
                "TRACING_PERCENT", 1, maximum=100, purpose="of the requests, how many have a trace"
            ),
            static_root=env.text("STATIC_ROOT", "/srv/static", purpose="folder of collected static files"),
            media_root=env.text("MEDIA_ROOT", "/srv/media", purpose="folder of uploads"),
        )
        _check_stop(env, settings)
        env.check()
        return settings


def names() -> tuple[str, ...]:
    """The environment names of all settings."""
    return tuple(setting.name.upper() for setting in fields(Settings))


def misspelled(environ: Mapping[str, str] | None = None) -> list[str]:
    """One line for each variable that looks like a setting spelled wrong."""
    known = [name + suffix for name in names() for suffix in ("", "_FILE")]
    lines = []
    for name in sorted(os.environ if environ is None else environ):
        nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
        if nearest and name not in known:
            lines.append(
                f"{name} is not a setting of the stack and has no effect: did you mean {nearest[0]}?"
            )
    return lines


def _port(env: Environment, name: str, default: int) -> int:
    return env.integer(name, default, minimum=1, maximum=65535, purpose="a published port of the edge")


def _app_asgi(env: Environment) -> str:
    purpose = "the ASGI application, as module:attribute"
    value = env.text("APP_ASGI", "config.asgi:application", purpose=purpose)
    module, colon, attribute = value.partition(":")
    if value and not (module and colon and attribute):
        env.refuse(
            "APP_ASGI", f"is {value!r}, but must be module:attribute", purpose, "config.asgi:application"
        )
    return value


def asks_for_debug(environ: Mapping[str, str]) -> bool:
    """Whether the variable DEBUG is on."""
    return environ.get("DEBUG", "").strip().lower() in TRUE_WORDS


def overlay_parts(env: Environment) -> tuple[str, ...]:
    """The parts of APP_OVERLAY that are set over the project's settings; none when it is off."""
    purpose = "what the stack sets over the project's settings: on, off, or -part for each to leave alone"
    words = env.words("APP_OVERLAY", ("on",), purpose=purpose)
    if words == ("off",):
        return ()
    for word in words:
        if word != "on" and word not in [f"-{part}" for part in OVERLAY_PARTS]:
            wrong = f"holds {word!r}, but takes on, off, or any of: -{' -'.join(OVERLAY_PARTS)}"
            env.refuse("APP_OVERLAY", wrong, purpose, "-database -layers")
    return tuple(part for part in OVERLAY_PARTS if f"-{part}" not in words)


def _channels(env: Environment) -> tuple[str, ...]:
    purpose = "channel names the worker consumes"
    channels = env.words("APP_WORKER_CHANNELS", ("reports",), purpose=purpose)
    for channel in sorted({channel for channel in channels if channels.count(channel) > 1}):
        env.refuse("APP_WORKER_CHANNELS", f"names {channel!r} more than once", purpose, "reports thumbnails")
    return channels


def _release_commands(env: Environment) -> tuple[str, ...]:
    purpose = "commands of manage.py that a release runs last, separated by semicolons"
    example = "loaddata rooms; createcachetable"
    text = " ".join(env.words("APP_RELEASE_COMMANDS", (), purpose=purpose))
    commands = tuple(command.strip() for command in text.split(";") if command.strip())
    for command in commands:
        try:
            shlex.split(command)
        except ValueError as error:
            env.refuse("APP_RELEASE_COMMANDS", f"holds {command!r}: {error}", purpose, example)
    return commands


def _domains(env: Environment, domains: tuple[str, ...]) -> tuple[str, ...]:
    purpose = "host names the stack answers to"
    if not domains:
        env.refuse("DOMAINS", "is empty", purpose, "example.org www.example.org")
    for domain in domains:
        if not domain.isascii() or any(mark in domain for mark in "/:*@") or domain.strip(".") != domain:
            wrong = f"holds {domain!r}, but a domain has no scheme, port, star or outer dot, and is ASCII"
            env.refuse("DOMAINS", wrong, purpose, "example.org www.example.org")
    return domains


def _origins(env: Environment, domains: tuple[str, ...], https_port: int) -> tuple[str, ...]:
    purpose = "origins whose pages may open websockets and post forms; empty: derived from DOMAINS"
    port = "" if https_port == 443 else f":{https_port}"
    origins = env.words("ALLOWED_ORIGINS", (), purpose=purpose)
    for origin in origins:
        if not _is_origin(origin):
            wrong = (
                f"holds {origin!r}, but an origin is a scheme and a host, perhaps a port, and nothing else"
            )
            env.refuse("ALLOWED_ORIGINS", wrong, purpose, "https://example.org")
    return origins or tuple(f"https://{domain}{port}" for domain in domains)


def _is_origin(origin: str) -> bool:
    try:
        parts = urlsplit(origin)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return (
        has_port
        and parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and origin == f"{parts.scheme}://{parts.netloc}"
        and "@" not in parts.netloc
    )


def _secret_key(env: Environment) -> str:
    purpose = "signs sessions and tokens"
    wanted = f"use {SHORTEST_SECRET_KEY} or more random characters"
    key = env.secret("SECRET_KEY", purpose=purpose)
    if not key.strip():
        return key
    if key.startswith("django-insecure-"):
        env.refuse("SECRET_KEY", f"is the key that `startproject` made for development: {wanted}", purpose)
    elif len(key) < SHORTEST_SECRET_KEY or len(set(key)) < 5:
        env.refuse("SECRET_KEY", f"is too short or too uniform to be secret: {wanted}", purpose)
    return key


def _url(env: Environment, name: str, purpose: str, example: str) -> str:
    url = env.secret(name, purpose=purpose, example=example).strip()
    if url and not url.partition("://")[2]:
        env.refuse(name, "is not a URL: it needs a scheme, :// and an address", purpose, example)
    return url


def _redis_url(env: Environment) -> str:
    purpose, example = "the Redis of the channel layers", "redis://app:password@redis:6379/0"
    url = _url(env, "REDIS_URL", purpose, example)
    scheme, separator, _ = url.partition("://")
    if separator and scheme not in REDIS_SCHEMES:
        wrong = f"has the scheme {scheme!r}, but must have one of: {', '.join(REDIS_SCHEMES)}"
        env.refuse("REDIS_URL", wrong, purpose, example)
    if scheme == "redis+sentinel":
        from ..stores import sentinels  # the settings themselves need no Redis

        try:
            sentinels.Sentinels(url)
        except ValueError as error:
            env.refuse("REDIS_URL", str(error), purpose, sentinels.EXAMPLE)
    return url


def _app_redis_url(env: Environment) -> str:
    purpose, example = "the application's own Redis", "redis://:password@redis.example.org:6379/0"
    url = env.secret(app_redis.NAME, "").strip()
    try:
        known = app_redis.parsed(url)
    except ValueError:
        known = None
    if url and known is None:
        env.refuse(app_redis.NAME, "is no address of a Redis, redis:// or rediss://", purpose, example)
    return url


def _prefix(env: Environment) -> str:
    purpose = "first part of every key and channel in Redis"
    prefix = env.text("REDIS_PREFIX", "channels-stack", purpose=purpose)
    if len(prefix) > 40 or not all(char.isascii() and (char.isalnum() or char in "-_.") for char in prefix):
        wrong = f"is {prefix!r}, but may hold up to 40 letters, digits, hyphens, underscores and dots"
        env.refuse("REDIS_PREFIX", wrong, purpose, "channels-stack")
    return prefix


def _networks(env: Environment) -> tuple[Network, ...]:
    purpose = "peers whose X-Forwarded-For and X-Forwarded-Proto are believed"
    networks = []
    for word in env.words("TRUSTED_PROXIES", PRIVATE_NETWORKS, purpose=purpose):
        try:
            networks.append(ipaddress.ip_network(word))
        except ValueError as error:
            env.refuse("TRUSTED_PROXIES", f"holds {word!r}: {error}", purpose, "10.0.0.0/8")
    return tuple(networks)


def _tracing(env: Environment) -> str:
    purpose, example = "where traces go: a receiver of OTLP over HTTP; empty: none", "http://collector:4318"
    url = env.environ.get("TRACING", "").strip()
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        fits = False
    if url and not fits:
        env.refuse("TRACING", f"is {url!r}, but must be http:// or https:// and a host", purpose, example)
    elif "@" in url:
        wrong = "holds a user or password: they belong into OTEL_EXPORTER_OTLP_HEADERS, in app.env"
        env.refuse("TRACING", wrong, purpose, example)
    elif url and (parts.query or parts.path.rstrip("/").endswith("/v1/traces")):
        wrong = f"is {url!r}, but takes the address before /v1/traces, and no query"
        env.refuse("TRACING", wrong, purpose, example)
    return url


def _check_stop(env: Environment, settings: Settings) -> None:
    needed = settings.drain_notice_seconds + settings.drain_seconds + STOP_MARGIN
    if settings.stop_seconds < needed:
        wrong = (
            f"is {settings.stop_seconds:g}, but must be at least {needed:g}: "
            f"DRAIN_NOTICE_SECONDS + DRAIN_SECONDS + {STOP_MARGIN}"
        )
        env.refuse("STOP_SECONDS", wrong, "after SIGTERM everything has ended by then")
