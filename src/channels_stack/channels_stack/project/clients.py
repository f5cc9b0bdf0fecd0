"""Clients of Redis that modules of the project have made as they were imported: at which of them nothing listens."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from ..config import app_redis
from ..config.importing import FOREIGN, shown


def lines() -> Iterator[tuple[bool, str]]:
    """For each client at a wrong place whether it reaches the application's Redis all the same, and a line that says so."""
    place = app_redis.place()
    for where, host in found():
        client = f"{where} is a client of Redis at {host}"
        if place is None:
            yield False, f"{client}, where it finds none; {app_redis.FIX}"
        elif place.tls:
            yield (
                False,
                f"{client}, where it finds none; the application's Redis speaks TLS: give it REDIS_URL",
            )
        else:
            yield True, f"{client}: it reaches the application's Redis, {place.host}"


def found() -> Iterator[tuple[str, str]]:
    """``file:line: name`` and host of each such client in the project's own modules, once."""
    seen = set()
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None) or ""
        if not path or path.startswith(FOREIGN):
            continue
        for name, value in list(vars(module).items()):
            options = _options(value)
            if options is None or id(value) in seen:
                continue
            host = str(options.get("host") or "localhost")
            port, password = options.get("port") or app_redis.PORT, str(options.get("password") or "")
            if app_redis.is_lost(host, port, password):
                seen.add(id(value))
                yield f"{shown(path)}:{_line(module, name)}: {name}", host


def _options(value: Any) -> dict[str, Any] | None:
    """What a client of redis-py, or of what was made from it, connects with; None where VALUE is none."""
    if type(value).__module__.partition(".")[0] not in ("redis", "valkey"):
        return None
    pool = getattr(value, "connection_pool", value)
    options = getattr(pool, "connection_kwargs", None)
    return options if isinstance(options, dict) and "path" not in options else None


def _line(module: ModuleType, name: str) -> int:
    """Where MODULE gives NAME a value; 1 where that is not seen."""
    try:
        with open(str(module.__file__), encoding="utf-8") as file:
            for number, text in enumerate(file, 1):
                if text.startswith((f"{name} =", f"{name}=", f"{name}:")):
                    return number
    except (OSError, UnicodeDecodeError):
        pass
    return 1
