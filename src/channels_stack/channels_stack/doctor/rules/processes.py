"""What a project keeps in one process, or sends nowhere, because nothing was chosen for production."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ..files import Module
from ..findings import SETTINGS, Found, rule
from ..project import Project
from ..settings import Settings
from ..values import Items, Mapping, Value, get, is_certain, is_complete, text, texts

BACKENDS = "django.core.cache.backends."
LOCAL_CACHES = (f"{BACKENDS}locmem.LocMemCache", f"{BACKENDS}dummy.DummyCache")
SESSIONS = "django.contrib.sessions.backends."
MAIL = "django.core.mail.backends."
DEVELOPMENT_MAIL = tuple(f"{MAIL}{kind}.EmailBackend" for kind in ("console", "dummy", "filebased", "locmem"))


@rule("W515", SETTINGS, deploy=True)
def development_mail(project: Project) -> Found:
    """Mails that are never delivered

    In production: mails are printed, kept in memory or thrown away, password links among them. Django 6.1 makes it an error
    of `check --deploy` (mail.E001) where MAILERS says it, as `startproject` writes it.

    Instead: name a server; with this stack EMAIL_URL in app.env does, and the backend stays as it is for development.
        EMAIL_URL=smtp+tls://user:password@mail.example.org
    """
    for settings in project.settings:
        mailers = settings["MAILERS"]
        own = mailers.items if isinstance(mailers, Mapping) else {}
        chosen = [(f"MAILERS[{alias!r}]", get(mailer, "BACKEND")) for alias, mailer in own.items()]
        for name, backend in [*chosen, ("EMAIL_BACKEND", settings["EMAIL_BACKEND"])]:
            if backend is not None and is_certain(backend) and text(backend) in DEVELOPMENT_MAIL:
                yield backend.at, f"{name} is {text(backend)}"


@rule("E516", SETTINGS, deploy=True)
def local_sessions(project: Project) -> Found:
    """Sessions in one process

    In production: a session is known to the process (or container) that made it: users are signed in on one request and
    signed out on the next.

    Instead: keep them in the database, with a shared cache in front of it if there is one. (This stack moves them there.)
        SESSION_ENGINE = "django.contrib.sessions.backends.db"
    """
    for settings in project.settings:
        engine = settings["SESSION_ENGINE"]
        if engine is None or not is_certain(engine):
            continue
        alias = text(settings["SESSION_CACHE_ALIAS"]) or "default"
        if text(engine) == f"{SESSIONS}cache" and _is_local(settings, alias):
            yield engine.at, f"SESSION_ENGINE is the cache {alias!r}, which is in the memory of each process"
        elif text(engine) == f"{SESSIONS}file":
            yield engine.at, "SESSION_ENGINE keeps files, which are in one container"


@rule("W517", SETTINGS, deploy=True)
def local_counts(project: Project) -> Found:
    """Limits that each process counts by itself

    In production: a limit of 100 is one of 100 for each process, and is forgotten with it: whoever guesses passwords has as
    many tries as there are processes.

    Instead: give the default cache a server that all share; with this stack APP_REDIS=cache in stack.env starts one.
        CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": os.environ["CACHE_URL"]}}
    """
    for settings in project.settings:
        if not _is_local(settings, "default"):
            continue
        throttles = settings.get("REST_FRAMEWORK", "DEFAULT_THROTTLE_CLASSES")
        if isinstance(throttles, Items) and throttles.items:
            yield (
                throttles.at,
                "the throttles of REST_FRAMEWORK count in the default cache, one in each process",
            )
        handler = settings["AXES_HANDLER"]
        if (text(handler) or "").endswith("CacheHandler"):
            yield handler.at, "AXES_HANDLER counts in the default cache, one in each process"  # type: ignore[union-attr]
        for name, app in texts(settings["INSTALLED_APPS"]):
            if name in ("django_ratelimit", "ratelimit"):
                yield app.at, f"{name} counts in the default cache, one in each process"


def _is_local(settings: Settings, alias: str) -> bool:
    """Whether a cache is certainly one of Django's that live in the process."""
    caches: Value | None = settings["CACHES"]
    if caches is None:
        return settings.lacks("CACHES")  # Django's default is LocMemCache
    backend = get(caches, alias, "BACKEND")
    if backend is None:
        return is_complete(caches) and get(caches, alias) is None
    return is_certain(backend) and text(backend) in LOCAL_CACHES


CONTAINERS = {
    *("dict", "list", "set"),
    *("collections.defaultdict", "collections.OrderedDict", "collections.deque", "collections.Counter"),
}
CHANGES = {
    *("append", "appendleft", "add", "extend", "insert", "setdefault", "update"),
    *("pop", "popitem", "popleft", "remove", "discard", "clear"),
}
"""Methods that change a container."""


@rule("W611")
def state_of_sockets(project: Project) -> Found:
    """State of sockets in a variable of a module or class

    In production: each process has a variable of its own. Players of one game whose sockets are in two processes do not see
    each other, a page sees neither, and a rollout begins with nothing.

    Instead: keep it in the database or in Redis; where sockets alone use it, one process for all of them also does.
        WS_REPLICAS=1
    """
    modules = {module.path: module for module, _ in project.consumers}
    for module in list(modules.values()):
        for name in module.names.values():
            for path in (name, name.rpartition(".")[0]):
                if path.strip(".") and (imported := project.files.module(path, module)):
                    modules.setdefault(imported.path, imported)
    kept = [(module, each) for module in modules.values() for each in _changed(module)]
    kept += [(module, each) for module, consumer in project.consumers for each in _shared(module, consumer)]
    for module, (name, node) in kept:
        yield module.place(node), f"{name} is changed while sockets are open, each process has its own"


def _changed(module: Module) -> Iterator[tuple[str, ast.AST]]:
    """(name, its assignment) for each variable of the MODULE's top level that a function of the module changes."""
    for name, value in module.assigned.items():
        if any(_changes(module, function, name, value) for function in _functions(module)):
            yield name, value


def _shared(module: Module, consumer: ast.ClassDef) -> Iterator[tuple[str, ast.AST]]:
    """(name, its assignment) for each container that the class CONSUMER keeps for all sockets, and a method changes."""
    for statement in consumer.body:
        if not isinstance(statement, ast.Assign) or not _is_container(module, statement.value):
            continue
        target = statement.targets[0]
        if not isinstance(target, ast.Name):
            continue
        ways = {f"{owner}.{target.id}" for owner in ("self", "cls", consumer.name)}
        nodes = list(ast.walk(consumer))
        own = any(
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and ast.unparse(node) == f"self.{target.id}"
            for node in nodes
        )
        if not own and any(_changes_container(node, ways) for node in nodes):
            yield f"{consumer.name}.{target.id}", statement


def _is_container(module: Module, value: ast.expr) -> bool:
    called = isinstance(value, ast.Call) and module.dotted(value.func) in CONTAINERS
    return called or isinstance(value, (ast.Dict, ast.List, ast.Set))


def _functions(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in module.nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def _changes(
    module: Module, function: ast.FunctionDef | ast.AsyncFunctionDef, name: str, value: ast.expr
) -> bool:
    """Whether FUNCTION changes what NAME holds, or makes it another value: NAME is the module's VALUE there."""
    nodes = list(ast.walk(function))
    stored = any(
        isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store) for node in nodes
    )
    if any(isinstance(node, ast.Global) and name in node.names for node in nodes):
        return stored
    parameters = {argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)}
    if not _is_container(module, value) or stored or name in parameters:
        return False
    return any(_changes_container(node, {name}) for node in nodes)


def _changes_container(node: ast.AST, names: set[str]) -> bool:
    """Whether NODE is `name[…] = …`, `del name[…]` or `name.append(…)`, for one of NAMES."""
    if isinstance(node, ast.Subscript):
        held, is_change = node.value, isinstance(node.ctx, (ast.Store, ast.Del))
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        held, is_change = node.func.value, node.func.attr in CHANGES
    else:
        return False
    return is_change and isinstance(held, (ast.Name, ast.Attribute)) and ast.unparse(held) in names
