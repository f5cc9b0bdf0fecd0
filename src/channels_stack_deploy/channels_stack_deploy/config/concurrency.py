"""What follows from how many requests are worked on at once, and whether it fits together: database, uploads, memory.

The runtime keeps to the same numbers: `slots`, `databases` and `uploads` in src/channels_stack/channels_stack. They are
written twice because the images hold no tool and the tool no image; tests/unit/stack/test_concurrency.py compares them.
"""

from __future__ import annotations

import re

from . import app_services

Problem = tuple[str, str, str]
"""(what was looked at, what is wrong, the fix), as in preflight."""

CONNECTION = 3
"""Mebibytes of DB_MEMORY for each connection. Measured with PostgreSQL 17 of our image: 1.5 for one that has done nothing,
3.2 for one that has read 40 tables and sorted (2.7 of its own, 0.5 of page tables), 5.5 after 150 tables."""

APART_FROM_CONNECTIONS = 192
"""Mebibytes of DB_MEMORY for the rest: shared memory (145 MiB, 128 of them shared_buffers), background processes, some sorts."""

MOST_CONNECTIONS = 1000
"""More than that, PostgreSQL shares among too few cores: it needs a pooler in front."""

RESERVED = 3
"""Of these, PostgreSQL keeps so many for its superuser."""

BY_HAND = 5
"""For what no service holds: the release, a command of manage.py's, psql."""

SPARE = 1
"""Of each process: what looks at the database on a thread of its own."""

READINESS = 1
"""Of each process that visitors reach."""

SHARED_BY_PAGES = 2
"""Of each process of http: threads for the sync code of pages that only wait."""

EACH_COMMAND = 5
"""Of each of APP_COMMANDS, which nothing here bounds."""

COPIES = {"gunicorn": 2, "uvicorn": 2, "daphne": 3}
"""How often a body is in /tmp by server: the body, the uploaded file, and what Twisted has received."""

RESERVE = 16
"""Mebibytes of /tmp for everything else."""

OPEN_PER_SLOT = 64
"""Requests that a replica may have open for each of its slots: most of them only wait, some 100 KiB each."""

UNITS = {"": 1 / 1024**2, "K": 1 / 1024, "M": 1, "G": 1024}


def processes(settings: dict[str, str]) -> int:
    """Processes of an http container."""
    return int(settings["HTTP_PROCESSES"]) if settings["SERVER_HTTP"] == "gunicorn" else 1


def derived(settings: dict[str, str]) -> dict[str, str]:
    """What the definitions and the edge take besides the settings.

    HTTP_TMP: size of /tmp; HTTP_MAXCONN: requests that a replica has open; DB_MAX_CONNECTIONS: of our own PostgreSQL.
    """
    slots = processes(settings) * int(settings["HTTP_CONCURRENCY"])
    whole = RESERVE + slots * upload(settings)
    room = max(least(settings), min(whole, int(mebibytes(settings["HTTP_MEMORY"]) / 2)))
    return {
        "HTTP_TMP": f"{room}m",
        "HTTP_MAXCONN": str(slots * OPEN_PER_SLOT),
        "DB_MAX_CONNECTIONS": str(max_connections(settings)),
    }


def upload(settings: dict[str, str]) -> int:
    """Mebibytes that the largest body takes in /tmp."""
    return -(-COPIES[settings["SERVER_HTTP"]] * int(settings["EDGE_MAX_BODY_BYTES"]) // 1024**2)


def least(settings: dict[str, str]) -> int:
    """Mebibytes of /tmp in which each process has room for one body of the largest size."""
    return RESERVE + processes(settings) * upload(settings)


def connections(settings: dict[str, str]) -> dict[str, int]:
    """Connections that one replica of each service may hold."""
    channels = max(1, len(settings["APP_WORKER_CHANNELS"].split()))
    page = int(settings["HTTP_CONCURRENCY"]) + SHARED_BY_PAGES + SPARE + READINESS
    return {
        "http": processes(settings) * page,
        "ws": int(settings["WS_THREADS"]) + SPARE + READINESS,
        "worker": int(settings["WORKER_PROCESSES"])
        * (int(settings["WORKER_CONCURRENCY"]) * channels + SPARE),
    }


def max_connections(settings: dict[str, str]) -> int:
    """Connections that the stack's own PostgreSQL takes: as many as DB_MEMORY bears.

    Not as many as the services need: a change would restart the database for each new replica.
    """
    bears = (int(mebibytes(settings["DB_MEMORY"])) - APART_FROM_CONNECTIONS) // CONNECTION
    return max(RESERVED + BY_HAND, min(bears, MOST_CONNECTIONS))


def database(settings: dict[str, str]) -> list[Problem]:
    """More connections than the stack's own PostgreSQL takes. Of an external one the limit is not known here."""
    if settings["DB_NODES"] != "1":
        return []
    held = connections(settings)
    replicas = {service: int(settings[f"{service.upper()}_REPLICAS"]) for service in held}
    others = len(app_services.commands(settings)) * EACH_COMMAND + BY_HAND
    # While a release rolls, a new replica takes over the work of an old one, which keeps its connections for a moment.
    rolling = max(held.values())
    wanted = sum(each * replicas[service] for service, each in held.items()) + rolling + others
    usable = max_connections(settings) - RESERVED
    if wanted <= usable:
        return []
    sums = " + ".join(f"{service} {replicas[service]} x {each}" for service, each in held.items())
    problem = (
        f"up to {wanted} connections ({sums} + {rolling} while a release rolls + {others} for commands and by hand), "
        f"and DB_MEMORY={settings['DB_MEMORY']} bears {usable} ({CONNECTION} MiB each, {APART_FROM_CONNECTIONS} for the rest)"
    )
    fewer = "lower HTTP_CONCURRENCY, HTTP_PROCESSES, WS_THREADS or the *_REPLICAS"
    if wanted + RESERVED > MOST_CONNECTIONS:
        return [("database", problem, f"{fewer}, or DB_NODES=0 and a database behind a pooler")]
    memory = APART_FROM_CONNECTIONS + (wanted + RESERVED) * CONNECTION
    return [("database", problem, f"DB_MEMORY={-(-memory // 64) * 64}M, or {fewer}")]


def problems(settings: dict[str, str]) -> list[Problem]:
    """What does not fit together, one line each."""
    rows = database(settings)
    memory = mebibytes(settings["HTTP_MEMORY"])
    if least(settings) > memory / 2:
        rows.append(
            (
                "uploads",
                f"EDGE_MAX_BODY_BYTES={settings['EDGE_MAX_BODY_BYTES']} wants {least(settings)} MiB for files in each "
                f"http container, more than half of HTTP_MEMORY={settings['HTTP_MEMORY']}",
                f"HTTP_MEMORY={2 * least(settings)}M, or fewer HTTP_PROCESSES, or smaller bodies",
            )
        )
    return rows


def mebibytes(size: str) -> float:
    """What the engine understands by SIZE: 512M, 1g, 536870912."""
    found = re.fullmatch(r"(\d+)([kmg]?)b?", size.strip(), re.I)
    return int(found[1]) * UNITS[found[2].upper()] if found else 0.0
