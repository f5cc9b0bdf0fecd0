"""The data stores: one of each, three Redis with Sentinel, external ones (REDIS_NODES, DB_NODES), and the
application's own Redis (APP_REDIS)."""

from __future__ import annotations

from pathlib import Path

from ..console import Failure
from ..paths import COMPOSE, Deployment
from . import concurrency

PLACES = "sentinel,sentinel-2,sentinel-3"
"""Where clients of three Redis ask: the services of compose.sentinel.yml."""

SENTINELS = f"{PLACES}/redis/0"
"""The same with the master's name and the database."""

PLAIN, BEHIND = "redis://app:", "redis+sentinel://app:"

APPLICATION = "redis-app"
"""The service of the application's own Redis."""

KEEPING = {"cache": ("allkeys-lru", "no"), "queue": ("noeviction", "yes"), "both": ("volatile-lru", "yes")}
"""APP_REDIS -> what a full one throws away (maxmemory-policy), and whether it is on disk (appendonly)."""


def files(settings: dict[str, str]) -> list[Path]:
    """The overlays for what differs from one of each."""
    names = []
    if settings["REDIS_NODES"] != "1":
        names.append("sentinel" if settings["REDIS_NODES"] == "3" else "outside-redis")
    if settings["DB_NODES"] == "0":
        names.append("outside-db")
    if settings["APP_REDIS"]:
        names.append("app-redis")
    if settings["APP_REDIS"] == "outside":
        names.append("outside-app-redis")
    return [COMPOSE / f"compose.{name}.yml" for name in names]


def measured(settings: dict[str, str]) -> list[Path]:
    """The overlays of MONITORING: exporters of external data stores differ."""
    if settings["MONITORING"] == "off":
        return []
    outside = {"DB_NODES": "monitoring.outside-db", "REDIS_NODES": "monitoring.outside-redis"}
    names = ["monitoring", *(overlay for name, overlay in outside.items() if settings[name] == "0")]
    return [COMPOSE / f"compose.{name}.yml" for name in names]


def services(settings: dict[str, str]) -> list[str]:
    """The services that must be healthy before a release."""
    services = ["db"] if settings["DB_NODES"] != "0" else []
    if settings["REDIS_NODES"] == "3":
        number = ("", "-2", "-3")
        services += [f"{kind}{each}" for kind in ("redis", "sentinel") for each in number]
    elif settings["REDIS_NODES"] == "1":
        services.append("redis")
    if settings["APP_REDIS"] in KEEPING:
        services.append(APPLICATION)
    return services


def derived(settings: dict[str, str]) -> dict[str, str]:
    """What the definition of the application's Redis takes besides the settings."""
    policy, on_disk = KEEPING.get(settings["APP_REDIS"], KEEPING["cache"])
    # A quarter is left for the buffers of clients and, where it is on disk, for pages that change while its file is rewritten.
    usable = int(concurrency.mebibytes(settings["APP_REDIS_MEMORY"]) * 3 / 4)
    return {
        "APP_REDIS_MAXMEMORY": f"{usable}mb",
        "APP_REDIS_POLICY": policy,
        "APP_REDIS_APPENDONLY": on_disk,
    }


def redis_url(settings: dict[str, str], password: str) -> str:
    """The address of a Redis that is made here."""
    if settings["REDIS_NODES"] == "3":
        return f"{BEHIND}{password}@{SENTINELS}"
    return f"{PLAIN}{password}@redis:6379/0"


def app_redis_url(password: str) -> str:
    """The address of the application's Redis that is made here: without a user, whom old clients do not know."""
    return f"redis://:{password}@{APPLICATION}:6379/0"


def check(deployment: Deployment, settings: dict[str, str]) -> None:
    """Hold the two URLs against the settings. Failure with every contradiction; no password is shown."""
    problems = []
    redis = _read(deployment.secrets / "redis_url")
    database = _read(deployment.secrets / "database_url")
    if redis is None or database is None:
        return  # another user made them, and they were looked at then
    ours = f"@{PLACES}" in redis or "@redis:" in redis
    if settings["REDIS_NODES"] == "0" and (not redis or ours):
        problems.append(
            "REDIS_NODES=0, but secrets/redis_url names no Redis outside the stack: write its address there"
        )
    if settings["REDIS_NODES"] == "3" and redis and not redis.startswith(BEHIND):
        problems.append(
            f"REDIS_NODES=3, but secrets/redis_url names one Redis: write {BEHIND}PASSWORD@{SENTINELS} there, with the "
            "password that it has now"
        )
    if settings["REDIS_NODES"] == "1" and redis.startswith(BEHIND) and ours:
        problems.append(
            f"REDIS_NODES=1, but secrets/redis_url names Sentinels: write {PLAIN}PASSWORD@redis:6379/0 there, with the "
            "password that it has now"
        )
    own = _read(deployment.secrets / "app_redis_url") if settings["APP_REDIS"] else ""
    if settings["APP_REDIS"] == "outside" and own is not None and (not own or f"@{APPLICATION}:" in own):
        problems.append(
            "APP_REDIS=outside, but secrets/app_redis_url names no Redis outside the stack: write its address there"
        )
    if settings["APP_REDIS"] in KEEPING and own and f"@{APPLICATION}:" not in own:
        problems.append(
            f"APP_REDIS={settings['APP_REDIS']}, but secrets/app_redis_url names a Redis outside the stack: write "
            "APP_REDIS=outside, or remove app_redis_url and app_redis_acl, which makes both again"
        )
    if settings["DB_NODES"] == "0" and (not database or "@db:" in database):
        problems.append(
            "DB_NODES=0, but secrets/database_url names no database outside the stack: write its address there"
        )
    if settings["DB_NODES"] == "0" and settings["BACKUP_REPOSITORY"]:
        problems.append(
            "BACKUP_REPOSITORY is set, but the database is external (DB_NODES=0): have it backed up there, and "
            "leave BACKUP_REPOSITORY empty"
        )
    if problems:
        raise Failure("\n".join(problems))


def _read(path: Path) -> str | None:
    """The text of a secret; "" where there is none, None where this user may not read it."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""
    except PermissionError:
        return None
