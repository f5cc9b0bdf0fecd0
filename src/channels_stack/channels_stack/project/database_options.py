"""OPTIONS of a database: which of them say where and as whom to connect, and which in a DATABASE_URL are Django's own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..config.environment import FALSE_WORDS, TRUE_WORDS, ConfigurationError, Problem

CONNECTION = frozenset(
    (
        # libpq, section "Parameter Key Words"
        *(
            "service",
            "servicefile",
            "passfile",
            "host",
            "hostaddr",
            "port",
            "dbname",
            "user",
            "password",
            "require_auth",
        ),
        *(
            "requiressl",
            "channel_binding",
            "gssencmode",
            "krbsrvname",
            "gsslib",
            "gssdelegation",
            "requirepeer",
        ),
        *("target_session_attrs", "load_balance_hosts"),
        # MySQLdb
        *("read_default_file", "read_default_group", "unix_socket", "database", "db", "passwd"),
    )
)
"""These go with NAME and HOST, and so does everything about TLS."""

TLS = re.compile(r"_?ssl")

DJANGO = {
    "CONN_MAX_AGE": int,
    "CONN_HEALTH_CHECKS": bool,
    "DISABLE_SERVER_SIDE_CURSORS": bool,
    "ATOMIC_REQUESTS": bool,
    "AUTOCOMMIT": bool,
    "TIME_ZONE": str,
}
"""Parameters of a DATABASE_URL that are no OPTIONS but settings next to them, as django-environ has it."""

KEPT = (*DJANGO, "TEST")
"""What the project says of its database, and keeps wherever the database is."""

PURPOSE = "the database"


def portable(options: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Of ``options`` those that mean the same at another server, and the names of the others."""
    left = [name for name in options if name in CONNECTION or TLS.match(name)]
    return {name: value for name, value in options.items() if name not in left}, left


def read(parameters: Iterable[tuple[str, str]], engine: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What ``parameters`` of a DATABASE_URL say: settings of Django next to OPTIONS, and OPTIONS.

    Raises ConfigurationError for a name that is written like one of Django's and is none, and for a value that is none.
    """
    settings: dict[str, Any] = {}
    options: dict[str, Any] = {}
    problems = []
    for name, value in parameters:
        kind = DJANGO.get(name.upper())
        try:
            if kind is not None:
                settings[name.upper()] = _typed(value, kind)
            elif name == "pool":
                options[name] = _pool(value, engine)
            elif name != name.lower():
                raise ValueError(
                    f"is no parameter that is known here: Django's are {', '.join(DJANGO)} and pool"
                )
            else:
                options[name] = value
        except ValueError as error:
            problems.append(Problem("DATABASE_URL", f"its parameter {name!r} {error}", PURPOSE))
    if problems:
        raise ConfigurationError(problems)
    return settings, {name: value for name, value in options.items() if value is not None}


def _typed(value: str, kind: type) -> Any:
    if kind is bool:
        return _boolean(value)
    if kind is int:
        if value.lower() == "none":  # Django: for ever
            return None
        if not value.isdecimal():
            raise ValueError(f"is {value!r}, but must be a number of seconds, or None")
        return int(value)
    return value


def _boolean(value: str) -> bool:
    if value.lower() not in TRUE_WORDS + FALSE_WORDS:
        raise ValueError(f"is {value!r}, but must be one of: {', '.join(TRUE_WORDS + FALSE_WORDS)}")
    return value.lower() in TRUE_WORDS


def _pool(value: str, engine: str) -> bool | None:
    """True for a pool of psycopg's with its defaults; None for none. Only PostgreSQL has one, since Django 5.1."""
    import django

    if not _boolean(value):
        return None
    if "postg" not in engine or django.VERSION < (5, 1):
        raise ValueError(f"needs PostgreSQL and Django 5.1, here is {engine} and Django {django.__version__}")
    return True
