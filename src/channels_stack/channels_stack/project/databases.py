"""The part `database` of the overlay: the database that DATABASE_URL names, whatever the project's own settings say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from ..config import compose_hosts
from ..config.environment import ConfigurationError, Problem
from ..config.settings import Settings
from . import database_options, libraries
from .kept_connections import kept as kept_connections
from .override import Found, Override, Project

ENGINES = {
    "postgresql": "django.db.backends.postgresql",
    "postgis": "django.contrib.gis.db.backends.postgis",
    "mysql": "django.db.backends.mysql",
    "sqlite": "django.db.backends.sqlite3",
}
"""Database backends by vendor, which is also the scheme of a DATABASE_URL."""

ADDRESS = ("NAME", "USER", "PASSWORD", "HOST", "PORT")
"""What makes two databases the same one."""

CONNECT_SECONDS = 5


def find(project: Project, settings: Settings) -> Found:
    """`default`, and each other name of the same database."""
    yield from libraries.find(project)
    given = project.get("DATABASES") or {}
    own = given.get("default") or {}
    wanted = database(settings.database_url)
    left: list[str] = []
    parameters = wanted["OPTIONS"]
    if same_database(own, wanted):
        tls = {name: value for name, value in wanted["OPTIONS"].items() if database_options.TLS.match(name)}
        options = {**(own.get("OPTIONS") or {}), **tls}
        if tls and options != own.get("OPTIONS"):
            value = {**given, "default": {**own, "OPTIONS": options}}
            yield Override("DATABASES", value, f"DATABASE_URL says {', '.join(tls)}")
        return
    if vendor(own) == vendor(wanted):
        # A backend of its own kind (PostGIS, tenants, metrics) and its options stay.
        wanted["ENGINE"] = own["ENGINE"]
        portable, left = database_options.portable(own.get("OPTIONS") or {})
        wanted["OPTIONS"] = {**portable, **parameters}
    elif ".gis." in str(own.get("ENGINE")) and vendor(wanted) == "postgresql":
        wanted["ENGINE"] = ENGINES["postgis"]
    same = [alias for alias, each in given.items() if alias != "default" and _is_copy(each, own)]
    others = {alias: moved(given[alias], {**wanted, "OPTIONS": parameters}) for alias in same}
    wanted.update(kept_connections(settings, wanted))
    # The URL's own parameters win; CONN_MAX_AGE is ours to say.
    kept = {name: own[name] for name in database_options.KEPT if name in own}
    before, after = _shown(own), _shown(wanted)
    if before == after:  # that of its own compose file, on a host of the same name
        before, after = (
            f"{_shown(each)} ({each.get('NAME')} as {each.get('USER')})" for each in (own, wanted)
        )
    value = {**given, "default": {**kept, **wanted}, **others}
    without = (
        f"; without its OPTIONS {', '.join(left)}, which say where and as whom to connect" if left else ""
    )
    also = f"; so is {', '.join(map(repr, same))}, which is the same one" if same else ""
    yield Override(
        "DATABASES", value, f"DATABASE_URL, {after}, instead of {before}{without}{also}", before=own
    )


def _is_copy(config: Mapping[str, Any], own: Mapping[str, Any]) -> bool:
    """Whether CONFIG is the database OWN under another name, or a replica of it that is in the project's compose file alone."""
    host = str(config.get("HOST") or "")
    # A replica has its master's users, and a name of its own only as a host.
    there = (
        {**config, "HOST": own.get("HOST"), "PORT": own.get("PORT")} if compose_hosts.is_one(host) else config
    )
    return same_database(there, own)


def moved(own: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """OWN, which names a database, at the address of WANTED: whatever else it says stays, but it keeps no connections.

    What the processes may keep, and the limit of the server, are reckoned for `default` alone.
    """
    engine = own.get("ENGINE") if vendor(own) == vendor(wanted) else wanted["ENGINE"]
    portable, _ = database_options.portable(own.get("OPTIONS") or {})
    address = {name: wanted[name] for name in ADDRESS}
    options = {**portable, **wanted["OPTIONS"]}
    return {**own, **address, "ENGINE": engine, "CONN_MAX_AGE": 0, "OPTIONS": options}


def _shown(config: Mapping[str, Any]) -> str:
    """What CONFIG, one of Django's DATABASES, is and where, without a secret."""
    return f"{vendor(config) or 'no database'}{' on ' + config['HOST'] if config.get('HOST') else ''}"


def database(url: str) -> dict[str, Any]:
    """A database of Django from ``url``: postgresql, postgis, mysql or sqlite. Raises ConfigurationError.

    Parameters in the query become OPTIONS, but for Django's own (CONN_MAX_AGE), which are next to them.
    """
    purpose, example = "the database", "postgresql://app:password@db:5432/app"
    try:
        parts = urlsplit(url)
        scheme = {"postgres": "postgresql", "pgsql": "postgresql", "sqlite3": "sqlite"}.get(
            parts.scheme, parts.scheme
        )
        engine = ENGINES[scheme]
        memory = engine == ENGINES["sqlite"] and parts.netloc == ":memory:"
        port = None if memory else parts.port
    except (KeyError, ValueError):
        wrong = f"is no URL of a database that is known here: {', '.join(ENGINES)}"
        raise ConfigurationError([Problem("DATABASE_URL", wrong, purpose, example)]) from None
    settings, options = database_options.read(parse_qsl(parts.query, keep_blank_values=True), engine)
    if engine != ENGINES["sqlite"]:
        options.setdefault("connect_timeout", CONNECT_SECONDS)
    return {
        "ENGINE": engine,
        "NAME": ":memory:" if memory else unquote(parts.path[1:]),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": "" if memory else parts.hostname or "",
        "PORT": port or "",
        **settings,
        "OPTIONS": options,
    }


def vendor(config: Mapping[str, Any]) -> str:
    """The database that CONFIG, one of Django's DATABASES, is: postgresql, mysql, sqlite; "" for another."""
    engine = str(config.get("ENGINE") or "")
    known = {
        "postg": "postgresql",
        "mysql": "mysql",
        "mariadb": "mysql",
        "sqlite": "sqlite",
        "spatialite": "sqlite",
    }
    return next((vendor for part, vendor in known.items() if part in engine), "")


def same_database(own: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether both are one database, as the same user."""
    same = all(str(own.get(name) or "") == str(wanted.get(name) or "") for name in ADDRESS)
    return same and vendor(own) == vendor(wanted)
