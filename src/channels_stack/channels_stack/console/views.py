"""The pages. Each live part is gathered by ``pages``; what changes something asks first, and is written down."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Awaitable
from typing import Any, Callable

from asgiref.sync import async_to_sync
from django.core.exceptions import PermissionDenied
from django.http import Http404, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from . import access, jobs, pages
from .stack import Unavailable, address, stack

audit = logging.getLogger("channels_stack.console")

LONGEST = 500  # characters of a key that a form brings
CHANNEL, ENTRY = re.compile(r"[A-Za-z0-9_.-]{1,100}"), re.compile(r"[0-9]{1,20}-[0-9]{1,20}")


@require_http_methods(["GET", "HEAD"])
@access.required(access.VIEW)
def page(request: Any, name: str) -> Any:
    """A page with a live part."""
    here, query = pages.PAGES[name], request.GET.dict()
    live = here.render(async_to_sync(here.facts)(query))
    context = _frame(here.title, page=here, q=query.get("q", ""), live=live)
    return render(request, "channels_stack_console/page.html", context)


@require_http_methods(["GET", "POST"])
@access.required(access.ACT)
def close(request: Any) -> Any:
    """Close one socket, or all of a user."""
    given = request.POST if request.method == "POST" else request.GET
    user, process, number = (given.get(name, "")[:LONGEST] for name in ("user", "process", "number"))
    if not user and not (process and number.isascii() and number.isdigit()):
        raise Http404("Name a user, or the process and number of a socket.")
    what = f"all sockets of user {user}" if user else f"socket {number} of {process}"
    fields = {"user": user} if user else {"process": process, "number": number}
    details = {"user": user} if user else {"numbers": [int(number)]}
    details["by"] = request.user.get_username()

    async def act() -> tuple[int, list[str]]:
        here = stack()
        every = [address(each) for each in await here.processes() if each["service"] != "worker"]
        asked = [each for each in every if not process or each == process]
        answers = await here.ask(asked, "close", **details)
        return sum(answers.replies.values()), answers.missing

    return _asked(request, "sockets", f"Close {what}", "Close", fields, act)


@require_http_methods(["GET", "HEAD"])
@access.required(access.VIEW)
def letter(request: Any) -> Any:
    """A dead letter; what it holds only where that is asked for, by who may see it."""
    channel, entry = _letter(request.GET)
    reveal = "reveal" in request.GET
    if reveal and not access.may(request.user, access.REVEAL):
        raise PermissionDenied("What dead letters hold is for who has that permission.")
    try:
        found = async_to_sync(_read)(channel, entry)
    except Unavailable as reason:
        return render(
            request,
            "channels_stack_console/done.html",
            _frame("Jobs", what="Dead letter", failed=reason, back="../"),
            status=503,
        )
    if found is None:
        raise Http404("This dead letter is gone.")
    context = _frame("Dead letter", letter=found, size=len(found.body), held=None)
    if reveal:
        audit.info("%s reads the dead letter %s of %s", request.user.get_username(), entry, channel)
        context["held"] = jobs.held(found)
    return render(request, "channels_stack_console/letter.html", context)


async def _read(channel: str, entry: str) -> Any:
    return await jobs.letter(jobs.jobs(), channel, entry)


@require_http_methods(["GET", "POST"])
@access.required(access.ACT)
def settle(request: Any, action: str) -> Any:
    """Retry or drop one dead letter, or all of a channel that there are when this is asked."""
    given = request.POST if request.method == "POST" else request.GET
    channel, entry = _letter(given, "entry" if "entry" in given else "until")
    every = "entry" not in given
    what = f"all dead letters of {channel}" if every else f"the dead letter {entry} of {channel}"
    fields = {"channel": channel, "until" if every else "entry": entry}

    async def act() -> tuple[int, list[str]]:
        one, until = ("", entry) if every else (entry, "")
        return await jobs.step(jobs.jobs(), action, channel, one, until), []

    return _asked(request, "jobs", f"{action.title()} {what}", action.title(), fields, act)


def _letter(given: Any, name: str = "entry") -> tuple[str, str]:
    """The channel and the entry that an address names; 404 for what is neither."""
    channel, entry = given.get("channel", ""), given.get(name, "")
    if not (CHANNEL.fullmatch(channel) and ENTRY.fullmatch(entry)):
        raise Http404("Name the channel and the entry of a dead letter.")
    return channel, entry


def _asked(
    request: Any,
    page: str,
    what: str,
    verb: str,
    fields: dict[str, str],
    act: Callable[[], Awaitable[tuple[int, list[str]]]],
) -> Any:
    """Ask whether to do ``what``; after a POST do it, and write down who has."""
    context = _frame(verb, what=what, back=reverse(f"channels_stack_console:{page}"), fields=fields)
    if request.method == "GET":
        return render(request, "channels_stack_console/confirm.html", context)
    try:
        count, missing = async_to_sync(act)()
    except Unavailable as reason:
        audit.warning("%s: %s: not done: %s", request.user.get_username(), what, reason)
        context["failed"] = reason
        return render(request, "channels_stack_console/done.html", context, status=503)
    audit.info("%s: %s: %d", request.user.get_username(), what, count)
    return render(
        request, "channels_stack_console/done.html", {**context, "count": count, "missing": missing}
    )


@require_http_methods(["GET", "HEAD"])
@access.required(access.VIEW)
def processes(request: Any) -> Any:
    """What every process last reported, for programs; ``at`` is now in Unix seconds."""
    try:
        found = async_to_sync(_processes)()
    except Unavailable as reason:
        return JsonResponse({"error": str(reason)}, status=503)
    return JsonResponse({"at": time.time(), "processes": found})


async def _processes() -> list[dict[str, Any]]:
    return await stack().processes()


def _frame(title: str, **context: Any) -> dict[str, Any]:
    """What each page shows around itself, and ``context``."""
    base = reverse("channels_stack_console:overview")
    return {"title": title, "base": base, "pages": list(pages.PAGES.values()), **context}
