"""asgi.py and the routes: what reaches which application."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ..files import Module
from ..findings import SETTINGS, Found, Place, rule
from ..project import CHANNEL_ROUTER, Project, is_open, keys
from ..settings import Settings
from ..values import Items, Value, text, texts

GET_APPLICATION = "django.core.asgi.get_asgi_application"
SETS_UP = (
    "django.setup",
    GET_APPLICATION,
    "configurations.setup",
    "configurations.asgi.get_asgi_application",
)
ROUTES = {"django.urls.path", "django.urls.re_path", "django.conf.urls.url", "django.urls.url"}
GET_USER_MODEL = "django.contrib.auth.get_user_model"


@rule("E201")
def no_http(project: Project) -> Found:
    """No route for HTTP

    In production: every page is an error 500 on any other server: No application configured for scope type 'http'.
    Channels 3 added the route by itself, Channels 4 does not; this stack adds it.

    Instead: name Django's own application.
        application = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": …})
    """
    for module, call, literal in project.routers:
        if literal and "http" not in keys(literal[1]) and not is_open(literal[1]):
            yield module.place(call), 'ProtocolTypeRouter has no key "http"'


@rule("E202")
def models_before_django(project: Project) -> Found:
    """Models are imported before Django is set up

    In production: a server that is given this module ends with AppRegistryNotReady: Apps aren't loaded yet. It works
    only where something else has called django.setup() before.

    Instead: call get_asgi_application() first, which sets Django up, and import your own modules after it.
        django_application = get_asgi_application()

        from chat.routing import websocket_urlpatterns
    """
    for module in project.modules:
        serves = any(router[0] is module for router in project.routers) or any(module.calls(GET_APPLICATION))
        if not serves:
            continue
        # A module of routes is imported by the one that sets Django up. asgi.py is not imported before a server does so.
        is_first = _sets_up_django(project, module, len(module.tree.body)) or module.path.endswith("asgi.py")
        if not is_first:
            continue
        for place, statement in enumerate(module.tree.body):
            if not isinstance(statement, (ast.Import, ast.ImportFrom)):
                continue
            reached = _models_reached(project, module, statement, set())
            if reached and not _sets_up_django(project, module, place):
                yield module.place(statement), f"this import reaches models ({reached})"
                break


def _sets_up_django(project: Project, module: Module, before: int) -> bool:
    """Whether one of the first statements of the module calls django.setup() or what calls it."""
    for statement in module.tree.body[:before]:
        for node in ast.walk(statement):
            if isinstance(node, ast.Call) and module.dotted(node.func) in SETS_UP:
                return True
            if isinstance(node, ast.ImportFrom):
                source = project.files.module("." * node.level + (node.module or ""), module)
                calls = [*SETS_UP, "django.core.wsgi.get_wsgi_application"]
                if source and source is not module and any(source.calls(*calls)):
                    return True
    return False


def _models_reached(project: Project, module: Module, statement: ast.stmt, seen: set[str]) -> str:
    """The module with models that an import statement loads, directly or through others; "" for none."""
    for name in _imported_modules(module, statement):
        if name.startswith("django.contrib.") and name.endswith(".models"):
            return name
        source = project.files.module(name, module)
        if source is None or source.path in seen:
            continue
        seen.add(source.path)
        if _has_models(source):
            return source.path
        for inner in source.tree.body:
            if isinstance(inner, (ast.Import, ast.ImportFrom)):
                found = _models_reached(project, source, inner, seen)
                if found:
                    return found
    return ""


def _imported_modules(module: Module, statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            yield alias.name
    elif isinstance(statement, ast.ImportFrom):
        source = "." * statement.level + (statement.module or "")
        yield source
        for alias in statement.names:  # from . import consumers
            yield source + alias.name if source.endswith(".") else f"{source}.{alias.name}"


def _has_models(module: Module) -> bool:
    for node in module.tree.body:
        if isinstance(node, ast.ClassDef):
            bases = {module.dotted(base) for base in node.bases}
            if any(base.startswith("django.db.models") or base.endswith(".AbstractUser") for base in bases):
                return True
        call = node.value if isinstance(node, ast.Assign) else None
        if isinstance(call, ast.Call) and module.dotted(call.func) == GET_USER_MODEL:
            return True
    return False


@rule("E203")
def bare_consumer(project: Project) -> Found:
    """A consumer class used as a route

    In production: every connection to it is an error 500, a TypeError: the class itself is called with
    (scope, receive, send). Channels 2 made the instance by itself.

    Instead: let the class make an application.
        path("ws/chat/<slug:room>/", ChatConsumer.as_asgi())
    """
    for module in project.modules:
        for node in module.nodes:
            if not isinstance(node, ast.Call):
                continue
            targets: list[ast.expr] = []
            if module.dotted(node.func) in ROUTES:
                targets = node.args[1:2] + [one.value for one in node.keywords if one.arg == "view"]
            elif module.dotted(node.func) == CHANNEL_ROUTER:
                literal = project.dictionary(module, node.args[0] if node.args else None)
                targets = literal[1].values if literal else []
            for target in targets:
                if isinstance(target, (ast.Name, ast.Attribute)) and _is_consumer(project, module, target):
                    name = module.dotted(target).rpartition(".")[2]
                    yield module.place(target), f"the route names {name} without .as_asgi()"


def _is_consumer(project: Project, module: Module, node: ast.expr) -> bool:
    found = project.definition(module, node)
    if found:
        return isinstance(found[1], ast.ClassDef) and project.is_consumer(found[0], found[1])
    return module.dotted(node).endswith("Consumer")


@rule("E204")
def include_in_router(project: Project) -> Found:
    """include() inside URLRouter

    In production: the process ends at start with ImproperlyConfigured: include() is not supported in URLRouter.

    Instead: nest a router.
        path("chat/", URLRouter(chat.routing.websocket_urlpatterns))
    """
    for module, call in project.calls("channels.routing.URLRouter"):
        found = _list_of(project, module, call.args[0] if call.args else None)
        if found is None:
            continue
        owner, routes = found
        for route in routes.elts:
            for node in ast.walk(route):
                if isinstance(node, ast.Call) and owner.dotted(node.func) in (
                    "django.urls.include",
                    "django.conf.urls.include",
                ):
                    yield owner.place(node), "include() is in the routes of a URLRouter"


def _list_of(project: Project, module: Module, node: ast.expr | None) -> tuple[Module, ast.List] | None:
    if isinstance(node, ast.List):
        return module, node
    found = project.definition(module, node) if node is not None else None
    return (found[0], found[1]) if found and isinstance(found[1], ast.List) else None


@rule("E205", SETTINGS)
def asgi_application(project: Project) -> Found:
    """ASGI_APPLICATION does not name the application of asgi.py

    In production: `runserver`, `runworker` and whatever else looks for the application by this setting end with
    CommandError or ImproperlyConfigured; a server that is given the same module finds Django not set up.

    Instead: define `application` in asgi.py, below get_asgi_application(), and name it.
        ASGI_APPLICATION = "mysite.asgi.application"
    """
    for settings in project.settings:
        apps = [name for name, _ in texts(settings["INSTALLED_APPS"])]
        if settings.lacks("ASGI_APPLICATION"):
            if "channels" in apps or "daphne" in apps:
                yield settings.place, "ASGI_APPLICATION is not set"
            continue
        value = settings["ASGI_APPLICATION"]
        named = text(value)
        if value is None or named is None:
            continue
        wrong = _wrong_application(project, settings, named)
        if wrong:
            yield value.at, wrong


def _wrong_application(project: Project, settings: Settings, named: str) -> str:
    path, _, name = named.rpartition(".")
    nearby = project.files.modules.get(settings.path)
    module = project.files.module(path, nearby) if path else None
    if module is None:
        outside = path and project.files.module(path.partition(".")[0], nearby) is None
        # A package that is not part of this folder may bring it.
        return (
            ""
            if outside and not settings.imported
            else f"ASGI_APPLICATION names {named!r}, and there is no module {path!r}"
        )
    defined = (
        name in module.assigned or name in module.functions or name in module.classes or name in module.names
    )
    if not defined:
        return f"ASGI_APPLICATION names {named!r}, and {module.path} defines no {name!r}"
    if not _sets_up_django(project, module, len(module.tree.body)):
        return f"ASGI_APPLICATION names {named!r}, and {module.path} never calls get_asgi_application()"
    return ""


@rule("E206")
def default_application(project: Project) -> Found:
    """get_default_application() in asgi.py

    In production: it imports what ASGI_APPLICATION names. Where that is this module it fails, a module that is not yet
    complete; where it is another one, written for Channels 2 or 3, there is no application for HTTP in it.

    Instead: define the application here.
        application = ProtocolTypeRouter({"http": get_asgi_application(), …})
    """
    for module, call in project.calls("channels.routing.get_default_application"):
        if not any(_has_pages(project, settings, module) for settings in project.settings):
            yield module.place(call), "get_default_application() is called"


def _has_pages(project: Project, settings: Settings, caller: Module) -> bool:
    """Whether ASGI_APPLICATION names a router with a route for HTTP, in another module than CALLER."""
    path, _, _ = (text(settings["ASGI_APPLICATION"]) or "").rpartition(".")
    source = project.files.module(path, project.files.modules.get(settings.path)) if path else None
    return source is not caller and any(
        owner is source and literal is not None and "http" in keys(literal[1])
        for owner, _, literal in project.routers
    )


@rule("E207", SETTINGS)
def daphne_order(project: Project) -> Found:
    """ "daphne" stands below django.contrib.staticfiles

    In production: `manage.py` refuses every command with the system check daphne.E001, so the release ends before it
    migrates.

    Instead: put it first.
        INSTALLED_APPS = ["daphne", …]
    """
    for settings in project.settings:
        apps = dict(reversed(texts(settings["INSTALLED_APPS"])))
        names = [name for name, _ in texts(settings["INSTALLED_APPS"])]
        both = "daphne" in names and "django.contrib.staticfiles" in names
        if both and names.index("daphne") > names.index("django.contrib.staticfiles"):
            yield apps["daphne"].at, '"daphne" must come before "django.contrib.staticfiles"'


@rule("W208", SETTINGS)
def daphne_missing(project: Project) -> Found:
    """ "daphne" is not in INSTALLED_APPS

    In production: nothing. In development `manage.py runserver` is Django's own since Channels 4.0: pages work, every
    websocket is answered 404.

    Instead: put it first; the package comes with `channels[daphne]`.
        INSTALLED_APPS = ["daphne", …]
    """
    for settings in project.settings:
        apps: Value | None = settings["INSTALLED_APPS"]
        if not isinstance(apps, Items) or not apps.complete or "daphne" in dict(texts(apps)):
            continue
        old = any(one.excludes("4") for one in project.packages.find("channels"))
        with_daphne = any("daphne" in one.extras for one in project.packages.find("channels"))
        if old or with_daphne or project.packages.find("daphne"):
            yield apps.at, 'INSTALLED_APPS lacks "daphne", which the requirements bring'


@rule("W209", SETTINGS)
def channels_missing(project: Project) -> Found:
    """ "channels" is not in INSTALLED_APPS

    In production: `manage.py runworker` does not exist. (`channels-stack worker` does not need it.)

    Instead: add it.
        INSTALLED_APPS = […, "channels"]
    """
    for settings in project.settings:
        apps: Value | None = settings["INSTALLED_APPS"]
        if isinstance(apps, Items) and apps.complete and "channels" not in dict(texts(apps)):
            starts = [place for plan in project.plans for place, _ in plan.matches(RUNWORKER)]
            if starts or project.has_worker:
                yield apps.at, 'the project has consumers for a worker, and INSTALLED_APPS lacks "channels"'


RUNWORKER = r"\brunworker\b((?:[\"',\s\]]+[\w.=-]+)*)"


@rule("E210")
def unrouted_channel(project: Project) -> Found:
    """A worker is started for a channel that nothing consumes

    In production: every message to it is lost with a ValueError: No application configured for channel name, or for
    scope type 'channel'.

    Instead: route the name in asgi.py, spelled as the worker spells it.
        "channel": ChannelNameRouter({"thumbnails": ThumbnailConsumer.as_asgi()})
    """
    routed = project.worker_channels
    if routed is None or not project.routers or any(literal is None for _, _, literal in project.routers):
        return
    for place, name in _started(project):
        if name not in routed:
            known = (
                f"routed are {', '.join(sorted(routed))}" if routed else 'ProtocolTypeRouter has no "channel"'
            )
            yield place, f"runworker is started for {name!r}; {known}"


def _started(project: Project) -> Iterator[tuple[Place, str]]:
    """The channel names that the project's plans give to `runworker`."""
    for plan in project.plans:
        for place, match in plan.matches(RUNWORKER):
            words = (
                match.group(1).replace('"', " ").replace("'", " ").replace(",", " ").replace("]", " ").split()
            )
            takes_value = False
            for word in words:
                if not word.startswith("-") and not takes_value:
                    yield place, word
                takes_value = word in ("--layer", "--settings", "--pythonpath", "-v", "--verbosity")


@rule("W211")
def unheard_send(project: Project) -> Found:
    """A message to a channel that nothing consumes

    In production: the message waits until it expires, or reaches no one at all.

    Instead: route the name in asgi.py, spelled as the sender spells it.
        "channel": ChannelNameRouter({"thumbnails": ThumbnailConsumer.as_asgi()})
    """
    routed = project.worker_channels
    if not routed:
        return
    for module, name, node in sends(project):
        if name not in routed:
            yield module.place(node), f"send() to {name!r}; routed are {', '.join(sorted(routed))}"


def sends(project: Project) -> Iterator[tuple[Module, str, ast.Call]]:
    """Every ``layer.send("name", {…})`` with a literal name, also inside async_to_sync."""
    for module in project.modules:
        for node in module.nodes:
            if not isinstance(node, ast.Call) or len(node.args) != 2:
                continue
            function, name = called(module, node), node.args[0]
            if (
                (
                    isinstance(function, ast.Attribute)
                    and function.attr == "send"
                    and isinstance(name, ast.Constant)
                )
                and isinstance(name.value, str)
                and is_layer(function.value)
            ):
                yield module, name.value, node


def called(module: Module, node: ast.Call) -> ast.expr:
    """What a call calls; of async_to_sync(function)(…) the function."""
    outer = node.func
    if isinstance(outer, ast.Call) and outer.args and module.dotted(outer.func).endswith("async_to_sync"):
        return outer.args[0]
    return outer


def is_layer(node: ast.expr) -> bool:
    """Whether an expression is a channel layer, by its name: get_channel_layer(…), self.channel_layer, layer."""
    if isinstance(node, ast.Call):
        node = node.func
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return "layer" in name.lower()
