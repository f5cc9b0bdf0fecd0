"""The pages with a live part: what each shows, gathered on request, and never more than a screen of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, Callable
from urllib.parse import urlencode

from django.template.loader import render_to_string

from . import jobs as kept
from . import plots
from .stack import Unavailable, address, healths, stack

ROWS = 50
MOST_PROCESSES = 200  # shown; a stack has some tens

Query = Mapping[str, str]
Facts = dict[str, Any]


@dataclass(frozen=True)
class Page:
    """``facts`` gathers what its template shows. A page with ``search`` has a field for that."""

    name: str
    title: str
    facts: Callable[[Query], Awaitable[Facts]]
    search: str = ""

    def render(self, facts: Facts) -> str:
        """The live part. Its links are relative: a websocket does not know under which path the pages are."""
        return render_to_string(f"channels_stack_console/_{self.name}.html", facts)


async def overview(query: Query) -> Facts:
    """Processes, plots of the last hour, health of layers and databases."""
    facts: Facts = {"healths": await healths()}
    try:
        here = stack()
        reports, slots = await asyncio.gather(here.processes(), here.series())
    except Unavailable as reason:
        return {**facts, "unavailable": str(reason)}
    troubles = [
        (address(each), name, text) for each in reports for name, text in each.get("troubles", {}).items()
    ]
    return {
        **facts,
        "plots": plots.drawn(slots, reports),
        "processes": reports[:MOST_PROCESSES],
        "more_processes": len(reports) - MOST_PROCESSES,
        "troubles": troubles[:ROWS],
        "releases": sorted(Counter(each.get("release", "") for each in reports).items()),
        "sockets": sum(each["sockets"] for each in reports if each["state"] != "silent"),
    }


async def sockets(query: Query) -> Facts:
    """Open websockets, newest first."""
    search, user, name, layer = (query.get(each, "")[:200] for each in ("q", "user", "group", "layer"))
    group = (layer, name) if name else ()
    before = _cursor(query, (float, str, int))
    try:
        here = stack()
        asked = [address(each) for each in await here.processes() if each["service"] != "worker"]
        # One more than are shown: whether there are more.
        answers = await here.ask(
            asked, "sockets", search=search, user=user, group=group, before=before, limit=ROWS + 1
        )
    except Unavailable as reason:
        return {"unavailable": str(reason)}
    rows = sorted((tuple(row) for each in answers.replies.values() for row in each["rows"]), reverse=True)
    names = ("opened", "process", "number", "user", "key", "client", "path")
    older = _link(query, rows[ROWS - 1][:3]) if len(rows) > ROWS else ""
    return {
        "rows": [dict(zip(names, row)) for row in rows[:ROWS]],
        "open": sum(each["open"] for each in answers.replies.values()),
        "fitting": sum(each["fitting"] for each in answers.replies.values()),
        "filtered": bool(search or user or group),
        "user": user,
        "group": name,
        "older": older,
        "missing": answers.missing,
    }


async def groups(query: Query) -> Facts:
    """Groups in the order of their names, with their members in all processes."""
    search, after = query.get("q", "")[:200], _cursor(query, (str, str))
    try:
        here = stack()
        asked = [address(each) for each in await here.processes() if each["service"] != "worker"]
        answers = await here.ask(asked, "groups", search=search, after=after, limit=ROWS + 1)
    except Unavailable as reason:
        return {"unavailable": str(reason)}
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for reply in answers.replies.values():
        for name, alias, members, offset in reply["rows"]:
            group = found.setdefault(
                (name, alias), {"name": name, "layer": alias, "members": 0, "processes": 0, "offset": None}
            )
            group["members"] += members
            group["processes"] += 1
            group["offset"] = max(
                (each for each in (group["offset"], offset) if each is not None), default=None
            )
    # Each process has named its first ones: of those up to the first page's end, none is missing.
    rows = [found[key] for key in sorted(found)]
    older = _link(query, (rows[ROWS - 1]["name"], rows[ROWS - 1]["layer"])) if len(rows) > ROWS else ""
    return {"rows": rows[:ROWS], "older": older, "missing": answers.missing, "filtered": bool(search)}


async def jobs(query: Query) -> Facts:
    """The jobs of each worker channel, and the newest dead letters: never what one holds."""
    reported: set[str] = set()
    with contextlib.suppress(Unavailable):
        reported = {channel for each in await stack().processes() for channel in each["backlog"]}
    try:
        place = kept.jobs()
        channels = await kept.channels(place, reported)
        chosen = query.get("channel", "")
        names = [chosen] if chosen in channels else [name for name, census in channels.items() if census.dead]
        rows = await kept.heads(place, names, query.get("from", "")[:50], ROWS + 1)
    except Unavailable as reason:
        return {"unavailable": str(reason)}
    older = ""
    if len(rows) > ROWS:
        older = "?" + urlencode({"channel": chosen, "from": rows[ROWS - 1].entry})
    return {
        "channels": channels,
        "rows": rows[:ROWS],
        "chosen": chosen if chosen in channels else "",
        "older": older,
    }


PAGES = {
    page.name: page
    for page in (
        Page("overview", "Overview", overview),
        Page("sockets", "Sockets", sockets, search="User, path or address"),
        Page("jobs", "Jobs", jobs),
        Page("groups", "Groups", groups, search="Part of a group's name"),
    )
}


def _cursor(query: Query, kinds: tuple[Callable[[Any], Any], ...]) -> list[Any]:
    """Where the page before has ended; empty for the first one, and for what makes no sense."""
    try:
        values = json.loads(query.get("from", "[]")[:1000])
        return [kind(value) for kind, value in zip(kinds, values)] if len(values) == len(kinds) else []
    except (ValueError, TypeError, OverflowError, RecursionError):
        return []


def _link(query: Query, cursor: Any) -> str:
    kept = {name: value for name, value in query.items() if name in ("q", "user", "group", "layer")}
    return "?" + urlencode({**kept, "from": json.dumps(list(cursor), separators=(",", ":"))})
