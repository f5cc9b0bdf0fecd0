"""What a check from outside may ask an application for: its websocket routes, and one of its static files.

`/-/paths` answers it in JSON, `channels-stack paths` prints that of the process in this container. A route with parameters gets
values that its pattern takes; whether the application knows them is another matter ("guessed").
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

from ..config.settings import SERVICE_PORT
from . import dispatch

PATH = "/-/paths"
TIMEOUT_SECONDS = 4
MOST_ROUTES = 50
DEEPEST = 10
VALUES = ("1", "a", "probe", "00000000-0000-4000-8000-000000000000", "2026-01-01", "1.0", "aaaaaaaa", "true")
"""What may take the place of a parameter; the first that its pattern takes does."""
MOST_TRIALS = 2000


def describe(app: Any, static_root: str) -> dict[str, Any]:
    """The websockets of APP (a route that could not be read is left out), whether its router was found, a static file or None."""
    router = dispatch.routes(app)
    known = router is not None
    websockets: list[dict[str, Any]] = []
    if router is not None and "websocket" in router:
        inner = _router(router["websocket"])
        found = dict(itertools.islice(_websockets(inner, ""), MOST_ROUTES))
        websockets = [{"path": path, "guessed": guessed} for path, guessed in found.items()]
        known = inner is not None and (bool(websockets) or not inner.routes)
    return {"known": known, "websockets": websockets, "static": _static_file(static_root)}


def _router(app: Any) -> Any:
    """The URLRouter in APP or in what APP wraps; None: there is none, or it is out of sight."""
    from channels.routing import URLRouter

    waiting, seen = [(app, 0)], set()
    while waiting:
        each, depth = waiting.pop(0)
        if isinstance(each, URLRouter):
            return each
        if depth > DEEPEST or id(each) in seen or isinstance(each, type):
            continue
        seen.add(id(each))
        parts = list(getattr(each, "__dict__", {}).values())
        parts += [cell.cell_contents for cell in getattr(each, "__closure__", None) or () if _filled(cell)]
        waiting += [(part, depth + 1) for part in parts if callable(part)]
    return None


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def _websockets(router: Any, before: str) -> Iterator[tuple[str, bool]]:
    """(path, guessed) of each route below ROUTER."""
    from channels.routing import URLRouter

    for route in getattr(router, "routes", ()):
        example = _example(route.pattern)
        if example is None:
            continue
        path, guessed = example
        inner = _router(route.callback)
        if isinstance(inner, URLRouter):
            for rest, more in _websockets(inner, before + path):
                yield rest, guessed or more
        else:
            yield "/" + (before + path).lstrip("/"), guessed


def _example(pattern: Any) -> tuple[str, bool] | None:
    """A path that PATTERN of Django's takes, and whether values of ours are in it; None where none was found."""
    from django.utils.regex_helper import normalize

    regex = pattern.regex
    for form, names in normalize(regex.pattern):
        for values in itertools.islice(itertools.product(VALUES, repeat=len(names)), MOST_TRIALS):
            path = form % dict(zip(names, values))
            if regex.search(path):
                return path, bool(names)
    return None


def _static_file(root: str) -> str | None:
    """The address of a static file of the current release on this host; None: there is none."""
    from django.conf import settings

    url = settings.STATIC_URL or ""
    if not url.startswith("/") or url == "/":
        return None
    name = _of_manifest(root) or _in_folder(root)
    return url + name if name else None


def _of_manifest(root: str) -> str:
    try:
        with open(os.path.join(root, "staticfiles.json"), encoding="utf-8") as file:
            names: dict[str, str] = json.load(file)["paths"]
    except (OSError, ValueError, KeyError):
        return ""
    there = (names[name] for name in sorted(names) if os.path.isfile(os.path.join(root, names[name])))
    return next(there, "")


def _in_folder(root: str) -> str:
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            if name != "staticfiles.json" and not name.endswith((".gz", ".br")):
                return os.path.relpath(os.path.join(folder, name), root)
    return ""


def main(port: int = SERVICE_PORT) -> int:
    """Print what the server in this container says; 1 where it says nothing."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", PATH)
        answer = connection.getresponse()
        text = answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        print(f"paths: no answer on port {port}: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    finally:
        connection.close()
    if answer.status != 200:
        print(f"paths: {PATH} answers {answer.status}", file=sys.stderr)
        return 1
    print(text.strip())
    return 0
