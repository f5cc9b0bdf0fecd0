"""Patches of other packages: they replace what they were written for, and leave alone what has changed.

Each case runs in a process of its own, where the other package is as installed or has another function in the place of the
one that is patched.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from processes import PATIENCE, RUNTIME

PATCHES = Path(RUNTIME) / "channels_stack/patches"

SCRIPT = """
import json, logging, os, sys
import django
from django.conf import settings
settings.configure(
    SECRET_KEY="x", SECRET_KEY_FALLBACKS=["y"],
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
)
django.setup()
lines = []
class Kept(logging.Handler):
    def emit(self, record):
        lines.append(record.getMessage())
logging.getLogger("channels_stack.patches").addHandler(Kept())

def report(name, prepare, target, change, apply):
    exec(prepare, globals())
    owner, _, attribute = target.rpartition(".")
    if change == "absent":
        exec(f"del {target}")
    elif change:
        exec(f"{target} = {change}")
    before = getattr(eval(owner), attribute, None)
    exec(apply, globals())
    exec(apply, globals())
    same = getattr(eval(owner), attribute, None) == before
    print(json.dumps([name, bool(change), same, lines]), flush=True)

cases = json.loads(sys.argv[1])
for prepare in {case[1] for case in cases}:
    exec(prepare, globals())  # once: each child has them
for case in cases:
    child = os.fork()
    if child == 0:
        report(*case)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit(f"{case} failed")
"""

AUTH = "from channels_stack.patches import channels_auth; channels_auth.apply()"
FRAMES = "XFrameOptionsMiddleware.process_response"
CASES = {
    "channels.auth.get_user": ("import channels.auth", "channels.auth.get_user", "lambda scope: None", AUTH),
    "django.contrib.auth.get_user": (
        "import django.contrib.auth, channels.auth",
        "django.contrib.auth.get_user",
        "lambda request: None",
        AUTH,
    ),
    "aget_user": ("import django.contrib.auth", "django.contrib.auth.aget_user", "lambda: None", AUTH),
    "cycle_key": (
        "from django.contrib.sessions.backends.db import SessionStore",
        "SessionStore.cycle_key",
        "lambda self, name: None",
        "from channels_stack.patches import channels_auth; channels_auth._patch_store(SessionStore)",
    ),
    "aclose_old_connections": (
        "import channels.consumer",
        "channels.consumer.aclose_old_connections",
        "absent",
        "from channels_stack.patches import channels_hop; channels_hop.apply()",
    ),
    "await_many_dispatch": (
        "import channels.consumer",
        "channels.consumer.await_many_dispatch",
        "lambda callables: None",
        "from channels_stack.patches import channels_dispatch; channels_dispatch.apply()",
    ),
    "AsyncConsumer": (
        "from channels.consumer import AsyncConsumer",
        "AsyncConsumer.__call__",
        "lambda self, scope: None",
        "from channels_stack.patches import channels_consumer; channels_consumer.show_scopes(print)",
    ),
    "_brpop_with_clean": (
        "from channels_redis.core import RedisChannelLayer; layer = RedisChannelLayer()",
        "layer._brpop_with_clean",
        "lambda channel: None",
        "from channels_stack.patches import channels_redis; channels_redis.step(layer, 'c', 1, print, print)",
    ),
    "process_response": (
        "from django.middleware.clickjacking import XFrameOptionsMiddleware",
        FRAMES,
        "lambda self, response: response",
        "from channels_stack.patches import django_middleware; django_middleware.apply()",
    ),
    **{
        name: (
            "from django.core.handlers.asgi import ASGIHandler\n"
            "from django.utils.deprecation import MiddlewareMixin",
            f"{owner}.{name}",
            "lambda self: None",
            "from channels_stack.patches import django_handler; django_handler.apply('one-hop')",
        )
        for owner, name in (
            ("MiddlewareMixin", "__acall__"),
            ("ASGIHandler", "load_middleware"),
            ("ASGIHandler", "get_response_async"),
        )
    },
    "send_response": (
        "from django.core.handlers.asgi import ASGIHandler",
        "ASGIHandler.send_response",
        "lambda self, response, send: None",
        "from channels_stack.patches import django_streaming; django_streaming.apply()",
    ),
    "redis": (
        "import redis.connection",
        "redis.connection.Connection._connect",
        "lambda self, place: None",
        "from channels_stack.patches import redis_clients; redis_clients.apply(redis.connection)",
    ),
    "redis.asyncio": (
        "import redis.asyncio.connection",
        "redis.asyncio.connection.Connection._connect",
        "lambda self, place: None",
        "from channels_stack.patches import redis_clients; redis_clients.apply(redis.asyncio.connection)",
    ),
    "websockets": (
        "from websockets import http11",
        "http11.MAX_LINE_LENGTH",
        "absent",
        "from channels_stack.patches import head_sizes; head_sizes.of_websockets(http11, 65536)",
    ),
    "twisted": (
        "from twisted.web.http import HTTPChannel",
        "HTTPChannel.MAX_LENGTH",
        "'16 KiB'",
        "from channels_stack.patches import head_sizes; head_sizes.of_twisted(HTTPChannel, 65536)",
    ),
}


@pytest.fixture(scope="module")
def applied() -> dict[tuple[str, bool], tuple[bool, list[str]]]:
    """(patch, whether its target was changed) -> whether that was left as it was, and what was logged; applied twice."""
    cases = [
        (name, prepare, target, change if changed else "", apply)
        for name, (prepare, target, change, apply) in CASES.items()
        for changed in (False, True)
    ]
    command = [sys.executable, "-B", "-c", SCRIPT, json.dumps(cases)]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(RUNTIME)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {(name, changed): (same, lines) for name, changed, same, lines in found}


@pytest.mark.parametrize("name", CASES)
def test_what_is_as_it_was_is_replaced(name, applied):
    assert applied[name, False] == (False, [])


@pytest.mark.parametrize("name", CASES)
def test_what_has_changed_is_left_alone_and_named(name, applied):
    same, lines = applied[name, True]
    attribute = CASES[name][1].rpartition(".")[2]
    assert same
    assert lines and all(attribute in line and "left as it is" in line for line in lines), lines


def test_a_worker_of_several_channels_steps_on_each():
    steps = (
        "for channel in 'ab': channels_redis.step(layer, channel, 1, lambda c=channel: seen.append(c), print)"
    )
    code = (
        "import asyncio\nfrom channels_redis.core import RedisChannelLayer\n"
        "from channels_stack.patches import channels_redis\nlayer, seen = RedisChannelLayer(prefix=''), []\n"
        "async def pop(index, channel, timeout): return None\nlayer._brpop_with_clean = pop\n"
        f"{steps}\nfor channel in 'ab': asyncio.run(layer._brpop_with_clean(0, channel, 5))\nprint(seen)"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(RUNTIME)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.stdout.splitlines()[-1] == "['a', 'b']", done.stderr


def test_every_patch_declares_what_it_is_for():
    modules = [path for path in PATCHES.glob("*.py") if path.name not in ("__init__.py", "patch.py")]
    assert len(modules) >= 8
    for path in modules:
        text = path.read_text()
        fields = re.findall(
            r"^    (package|versions|why|without|upstream)=", text[text.index("PATCH = Patch(") :], re.M
        )
        assert {*fields} == {"package", "versions", "why", "without", "upstream"}, path.name
        assert re.search(r'upstream="https://', text), path.name
        replaced = re.findall(r"^\s+(?:setattr\(|\w+\.\w+ = (?:make|stock))", text, re.M)
        assert replaced == [], f"{path.name}: Patch alone replaces"


HOOKS = {
    "sys.unraisablehook": "made to be set",
    "threading.excepthook": "made to be set",
    "os.environ.__class__": "the standard library's, before any package is imported (entry_points)",
    "project.LOGGING_CONFIG": "a setting of the project's",
}
"""What is set outside of the room, and why that is none of its business."""


def test_nothing_of_another_package_is_replaced_elsewhere():
    """Attributes of what a module imports from elsewhere; those of a single channel layer are the room `layers`'s."""
    found = set()
    for path in (Path(RUNTIME) / "channels_stack").rglob("*.py"):
        tree = ast.parse(path.read_text())
        imported = {
            (alias.asname or alias.name).partition(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and not node.level)
            for alias in node.names
        }
        targets = [
            target
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign)
            for outer in node.targets
            for target in ast.walk(outer)
            if isinstance(target, ast.Attribute) and isinstance(target.ctx, ast.Store)
        ]
        for target in targets:
            root: ast.AST = target
            while isinstance(root, ast.Attribute):
                root = root.value
            if isinstance(root, ast.Name) and root.id in imported:
                found.add(ast.unparse(target))
    assert found == HOOKS.keys()
