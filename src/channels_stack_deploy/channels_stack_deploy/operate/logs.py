"""The logs of every container on every host, in the order of time, as far as they pass the filters."""

from __future__ import annotations

import base64
import heapq
import json
import queue
import re
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..console import Failure, say
from . import follow
from .hosts import Host
from .targets import Target

LEVELS = ("debug", "info", "warning", "error", "critical")
HOLD_SECONDS = 1.0
"""So long is a line kept for an earlier one of another host to come."""

TAIL = 20
"""Lines of each container that are shown at first, unless SINCE says from when."""

NAMED = "DEBUG|INFO|LOG|NOTICE|WARN(?:ING)?|ERROR|FATAL|CRITICAL|PANIC|ALERT|EMERG"
WORDS = re.compile(rf"\b({NAMED})\b", re.IGNORECASE)
AS_LEVEL = {
    **dict.fromkeys(("log", "notice"), "info"),
    "warn": "warning",
    **dict.fromkeys(("fatal", "panic", "alert", "emerg"), "critical"),
}
FRONT = re.compile(
    rf"(?:\[(?:{NAMED})\] +\(\d+\) : *|\d{{4}}-\d\d-\d\d [\d:.]+ \w+ \[\d+\] (?:{NAMED}): +|(?:{NAMED}):? +)"
)
"""What HAProxy, PostgreSQL and plain lines begin with, and what is shown of it already: the level, the time."""
SHOWN = ("timestamp", "level", "logger", "message", "service", "exception")
"""Fields of a line of the application that have a place of their own."""


@dataclass(frozen=True)
class Filter:
    """What is shown."""

    level: str = ""
    """This one or worse."""
    request: str = ""
    """The id of a request or of a connection."""
    release: str = ""

    def __post_init__(self) -> None:
        if self.level and self.level not in LEVELS:
            raise Failure(f"LEVEL={self.level} is none of {', '.join(LEVELS)}")

    @property
    def requests(self) -> tuple[str, ...]:
        """The id as it was given, and as a trace has it (docs/how-to/tracing.md): without hyphens, or with them."""
        try:
            identity = uuid.UUID(self.request)
        except ValueError:
            return (self.request,)
        return (self.request, str(identity), identity.hex)

    def passes(self, text: str) -> bool:
        """Whether the line TEXT of a container does."""
        if self.request and not any(each in text for each in self.requests):
            return False
        return not self.level or LEVELS.index(level(text)) >= LEVELS.index(self.level)


def level(text: str) -> str:
    """How bad a line is: by what it says itself; of the edge's, a request that was answered 5xx is an error."""
    fields = parsed(text)
    if "level" in fields:
        named = str(fields["level"]).lower()
    elif isinstance(status := fields.get("status"), int):
        return "error" if status >= 500 else "warning" if status >= 400 else "info"
    else:
        match = WORDS.search(text[:200])
        named = match[1].lower() if match else "info"
    named = AS_LEVEL.get(named, named)
    return named if named in LEVELS else "info"


def parsed(text: str) -> dict[str, object]:
    """The fields of a line that is JSON."""
    if not text.startswith("{"):
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def readable(text: str) -> str:
    """A line for people: what is JSON without its brackets, the rest as it is. What it has of further lines is indented."""
    return _readable(text).replace("\n", "\n    ")


def _readable(text: str) -> str:
    fields = parsed(text)
    if "message" in fields:
        message = str(fields["message"])
        # What the message contains already is not repeated.
        more = "  ".join(
            f"{key}={value}"
            for key, value in fields.items()
            if key not in SHOWN and str(value) not in message
        )
        exception = "\n".join(["", *str(fields.get("exception", "")).splitlines()])
        return (
            f"{str(fields.get('level', '')).upper():<7} {fields.get('logger', '')}: {message}  {more}".rstrip()
            + exception
        )
    if fields.get("event") == "request":
        seen = (
            f"{fields.get('method')} {fields.get('path')} {fields.get('status')} {fields.get('total_ms')} ms"
        )
        return f"{level(text).upper():<7} {seen}  request_id={fields.get('request_id')}  client={fields.get('client')}"
    return f"{level(text).upper():<7} {FRONT.sub('', text, count=1) if FRONT.match(text) else text}"


def show(
    target: Target,
    services: str,
    chosen: Filter,
    *,
    since: str = "",
    tail: str = "",
    following: bool = True,
    raw: bool = False,
) -> None:
    """Print what passes, until there is no more or the reader has enough."""
    names = Names(target)
    if chosen.release and chosen.release not in {*names.releases.values()}:
        there = ", ".join(sorted({*names.releases.values()} - {""})) or "none that is known"
        raise Failure(f"no container of release {chosen.release} is there; of: {there}")
    # What a filter looks for may be far back.
    first = tail or ("" if since or chosen != Filter() else str(TAIL))
    arguments = [target.label, services.replace(",", " "), since, first, "follow" if following else ""]
    for at, host, identity, service, text in merged(target.hosts, arguments):
        if chosen.passes(text) and chosen.release in ("", names.release(identity)):
            place = names.place(host, identity, service)
            if raw:
                say(text)
            else:
                say(f"{at[:23]}Z {place:<{names.width}}  {readable(text)}")


class Names:
    """How containers are called, and whose release they are; asked again when one is new."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.look(target)

    def look(self, target: Target) -> None:
        self.names = {each.identity: each.name for each in target.containers}
        self.releases = target.release_of()
        self.several = len(target.hosts) > 1
        self.width = max(
            [len(self.place(each.host.name, each.identity, each.service)) for each in target.containers],
            default=8,
        )

    def place(self, host: str, identity: str, service: str) -> str:
        """HOST and container."""
        name = self.names.get(identity, service)
        return f"{host} {name}" if self.several else name

    def release(self, identity: str) -> str:
        """The release of a container."""
        if identity not in self.releases:
            fresh = Target(**{name: getattr(self.target, name) for name in Target.__dataclass_fields__})
            self.look(fresh)
            self.releases.setdefault(identity, "")
        return self.releases[identity]


Line = tuple[str, str, str, str, str]
"""Time, host, container, service, text."""


def merged(hosts: Sequence[Host], arguments: list[str]) -> Iterator[Line]:
    """The lines of all HOSTS in the order of their time."""
    program = base64.b64encode(Path(follow.__file__).read_bytes()).decode()
    code = f"import base64, sys; exec(compile(base64.b64decode('{program}'), 'follow.py', 'exec'))"
    arrived: queue.Queue[tuple[float, Line] | None] = queue.Queue(50000)
    processes = [
        subprocess.Popen(
            host.command(["python3", "-c", code, *arguments]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C ends the reader, and with it their standard input
        )
        for host in hosts
    ]
    for host, process in zip(hosts, processes, strict=True):
        threading.Thread(target=read, args=(host, process, arrived), daemon=True).start()
    try:
        yield from in_order(arrived, len(hosts))
    finally:
        for process in processes:
            if process.stdin:
                process.stdin.close()


def read(host: Host, process: subprocess.Popen[str], arrived: queue.Queue[tuple[float, Line] | None]) -> None:
    """Hand on what one host says; how it ended, where that was not as it should be."""
    assert process.stdout and process.stderr
    for text in process.stdout:
        at, identity, service, line = json.loads(text)
        arrived.put((time.monotonic(), (at, host.name, identity, service, line)))
    complaint = process.stderr.read()
    if process.wait() > 0:
        print(f"{host.name}: no more logs: {' '.join(complaint.split())[-300:]}", file=sys.stderr, flush=True)
    arrived.put(None)


def in_order(arrived: queue.Queue[tuple[float, Line] | None], open_ends: int) -> Iterator[Line]:
    """What ARRIVED, by its own time, when it has waited for HOLD_SECONDS or all OPEN_ENDS have ended."""
    waiting: list[tuple[Line, float]] = []
    while open_ends or waiting:
        left = waiting[0][1] + HOLD_SECONDS - time.monotonic() if waiting and open_ends else 0.0
        try:
            # With nothing to hand on it waits for what comes; with something ripe it only takes what is there.
            item = arrived.get(block=not waiting or left > 0, timeout=max(left, 0.001) if waiting else None)
        except queue.Empty:
            if left <= 0:
                yield heapq.heappop(waiting)[0]
            continue
        if item is None:
            open_ends -= 1
        else:
            heapq.heappush(waiting, (item[1], item[0]))
