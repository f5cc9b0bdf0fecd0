"""What the process of a service says may be asked for: its websockets, however they are wrapped, and a static file."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from serving import SERVERS, serve

SETUP = """
import json
import django
from django.conf import settings
settings.configure(STATIC_URL="/files/")
django.setup()
from channels.auth import AuthMiddlewareStack
from channels.generic.websocket import WebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application
from django.urls import path, re_path
from channels_stack.project import paths

class Consumer(WebsocketConsumer):
    pass

there = Consumer.as_asgi()
"""

ROUTES = {
    "exact": ('path("ws/", there)', [("/ws/", False)]),
    "parameters": (
        'path("ws/<slug:room>/<uuid:id>/", there)',
        [("/ws/1/00000000-0000-4000-8000-000000000000/", True)],
    ),
    "regex": (r're_path(r"^ws/(?P<room>\w+)/$", there)', [("/ws/1/", True)]),
    "regex, letters only": (r're_path(r"ws/(?P<room>[a-z]{5})$", there)', [("/ws/probe", True)]),
    "regex, unnamed": (r're_path(r"^ws/(\d{4}-\d\d-\d\d)/$", there)', [("/ws/2026-01-01/", True)]),
    "nested": (
        'path("ws/", URLRouter([path("a/", there), path("<int:n>/", there)]))',
        [("/ws/a/", False), ("/ws/1/", True)],
    ),
    "a slash in front": (r're_path(r"^/?ws$", there)', [("/ws", False)]),
    "none that is understood": (r're_path(r"^ws/(?P<room>zz[0-9a-f]{9}qq)/$", there)', []),
}


def described(project, routes: str, router: str = "", root: str = "/nowhere") -> dict:
    wrapped = router or f"AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter([{routes}])))"
    program = f"{SETUP}\nrouter = {wrapped}\n"
    program += (
        'app = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": router} if router else {})\n'
    )
    program += f"print(json.dumps(paths.describe(app, {root!r})))"
    return project(program)


@pytest.fixture
def project(tmp_path):
    """A function (program) -> what it prints as JSON, in a process of its own: settings are made once."""

    def run(program):
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.mark.parametrize(("routes", "expected"), ROUTES.values(), ids=ROUTES)
def test_a_route_is_a_path_that_it_takes(project, routes, expected):
    found = described(project, routes)
    assert [(each["path"], each["guessed"]) for each in found["websockets"]] == expected
    assert found["known"] is bool(expected)


def test_a_router_in_a_function_is_found(project):
    routes = 'path("ws/", there)'
    router = (
        f"(lambda inner: (lambda scope, receive, send: inner(scope, receive, send)))(URLRouter([{routes}]))"
    )
    assert described(project, "", router)["websockets"] == [{"path": "/ws/", "guessed": False}]


def test_what_cannot_be_seen_into_is_not_known(project):
    assert described(project, "", "there") == {"known": False, "websockets": [], "static": None}


def test_an_application_without_websockets_has_none(project):
    assert described(project, "", "None") == {"known": True, "websockets": [], "static": None}


def test_the_static_file_is_one_of_the_current_release(project, tmp_path):
    root = tmp_path / "static"
    (root / "chat").mkdir(parents=True)
    (root / "chat/page.css").write_text("")
    assert described(project, "", "None", str(root))["static"] == "/files/chat/page.css"
    (root / "chat/page.0123456789ab.css").write_text("")
    manifest = {
        "paths": {"chat/a.css": "chat/a.ffffffffffff.css", "chat/page.css": "chat/page.0123456789ab.css"}
    }
    (root / "staticfiles.json").write_text(json.dumps(manifest))
    assert described(project, "", "None", str(root))["static"] == "/files/chat/page.0123456789ab.css"


@pytest.mark.parametrize("server", SERVERS)
def test_each_server_answers(tmp_path, redis, server):
    serving = serve(tmp_path, redis, server)
    try:
        answer = serving.get("/-/paths")
        found = json.loads(answer.body)
        assert answer.status == 200 and found["known"]
        assert "/echo/" in [each["path"] for each in found["websockets"]]
    finally:
        serving.kill()
