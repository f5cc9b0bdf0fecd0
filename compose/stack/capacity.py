"""What follows from how many requests are worked on at once, and whether it fits together: database, uploads, memory.

The runtime keeps to the same numbers: `slots`, `databases` and `uploads` in src/channels_stack/channels_stack.
"""

from __future__ import annotations

import re

Problem = tuple[str, str, str]
"""(what was looked at, what is wrong, the way out), as in preflight."""

USABLE = 97
"""Connections that PostgreSQL takes by default: max_connections is 100, three of them for the superuser."""

APART = 4
"""Connections of a process of http besides HTTP_CONCURRENCY: of what only waits (2), one to spare, the readiness check's."""

COPIES = {"gunicorn": 2, "uvicorn": 2, "daphne": 3}
"""How often a body stands in /tmp by server: the body, the uploaded file, and what Twisted has received."""

RESERVE = 16
"""Mebibytes of /tmp for everything else."""

OPEN_PER_SLOT = 64
"""Requests that a replica may have open for each of its slots: most of them only wait, some 100 KiB each."""

UNITS = {"": 1 / 1024**2, "K": 1 / 1024, "M": 1, "G": 1024}


def processes(settings: dict[str, str]) -> int:
    """Processes of an http container."""
    return int(settings["HTTP_PROCESSES"]) if settings["SERVER_HTTP"] == "gunicorn" else 1


def derived(settings: dict[str, str]) -> dict[str, str]:
    """What the definitions and the edge take besides the settings: HTTP_TMP (size of /tmp) and HTTP_MAXCONN."""
    slots = processes(settings) * int(settings["HTTP_CONCURRENCY"])
    whole = RESERVE + slots * upload(settings)
    room = max(least(settings), min(whole, int(mebibytes(settings["HTTP_MEMORY"]) / 2)))
    return {"HTTP_TMP": f"{room}m", "HTTP_MAXCONN": str(slots * OPEN_PER_SLOT)}


def upload(settings: dict[str, str]) -> int:
    """Mebibytes that the largest body takes in /tmp."""
    return -(-COPIES[settings["SERVER_HTTP"]] * int(settings["EDGE_MAX_BODY_BYTES"]) // 1024**2)


def least(settings: dict[str, str]) -> int:
    """Mebibytes of /tmp in which each process has room for one body of the largest size."""
    return RESERVE + processes(settings) * upload(settings)


def connections(settings: dict[str, str]) -> dict[str, int]:
    """Connections that one replica of each service may hold."""
    channels = max(1, len(settings["APP_WORKER_CHANNELS"].split()))
    return {
        "http": processes(settings) * (int(settings["HTTP_CONCURRENCY"]) + APART),
        "ws": int(settings["WS_THREADS"]) + 2,
        "worker": int(settings["WORKER_PROCESSES"]) * (int(settings["WORKER_CONCURRENCY"]) * channels + 1),
    }


def problems(settings: dict[str, str]) -> list[Problem]:
    """What does not fit together, one line each."""
    rows: list[Problem] = []
    held = connections(settings)
    # While a release rolls, a new replica takes over the work of an old one, which keeps its connections for a moment.
    rolling = max(held.values())
    wanted = rolling + sum(
        each * int(settings[f"{service.upper()}_REPLICAS"]) for service, each in held.items()
    )
    if settings["DB_NODES"] == "1" and wanted > USABLE:
        sums = " + ".join(
            f"{service} {settings[f'{service.upper()}_REPLICAS']} x {each}" for service, each in held.items()
        )
        rows.append(
            (
                "database",
                f"up to {wanted} connections ({sums} + {rolling} while a release rolls), and PostgreSQL takes {USABLE}",
                "lower HTTP_CONCURRENCY, HTTP_PROCESSES, WS_THREADS or the *_REPLICAS, or DB_NODES=0 and a larger database",
            )
        )
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
