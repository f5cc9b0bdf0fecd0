"""What only the imported project shows."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from ..findings import RUN, Found, rule
from ..live import Imported

DEEPEST = 20


@rule("E801", RUN)
def settings_fail(imported: Imported) -> Found:
    """The settings cannot be imported

    In production: every process ends at start.

    Instead: correct what the message names; a variable that is missing here may be set in production.
    """
    if imported.settings_error:
        yield imported.settings_error


@rule("E802", RUN)
def application_fails(imported: Imported) -> Found:
    """The ASGI application cannot be imported

    In production: every server ends at start.

    Instead: correct what the message names.
    """
    if imported.asgi_error:
        yield imported.asgi_error


@rule("E803", RUN)
def no_asgi_3(imported: Imported) -> Found:
    """An application that is not ASGI 3

    In production: every connection to it fails with a TypeError: Channels 4 calls application(scope, receive, send) once.

    Instead: a consumer makes one by as_asgi(); a class of your own has
        async def __call__(self, scope, receive, send):
    """
    for path, application in _applications(imported.application):
        wrong = _wrong_form(application)
        if wrong:
            yield imported.asgi_place, f"{path} is {_name(application)}, {wrong}"


@rule("E804", RUN)
def imported_without_http(imported: Imported) -> Found:
    """The imported application has no route for HTTP

    In production: every page is an error 500 on any other server: No application configured for scope type 'http'. This
    stack adds the route.

    Instead: name Django's own application.
        application = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": …})
    """
    for path, application in _applications(imported.application):
        mapping = getattr(application, "application_mapping", None)
        if (
            path == "application"
            and isinstance(mapping, dict)
            and _is_router(application)
            and "http" not in mapping
        ):
            yield (
                imported.asgi_place,
                f"the router knows {', '.join(map(repr, sorted(mapping))) or 'nothing'}",
            )


@rule("E805", RUN)
def imported_origins(imported: Imported) -> Found:
    """The imported application admits any Origin

    In production: any page that a signed-in user visits opens sockets in that user's name, cookies included, and reads
    what comes (cross-site websocket hijacking).

    Instead: name the origins, around everything behind "websocket".
        "websocket": OriginValidator(AuthMiddlewareStack(URLRouter(routes)), ["https://example.org"])
    """
    for _, application in _applications(imported.application):
        origins = getattr(application, "allowed_origins", None)
        if isinstance(origins, (list, tuple, set)) and "*" in origins:
            yield imported.asgi_place, f"{_name(application)} admits '*'"


@rule("E806", RUN)
def layer_fails(imported: Imported) -> Found:
    """A channel layer cannot be made

    In production: the first use of the layer ends the socket or the worker with this error.

    Instead: correct what the message names.
    """
    for alias, wrong in imported.layers.items():
        value = imported.project.settings[0].get("CHANNEL_LAYERS", alias)
        yield value.at if value else imported.project.settings[0].place, f"CHANNEL_LAYERS[{alias!r}]: {wrong}"


def _is_router(application: Any) -> bool:
    return type(application).__module__ == "channels.routing"


def _applications(application: Any, path: str = "application", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """The application and all that it passes connections to, each with how it is reached."""
    if application is None or depth > DEEPEST:
        return
    yield path, application
    mapping = getattr(application, "application_mapping", None)
    if isinstance(mapping, dict) and _is_router(application):
        for key, inner in mapping.items():
            yield from _applications(inner, f"the application of {key!r}", depth + 1)
        return
    routes = getattr(application, "routes", None)
    if isinstance(routes, (list, tuple)) and _is_router(application):
        for route in routes:
            yield from _applications(
                getattr(route, "callback", None), f"the route {route.pattern}", depth + 1
            )
        return
    for name in ("inner", "application", "app"):
        inner = vars(application).get(name) if hasattr(application, "__dict__") else None
        if callable(inner) and not inspect.ismodule(inner) and not inspect.isclass(application):
            yield from _applications(inner, path, depth + 1)
            return


def _wrong_form(application: Any) -> str:
    """Why calling it with (scope, receive, send) fails; "" when it does not, or it cannot be known."""
    if not callable(application):
        return "which cannot be called"
    if inspect.isclass(application):
        return "a class: .as_asgi() is missing"
    try:
        # as_asgi() names the consumer class as what it wraps, whose signature is another.
        inspect.signature(application, follow_wrapped=False).bind({}, None, None)
    except TypeError:
        return "which does not take (scope, receive, send)"
    except ValueError:
        return ""
    return ""


def _name(application: Any) -> str:
    kind = (
        application if inspect.isclass(application) or inspect.isfunction(application) else type(application)
    )
    return f"{kind.__module__}.{kind.__qualname__}"
