"""HAProxy's workers that may have websockets open, each by the secret that it puts into its handshakes (X-Edge-Worker).

After a reload the former worker stays for what it has open, until its EDGE_RELOAD_TIMEOUT is over, or until too many
have come after it. By the secret the application knows whose websockets are to be closed, and that the request is the edge's.
"""

from __future__ import annotations

import math
import os
import re
import sys
import time
from dataclasses import dataclass

from . import leaving, settings
from .haproxy import STATE

FILE = STATE / "workers"
"""A line for each, the oldest first: its secret, and the second of time.time() at which HAProxy cuts it (inf: it is the current
one; -inf: its websockets are closed)."""

SPREAD_SECONDS = 2.0
"""Websockets that a reload displaces are closed over this time before it: the reload waits so long."""

NOTICE_SECONDS = 10.0
"""So long before a former worker's time is over, its websockets are closed: more than two checks of the supervisor."""


@dataclass(frozen=True)
class Worker:
    """One worker."""

    secret: str
    cut: float = math.inf


def most() -> int:
    """How many former workers stay alongside the current one: with one reload more the oldest is cut.

    As haproxy.cfg says. An operator's own may say nothing: then none counts as displaced.
    """
    match = re.search(r"^\s+mworker-max-reloads (\d+)", settings.RULES.read_text(), re.MULTILINE)
    return int(match[1]) if match else sys.maxsize


def new_secret() -> str:
    """A secret that no worker has had."""
    return os.urandom(16).hex()


def known() -> list[Worker]:
    """The workers that may be there, the oldest first."""
    rows = [line.split() for line in FILE.read_text().splitlines()] if FILE.exists() else []
    return [Worker(secret, float(cut)) for secret, cut in rows]


def write(workers: list[Worker]) -> None:
    """Remember WORKERS."""
    new = FILE.with_suffix(".new")
    new.write_text("".join(f"{each.secret} {each.cut}\n" for each in workers))
    new.replace(FILE)


def replaced(secret: str, seconds: float) -> None:
    """A worker with SECRET has taken the place of the current one, which is cut in SECONDS."""
    *former, current = known()
    write([*former, Worker(current.secret, time.time() + seconds), Worker(secret)][-most() - 1 :])


def make_room() -> None:
    """Before a reload: close the websockets of the worker that it displaces, and wait until they are closed."""
    displaced = [each.secret for each in known()[: -most()]]
    if displaced and leaving.tell(SPREAD_SECONDS, displaced):
        time.sleep(SPREAD_SECONDS + leaving.LAST_SECONDS)


def tell_outlived() -> None:
    """Close the websockets of the workers whose time is over within NOTICE_SECONDS, once."""
    workers, now = known(), time.time()
    due = [each for each in workers if now < each.cut < now + NOTICE_SECONDS]
    for each in due:
        leaving.tell((each.cut - now) * leaving.SPREAD, [each.secret])
    if due:
        write([Worker(each.secret, -math.inf) if each in due else each for each in workers])
