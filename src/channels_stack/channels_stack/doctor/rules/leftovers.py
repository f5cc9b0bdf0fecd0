"""What Channels 1, 2 and 3 had and Channels 4 has not."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Callable

from ..files import Function, Import, Module
from ..findings import SETTINGS, Found, Place, rule
from ..project import Project, methods, parameters
from ..settings import Settings
from ..values import Mapping, get, text

# The modules of Channels 4.0 to 4.3.
CHANNELS_4 = {
    "channels",
    "channels.apps",
    "channels.auth",
    "channels.consumer",
    "channels.db",
    "channels.exceptions",
    "channels.generic",
    "channels.generic.http",
    "channels.generic.websocket",
    "channels.layers",
    "channels.management",
    "channels.management.commands",
    "channels.management.commands.runworker",
    "channels.middleware",
    "channels.routing",
    "channels.security",
    "channels.security.websocket",
    "channels.sessions",
    "channels.testing",
    "channels.testing.application",
    "channels.testing.http",
    "channels.testing.live",
    "channels.testing.websocket",
    "channels.utils",
    "channels.worker",
}
# Those that rules of their own speak about.
HANDLERS = ("channels.http", "channels.handler")
STATICFILES = ("channels.staticfiles",)
SIGNALS = ("channels.signals",)
HACKS = ("channels.hacks",)
RUNSERVER = ("channels.management.commands.runserver",)
NAMED_ELSEWHERE = (*HANDLERS, *STATICFILES, *SIGNALS, *HACKS, *RUNSERVER)

# Names of Channels 1 in modules that are still there.
CHANNELS_1 = {
    "channels": {
        "Group",
        "Channel",
        "channel_layers",
        "include",
        "route",
        "route_class",
    },
    "channels.routing": {"route", "route_class", "include", "Router", "Route", "null_consumer"},
    "channels.sessions": {"channel_session", "http_session", "enforce_ordering", "channel_and_http_session"},
    "channels.auth": {
        "channel_session_user",
        "channel_session_user_from_http",
        "http_session_user",
        "transfer_user",
        "channel_and_http_session_user_from_http",
    },
    "channels.generic": {"BaseConsumer", "websockets"},
}
GONE_BACKENDS = ("asgi_redis.", "asgiref.inmemory", "asgi_ipc.", "asgi_rabbitmq.", "channels.database_layer.")
UNMAINTAINED_BACKENDS = ("channels_rabbitmq.", "asgi_amqp.", "channels_asgi_amqp.")


def _imports(project: Project, is_gone: Callable[[Module, Import], bool]) -> Iterator[tuple[Place, str]]:
    """Where something that is gone is imported for certain, with the statement; one for each line."""
    for module in project.all_modules:
        gone: dict[int, list[Import]] = {}
        for imported in module.imports:
            if is_gone(module, imported) and not module.is_guarded(imported.node):
                gone.setdefault(imported.node.lineno, []).append(imported)
        for imports in gone.values():
            names = ", ".join(imported.name for imported in imports)
            what = f"from {imports[0].module} import {names}" if names else f"import {imports[0].module}"
            yield module.place(imports[0].node), f"`{what}`"


def _from(*modules: str) -> Callable[[Module, Import], bool]:
    """Whether an import is of one of these modules."""

    def is_gone(_: Module, imported: Import) -> bool:
        return imported.module in modules or f"{imported.module}.{imported.name}" in modules

    return is_gone


@rule("E101")
def http_handler(project: Project) -> Found:
    """AsgiHandler and AsgiRequest are gone

    In production: the process ends at start with ModuleNotFoundError: channels.http was removed in Channels 4.0.

    Instead: let Django handle HTTP. A request is a django.core.handlers.asgi.ASGIRequest.
        from django.core.asgi import get_asgi_application
        application = ProtocolTypeRouter({"http": get_asgi_application(), …})
    """
    yield from _imports(project, _from(*HANDLERS))


@rule("E102")
def staticfiles_handler(project: Project) -> Found:
    """The static files handler of Channels is gone

    In production: the process ends at start with ModuleNotFoundError: channels.staticfiles was removed in Channels 4.0.

    Instead: nothing in production, where the stack serves what `collectstatic` collected. In tests and development:
        from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
    """
    yield from _imports(project, _from(*STATICFILES))


@rule("E103")
def consumer_signals(project: Project) -> Found:
    """The signals consumer_started and consumer_finished are gone

    In production: the process ends at start with ModuleNotFoundError: channels.signals was removed in Channels 4.0,
    and nothing had sent these signals since 2.0.

    Instead: call your code in connect() and disconnect() of the consumer. Database connections need nothing:
    database_sync_to_async closes them.
    """
    yield from _imports(project, _from(*SIGNALS))


@rule("E104")
def monkeypatch(project: Project) -> Found:
    """channels.hacks is gone

    In production: the process ends at start with ModuleNotFoundError: channels.hacks was removed in Channels 4.0.

    Instead: delete the import and the call of monkeypatch_django(); nothing replaces it.
    """
    yield from _imports(project, _from(*HACKS))


@rule("E105")
def runserver_command(project: Project) -> Found:
    """The runserver command has moved to Daphne

    In production: nothing. In development `manage.py` fails with ModuleNotFoundError as soon as it loads the command.

    Instead: put "daphne" first in INSTALLED_APPS and import from its package:
        from daphne.management.commands.runserver import Command
    """
    yield from _imports(project, _from(*RUNSERVER))


@rule("E106")
def channels_1(project: Project) -> Found:
    """A name of Channels 1

    In production: the process ends at start with ImportError. Channels 1 was another library: routes, Group and
    channel sessions have had no counterpart of the same form since 2.0.

    Instead: rewrite the functions as one consumer class for each socket; a Group becomes a group of the channel layer:
        await self.channel_layer.group_add("room-1", self.channel_name)
        await self.channel_layer.group_send("room-1", {"type": "room.message", …})
    """
    yield from _imports(project, lambda _, imported: imported.name in CHANNELS_1.get(imported.module, ()))


@rule("E107")
def no_such_module(project: Project) -> Found:
    """A module that Channels 4 does not have

    In production: the process ends at start with ModuleNotFoundError.

    Instead: see what took its place in the release notes of Channels 2.0 to 4.0, and delete the import.
    """
    if not project.files.module("channels"):  # a package of the project's own
        yield from _imports(project, _is_no_module)


def _is_no_module(_: Module, imported: Import) -> bool:
    is_channels = imported.module.partition(".")[0] == "channels"
    return is_channels and imported.module not in CHANNELS_4 and not _from(*NAMED_ELSEWHERE)(_, imported)


def _layers(settings: Settings) -> Iterator[tuple[str, Mapping]]:
    found = settings["CHANNEL_LAYERS"]
    for alias, layer in found.items.items() if isinstance(found, Mapping) else ():
        if isinstance(layer, Mapping):
            yield alias, layer


@rule("E108", SETTINGS)
def routing_key(project: Project) -> Found:
    """ROUTING in CHANNEL_LAYERS

    In production: the first use of a channel layer raises InvalidChannelLayerError: ROUTING key found.

    Instead: delete the key; the application is found by its own name.
        ASGI_APPLICATION = "mysite.asgi.application"
    """
    for settings in project.settings:
        for alias, layer in _layers(settings):
            routing = layer.items.get("ROUTING")
            if routing:
                yield routing.at, f"CHANNEL_LAYERS[{alias!r}] has the key ROUTING of Channels 1"


@rule("E109", SETTINGS)
def gone_backend(project: Project) -> Found:
    """A channel layer of Channels 1

    In production: the first use of the layer raises ImportError, and every websocket that joins a group is closed.

    Instead: use the layers of channels_redis; with channels-stack:
        from channels_stack.layers import channel_layers
        CHANNEL_LAYERS = channel_layers(os.environ["REDIS_URL"], "mysite")
    """
    for settings in project.settings:
        for alias, layer in _layers(settings):
            backend = layer.items.get("BACKEND")
            if (text(backend) or "").startswith(GONE_BACKENDS):
                yield backend.at, f"CHANNEL_LAYERS[{alias!r}] uses {text(backend)}"  # type: ignore[union-attr]


@rule("W110", SETTINGS)
def unmaintained_backend(project: Project) -> Found:
    """A channel layer that is no longer maintained

    In production: no one corrects what breaks with the next release of Channels or of Python.

    Instead: use the layers of channels_redis.
        from channels_stack.layers import channel_layers
        CHANNEL_LAYERS = channel_layers(os.environ["REDIS_URL"], "mysite")
    """
    for settings in project.settings:
        for alias, layer in _layers(settings):
            backend = get(layer, "BACKEND")
            if (text(backend) or "").startswith(UNMAINTAINED_BACKENDS):
                yield backend.at, f"CHANNEL_LAYERS[{alias!r}] uses {text(backend)}"  # type: ignore[union-attr]


@rule("E111")
def double_callable(project: Project) -> Found:
    """An ASGI application of two steps

    In production: every connection fails with a TypeError. Channels 4 calls application(scope, receive, send) once;
    the shim for the two calls application(scope)(receive, send) is gone.

    Instead: take all three in one call.
        async def __call__(self, scope, receive, send):
    """
    for module in project.modules:
        for node in module.nodes:
            if isinstance(node, ast.ClassDef):
                own = methods(node)
                start, call = own.get("__init__"), own.get("__call__")
                takes_scope = start is not None and "scope" in parameters(start)[:3]
                if takes_scope and call and parameters(call)[1:] == ["receive", "send"]:
                    yield module.place(node), f"{node.name}(scope) is called again with (receive, send)"
                elif takes_scope and project.is_consumer(module, node):
                    yield module.place(node), f"{node.name}.__init__ takes the scope", CONSUMER_INIT
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and _is_factory(module, node):
                yield module.place(node), f"{node.name}(scope) returns a function of (receive, send)"


CONSUMER_INIT = """read the scope when there is one, and take only what as_asgi() is given:
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
    async def connect(self):
        user = self.scope["user"]"""


def _is_factory(module: Module, function: Function) -> bool:
    if parameters(function) != ["scope"] or isinstance(module.parents.get(function), ast.ClassDef):
        return False
    inner = [node for node in function.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return any(parameters(one) == ["receive", "send"] for one in inner)


@rule("E112")
def old_middleware(project: Project) -> Found:
    """A middleware of the form of Channels 2

    In production: every websocket fails with a TypeError, or its scope lacks what the middleware should have added: it
    is called with (scope, receive, send), and BaseMiddleware no longer calls setup(), populate_scope() and
    resolve_scope().

    Instead: do the work in one call, on a copy of the scope.
        class QueryAuth(BaseMiddleware):
            async def __call__(self, scope, receive, send):
                scope = dict(scope, user=await user_of(scope))
                return await super().__call__(scope, receive, send)
    """
    for module in project.modules:
        for node in module.nodes:
            if not isinstance(node, ast.ClassDef):
                continue
            own = methods(node)
            call = own.get("__call__")
            if call and parameters(call) == ["self", "scope"] and not call.args.vararg:
                yield module.place(call), f"{node.name}.__call__ takes the scope alone"
                continue
            is_base = any(module.dotted(base) == "channels.middleware.BaseMiddleware" for base in node.bases)
            hooks = [name for name in ("setup", "populate_scope", "resolve_scope") if name in own]
            if is_base and hooks and not call:
                yield module.place(own[hooks[0]]), f"nothing calls {node.name}.{hooks[0]}()"


@rule("E113")
def old_save_session(project: Project) -> Found:
    """A session wrapper whose save_session() is not async

    In production: every response that saves the session fails: Channels has awaited the result since 4.2, and None
    cannot be awaited. A coroutine of super().save_session() that is not awaited saves nothing.

    Instead: make it a coroutine.
        async def save_session(self):
            await super().save_session()
    """
    for module in project.modules:
        for node in module.nodes:
            if isinstance(node, ast.ClassDef) and "channels.sessions.InstanceSessionWrapper" in project.bases(
                module, node
            ):
                own = methods(node).get("save_session")
                if isinstance(own, ast.FunctionDef):
                    yield module.place(own), f"{node.name}.save_session is a plain function"


@rule("E114")
def daphne_protocols(project: Project) -> Found:
    """Daphne's option --ws-protocols is gone

    In production: daphne prints its usage and ends with exit code 2, again at every restart.

    Instead: delete the option; the consumer chooses the subprotocol.
        await self.accept(subprotocol="graphql-ws")
    """
    for plan in project.plans:
        for place, match in plan.matches(r"--ws[-_]protocols?\b"):
            yield place, f"daphne is started with {match.group()}"


@rule("W115")
def uvicorn_worker(project: Project) -> Found:
    """uvicorn.workers is deprecated

    In production: gunicorn fails to start as soon as a uvicorn without this module is installed. It passes none of
    uvicorn's limits on either.

    Instead: install uvicorn-worker and name its class. (The stack does so by itself.)
        gunicorn -k uvicorn_worker.UvicornWorker mysite.asgi:application
    """
    for plan in project.plans:
        for place, match in plan.matches(r"\buvicorn\.workers\.\w+"):
            yield place, f"gunicorn is started with {match.group()}"
    for module in project.modules:
        for imported in module.imports:
            if imported.module == "uvicorn.workers":
                yield module.place(imported.node), "`uvicorn.workers` is imported"
