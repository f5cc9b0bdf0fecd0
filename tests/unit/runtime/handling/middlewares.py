"""Middlewares of every kind that a project may have; each notes where it runs."""

from __future__ import annotations

import threading

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpResponse
from django.utils.decorators import sync_and_async_middleware
from django.utils.deprecation import MiddlewareMixin

from .journal import note

local = threading.local()


def plain(get_response):
    """A function; a value in the thread, as old middlewares have it."""

    def middleware(request):
        local.value = request.path
        note("plain in")
        response = get_response(request)
        note("plain out")
        response["X-Plain"] = getattr(local, "value", "lost")
        del local.value
        return response

    return middleware


class Hooks(MiddlewareMixin):
    """Of the mixin, with every hook."""

    def process_request(self, request):
        note("hooks in")
        if request.headers.get("X-Site") == "other":
            request.urlconf = "handling.other"
        if request.path == "/answered/":
            return HttpResponse("by the middleware")
        return None

    def process_view(self, request, view, arguments, keywords):
        note(f"hooks view {view.__name__}")

    def process_template_response(self, request, response):
        response.context_data["by"] = "hooks"
        return response

    def process_exception(self, request, error):
        note(f"hooks exception {type(error).__name__}")
        return HttpResponse("mended") if isinstance(error, ZeroDivisionError) else None

    def process_response(self, request, response):
        note("hooks out")
        return response


@sync_and_async_middleware
def both(get_response):
    """Runs where it is put."""
    if iscoroutinefunction(get_response):

        async def middleware(request):
            response = await get_response(request)
            response["X-Both"] = "yes"
            return response

    else:

        def middleware(request):
            response = get_response(request)
            response["X-Both"] = "yes"
            return response

    return middleware


class OnlyAsync:
    """Cannot run in a synchronous chain."""

    sync_capable, async_capable = False, True

    def __init__(self, get_response):
        self.get_response = get_response
        markcoroutinefunction(self)

    async def __call__(self, request):
        note("only async")
        return await self.get_response(request)
