"""What production sets over a project's settings, part by part.

Settings found in the wild are made for development: DEBUG on, no hosts, no static root, SQLite in the source
tree, an in-memory layer or Redis on 127.0.0.1, a secret key in the repository. A part changes nothing where the
project says the same already, because it reads the environment itself; what remains is reported at each release.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Callable
from urllib.parse import quote

from ..config import app_redis, compose_hosts, development
from ..config.app_redis import LOCAL
from ..config.importing import shown
from ..config.settings import Settings
from ..stores import sentinels
from . import caches, channel_layers, databases, elsewhere, mail, shared_state, static_files
from .channel_layers import host_of
from .override import Found, Override, Project, replaced
from .override import setting as _set

BROKERS = ("redis", "rediss", "amqp", "amqps", "pyamqp")
"""Schemes of Celery's that have a server at the other end."""

DISTINCT_KEY = 20
"""A key so long is found nowhere else by chance; "api" may be a key, and an installed application as well."""


def find(project: Project, settings: Settings, parts: Sequence[str]) -> tuple[Override, ...]:
    """What ``parts`` change in ``project``, the names of a settings module. Raises ConfigurationError."""
    found = (override for part in parts for override in PARTS[part](project, settings))
    return tuple({override.name: override for override in found}.values())  # a later part knows more


def _debug(project: Project, settings: Settings) -> Found:
    why = "on, as the variable DEBUG says" if settings.debug else "off, as in production"
    if not settings.debug and development.places:
        constants = ", ".join(f"{shown(path)}:{line}" for path, line in dict.fromkeys(development.places))
        yield Override("DEBUG", False, f"{why}, and so is what the settings derive from {constants}")
        return
    yield from _set(project, "DEBUG", settings.debug, why)


def _secret_key(project: Project, settings: Settings) -> Found:
    own, key = project.get("SECRET_KEY"), settings.secret_key
    yield from _set(project, "SECRET_KEY", key, "the key of this deployment, the project's own is not used")
    if settings.secret_key_fallbacks:
        older = list(settings.secret_key_fallbacks)
        yield from _set(project, "SECRET_KEY_FALLBACKS", older, "the older keys of this deployment")
    if own == key or len(own or "") < DISTINCT_KEY:
        return
    for name, value in project.items():  # SIMPLE_JWT["SIGNING_KEY"] and the like were made from it
        if name.isupper() and name != "SECRET_KEY":
            yield from _set(project, name, replaced(value, own, key), "held the project's SECRET_KEY")


def _hosts(project: Project, settings: Settings) -> Found:
    if sorted(project.get("ALLOWED_HOSTS") or ()) != sorted(settings.domains):
        yield Override("ALLOWED_HOSTS", list(settings.domains), "DOMAINS")


def _origins(project: Project, settings: Settings) -> Found:
    # The same list is what a websocket's Origin is held to: channels_stack.origins.
    if sorted(project.get("CSRF_TRUSTED_ORIGINS") or ()) != sorted(settings.allowed_origins):
        yield Override("CSRF_TRUSTED_ORIGINS", list(settings.allowed_origins), "ALLOWED_ORIGINS")


def _proxy(project: Project, settings: Settings) -> Found:
    header = ("HTTP_X_FORWARDED_PROTO", "https")
    yield from _set(
        project, "SECURE_PROXY_SSL_HEADER", header, "the edge ends TLS and overwrites this header"
    )


def _cookies(project: Project, settings: Settings) -> Found:
    if not settings.debug:
        for name in ("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE"):
            yield from _set(project, name, True, "the edge speaks HTTPS only")


def _celery(project: Project, settings: Settings) -> Found:
    """Where Celery would look for its broker in this container or process itself, it finds the stack's Redis instead.

    A broker given in code (``Celery(broker=...)``) goes over these settings and stays.
    """
    # Celery replaces itself by a module without a spec, for which find_spec raises.
    if "celery" not in sys.modules and find_spec("celery") is None:
        return
    own = {name: str(project.get(name) or "") for name in ("CELERY_BROKER_URL", "BROKER_URL")}
    lost = [
        name
        for name, url in own.items()
        if url
        and (
            _here(url)
            or _in_memory(url)
            or _is_of_compose_file(url, settings)
            or _is_applications(url, settings)
        )
    ]
    if not any(own.values()):
        lost = ["CELERY_BROKER_URL"]
    server, needed = _for_celery(settings.redis_url)
    for name in lost:
        before = f"{host_of(own[name])}, the container itself" if own[name] else "Celery's own default"
        if _in_memory(own[name]):
            before = "the memory of each process, which no worker shares"
        if compose_hosts.is_one(host_of(own[name])):
            before = f"{host_of(own[name])} of its own compose file"
        if _is_of_compose_file(own[name], settings):
            before = f"{host_of(own[name])} of its own compose file, whose login is another"
        if _is_applications(own[name], settings):
            before = "the application's own Redis, which may throw away what waits"
        before = "the same, which Celery cannot read" if own[name] == settings.redis_url else before
        yield Override(name, server, f"REDIS_URL, instead of {before}")
    if lost:
        name = lost[0].replace("BROKER_URL", "BROKER_TRANSPORT_OPTIONS")
        options = project.get(name) or {}
        if "global_keyprefix" not in options:
            needed["global_keyprefix"] = f"{settings.redis_prefix}.celery."
        if needed:
            yield Override(name, {**options, **needed}, "REDIS_PREFIX, REDIS_URL")
    for name in ("CELERY_RESULT_BACKEND", "RESULT_BACKEND"):
        own_backend = str(project.get(name) or "")
        of_compose_file = _is_of_compose_file(own_backend, settings) or (
            _here(own_backend) and compose_hosts.is_one(host_of(own_backend))
        )
        before = "that of its own compose file" if of_compose_file else "the container itself"
        if in_memory := _in_memory(own_backend):
            before = "the memory of each process, where only the worker finds them"
        lost_here = of_compose_file or in_memory or _here(own_backend)
        if lost_here and (in_memory or own_backend.startswith("redis")) and settings.app_redis_url:
            server, _ = _for_celery(settings.app_redis_url)
            yield Override(name, server, f"APP_REDIS, instead of {before}")
        elif lost_here:
            server, needed = _for_celery(settings.redis_url)
            yield Override(name, server, f"REDIS_URL, instead of {before}")
            if needed:
                name += "_TRANSPORT_OPTIONS"
                yield Override(name, {**(project.get(name) or {}), **needed}, "REDIS_URL")


def _for_celery(redis_url: str) -> tuple[str, dict[str, Any]]:
    """The address that Celery reads, and the transport options that belong to it."""
    if redis_url.startswith("rediss://") and "ssl_cert_reqs=" not in redis_url:
        # Celery refuses a TLS address that does not say so.
        return f"{redis_url}{'&' if '?' in redis_url else '?'}ssl_cert_reqs=required", {}
    if not sentinels.is_behind(redis_url):
        return redis_url, {}
    known = sentinels.Sentinels(redis_url)
    login = {"username": known.username, "password": known.password}
    user, password = (quote(text or "", safe="") for text in login.values())
    servers = [f"sentinel://{user}:{password}@{host}:{port}/{known.database}" for host, port in known.places]
    return ";".join(servers), {"master_name": known.master, "sentinel_kwargs": login}


def _here(url: str) -> bool:
    """Whether ``url`` of a server means this container, or Sentinels; files have no server.

    Services of the project's own compose file are nowhere else either.
    """
    has_server = "://" in url and url.split(":")[0] in BROKERS
    local = has_server and (host_of(url) in LOCAL or compose_hosts.is_one(host_of(url)))
    return local or sentinels.is_behind(url)


def _in_memory(url: str) -> bool:
    """Whether ``url`` of a broker or of results means the memory of each process by itself, as for tests."""
    return url.partition(":")[0] in ("memory", "cache+memory")


def _is_of_compose_file(url: str, settings: Settings) -> bool:
    """Whether ``url`` names the Redis of the project's own compose file: a host that here is the layers', without their login."""
    try:
        place, layers = app_redis.parsed(url), app_redis.parsed(settings.redis_url)
    except ValueError:
        return False
    if place is None or place.host not in app_redis.LAYERS_HOSTS:
        return False
    return layers is None or place.password != layers.password


def _is_applications(url: str, settings: Settings) -> bool:
    """Whether ``url`` of a broker leads to the application's own Redis."""
    own = app_redis.parsed(settings.app_redis_url)
    return (
        own is not None and url.startswith("redis") and url != settings.redis_url and host_of(url) == own.host
    )


def _media(project: Project, settings: Settings) -> Found:
    if str(project.get("MEDIA_ROOT") or "") != settings.media_root:
        yield Override("MEDIA_ROOT", settings.media_root, settings.media_root)


def _logging(project: Project, settings: Settings) -> Found:
    """A log file in the source tree would end every start: no process can write there. Its lines go to the log."""
    own = project.get("LOGGING") or {}
    handlers = own.get("handlers") or {}
    files = [name for name, handler in handlers.items() if _cannot_write(handler.get("filename"))]
    if files:
        console = {
            name: {
                key: value
                for key, value in handlers[name].items()
                if key in ("level", "filters", "formatter")
            }
            for name in files
        }
        changed = {name: {**handler, "class": "logging.StreamHandler"} for name, handler in console.items()}
        why = f"{', '.join(files)} to standard output instead of a file"
        yield Override("LOGGING", {**own, "handlers": {**handlers, **changed}}, why)


def _cannot_write(path: Any | None) -> bool:
    return path is not None and not os.access(os.path.dirname(os.path.abspath(path)), os.W_OK)


PARTS: dict[str, Callable[[Project, Settings], Found]] = {
    "debug": _debug,
    "secret_key": _secret_key,
    "hosts": _hosts,
    "origins": _origins,
    "proxy": _proxy,
    "cookies": _cookies,
    "database": databases.find,
    "layers": channel_layers.find,
    "celery": _celery,
    "redis": caches.find,
    "static": static_files.find,
    "media": _media,
    "mail": mail.find,
    "sessions": shared_state.find,
    "logging": _logging,
}


def risks(project: Project) -> list[str]:
    """What the project keeps and should not: one line each, for the release."""
    lines = [
        *mail.risks(project),
        *shared_state.risks(project),
        *caches.risks(project),
        *elsewhere.risks(project),
        *channel_layers.risks(project),
    ]
    for alias, database in (project.get("DATABASES") or {}).items():
        host = str(database.get("HOST") or "localhost")
        is_of_compose_file = compose_hosts.is_one(host)
        lost = host in LOCAL or is_of_compose_file
        if alias != "default" and databases.vendor(database) in ("postgresql", "mysql") and lost:
            what = (
                "a service of the project's own compose file"
                if is_of_compose_file
                else "the container itself"
            )
            lines.append(
                f"DATABASES[{alias!r}]: {host} is {what}, nothing listens there; give it the host of a server "
                "of yours, by a variable in app.env"
            )
    for alias, cache in (project.get("CACHES") or {}).items():
        places = cache.get("LOCATION") or ""
        for place in [places] if isinstance(places, str) else places:
            if caches.lost_place(cache):
                continue
            host = host_of(place) if "://" in place else place.rpartition(":")[0]
            if host and host in LOCAL:
                lines.append(
                    f"CACHES[{alias!r}]: {host} is the container itself, nothing listens there; name a cache server "
                    "of yours, or django.core.cache.backends.redis.RedisCache at localhost and APP_REDIS=cache"
                )
    return lines
