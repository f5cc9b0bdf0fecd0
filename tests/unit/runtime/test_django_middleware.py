"""What Django's middlewares have decided on is named to the edge, and nothing else is."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from processes import PATIENCE, RUNTIME

ASKS = """
import asyncio, json, sys
import django
from django.conf import settings
from django.http import HttpResponse
from django.urls import path
from django.views.decorators.clickjacking import xframe_options_exempt

class Outer:
    def __init__(self, get_response):
        self.get_response = get_response
    def __call__(self, request):
        return HttpResponse("outer") if request.path == "/outer/" else self.get_response(request)

from django.middleware.clickjacking import XFrameOptionsMiddleware
class Derived(XFrameOptionsMiddleware):
    pass

plain = lambda request: HttpResponse("page")
urlpatterns = [path("", plain), path("outer/", plain), path("framed/", xframe_options_exempt(plain))]
settings.configure(
    ROOT_URLCONF="__main__", ALLOWED_HOSTS=["*"], SECRET_KEY="x", SECURE_CROSS_ORIGIN_OPENER_POLICY=None,
    MIDDLEWARE=json.loads(sys.argv[1]), **json.loads(sys.argv[2]),
)
django.setup()
from channels_stack.patches import django_middleware as decided
decided.apply()
decided.apply()
from django.test import AsyncClient, Client
for client in (Client().get, lambda path: asyncio.run(AsyncClient().get(path))):
    print(json.dumps({path: dict(client(path).headers) for path in ("/", "/framed/", "/outer/", "/none/")}))
"""
SECURITY = "django.middleware.security.SecurityMiddleware"
FRAMES = "django.middleware.clickjacking.XFrameOptionsMiddleware"
BY_SECURITY = "x-content-type-options,referrer-policy,cross-origin-opener-policy"


def answers(*middlewares: str, **settings) -> dict[str, dict[str, str]]:
    """The headers of each path's answer, the same from a synchronous and an asynchronous handler."""
    command = [sys.executable, "-B", "-c", ASKS, json.dumps(middlewares), json.dumps(settings)]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(RUNTIME)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    synchronous, asynchronous = map(json.loads, done.stdout.splitlines())
    assert synchronous == asynchronous
    return synchronous


def test_silence_of_a_middleware_that_ran_is_an_answer():
    found = answers(SECURITY, FRAMES)
    assert {path: headers["X-Edge-Decided"] for path, headers in found.items()} == dict.fromkeys(
        found, f"x-frame-options,{BY_SECURITY}"
    )
    assert found["/"]["X-Frame-Options"] == "DENY"
    assert "X-Frame-Options" not in found["/framed/"]
    assert "Cross-Origin-Opener-Policy" not in found["/"]


@pytest.mark.parametrize("middlewares", [(), ("__main__.Outer",)], ids=["none", "another"])
def test_without_djangos_own_nothing_is_decided(middlewares):
    assert not any("X-Edge-Decided" in headers for headers in answers(*middlewares).values())


def test_an_answer_that_the_middleware_never_saw_bears_no_mark():
    found = answers("__main__.Outer", SECURITY, "__main__.Derived")
    assert "X-Edge-Decided" not in found["/outer/"]
    assert found["/"]["X-Edge-Decided"] == f"x-frame-options,{BY_SECURITY}"


def test_a_redirect_of_the_middleware_itself_is_its_answer_too():
    found = answers(SECURITY, SECURE_SSL_REDIRECT=True)
    assert found["/"]["X-Edge-Decided"] == BY_SECURITY
