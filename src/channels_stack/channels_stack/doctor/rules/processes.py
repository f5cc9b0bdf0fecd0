"""What a project keeps in one process, or sends nowhere, because nothing was chosen for production."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Union

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
        if text(engine) == f"{SESSIONS}cache" and is_local(settings, alias):
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
        if not is_local(settings, "default"):
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


def is_local(settings: Settings, alias: str) -> bool:
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
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
SCOPES = (*FUNCTIONS, ast.Lambda, ast.ClassDef)
Scope = Union[ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef]


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
    kept = [(module, each) for module in modules.values() for each in _changed(project, module)]
    kept += [(module, each) for module, consumer in project.consumers for each in _shared(module, consumer)]
    for module, (name, node, changer) in kept:
        yield module.place(node), f"{name} is changed by {changer}(), each process has its own"


Kept = Iterator[tuple[str, ast.AST, str]]
"""(name, its assignment, the function that changes it) for each variable that is kept."""


def _changed(project: Project, module: Module) -> Kept:
    """Variables of the MODULE's top level that a function of the module changes, other than while modules are imported."""
    containers = {name for name, value in module.assigned.items() if _is_container(module, value)}
    changers: dict[str, list[str]] = {}
    for function in module.nodes:
        # One inside another is looked at with that.
        if isinstance(function, FUNCTIONS) and not _is_inside(module, function):
            for name in _changes(function, frozenset(), containers):
                changers.setdefault(name, []).append(function.name)
    for name, value in module.assigned.items():
        for changer in changers.get(name, []):
            if changer not in project.used_at_import:
                yield name, value, changer
                break


def _shared(module: Module, consumer: ast.ClassDef) -> Kept:
    """Containers that the class CONSUMER keeps for all sockets, and a method changes."""
    owners = ("self", "cls", consumer.name)
    own: set[str] = set()
    changers: dict[str, str] = {}
    for method in consumer.body:
        if not isinstance(method, FUNCTIONS):
            continue
        for node in ast.walk(method):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _owner(node) == "self":
                own.add(node.attr)
            held = _held(node)
            if isinstance(held, ast.Attribute) and _owner(held) in owners:
                changers.setdefault(held.attr, method.name)
    for statement in consumer.body:
        if isinstance(statement, ast.Assign):
            target: ast.expr = statement.targets[0]
        elif isinstance(statement, ast.AnnAssign):
            target = statement.target
        else:
            continue
        if not isinstance(target, ast.Name) or not _is_container(module, statement.value):
            continue
        if target.id not in own and target.id in changers:
            yield f"{consumer.name}.{target.id}", statement, changers[target.id]


def _owner(node: ast.Attribute) -> str:
    return node.value.id if isinstance(node.value, ast.Name) else ""


def _is_container(module: Module, value: ast.expr | None) -> bool:
    called = isinstance(value, ast.Call) and module.dotted(value.func) in CONTAINERS
    return called or isinstance(value, (ast.Dict, ast.List, ast.Set))


def _is_inside(module: Module, node: ast.AST) -> bool:
    """Whether NODE is part of a function."""
    while (node := module.parents.get(node)) is not None:  # type: ignore[assignment]
        if isinstance(node, FUNCTIONS):
            return True
    return False


def _changes(scope: Scope, outer: frozenset[str], containers: set[str]) -> Iterator[str]:
    """Variables of the module that SCOPE, or one in it, changes or makes another value; OUTER are names of those around it."""
    nodes, inner = _parts(scope)
    stored = {name for node in nodes for name in _bound(node)}
    declared = {name for node in nodes if isinstance(node, ast.Global) for name in node.names}
    yield from stored & declared
    hidden = outer - declared
    if not isinstance(scope, ast.ClassDef):  # whose names its methods do not see
        arguments = scope.args
        every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
        more = (each for each in (arguments.vararg, arguments.kwarg) if each)
        hidden |= (stored - declared) | {each.arg for each in (*every, *more)}
    for node in nodes:
        held = _held(node)
        if isinstance(held, ast.Name) and held.id in containers and held.id not in hidden:
            yield held.id
    for each in inner:
        yield from _changes(each, hidden, containers)


def _parts(scope: Scope) -> tuple[list[ast.AST], list[Scope]]:
    """The nodes of SCOPE's own, and the scopes right in it."""
    nodes: list[ast.AST] = []
    inner: list[Scope] = []
    left: list[ast.AST] = [scope.body] if isinstance(scope, ast.Lambda) else list(scope.body)
    while left:
        node = left.pop()
        nodes.append(node)
        if isinstance(node, SCOPES):
            inner.append(node)
        else:
            left += ast.iter_child_nodes(node)
    return nodes, inner


def _bound(node: ast.AST) -> list[str]:
    """The names that NODE makes its scope's own."""
    if isinstance(node, ast.Name):
        return [] if isinstance(node.ctx, ast.Load) else [node.id]
    if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
        return [node.name]
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return [alias.asname or alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ExceptHandler) or type(node).__name__ in ("MatchAs", "MatchStar"):
        return [node.name] if node.name else []  # type: ignore[attr-defined]
    return []


def _held(node: ast.AST) -> ast.expr | None:
    """What NODE changes: X of `X[…] = …`, `del X[…]` or `X.append(…)`."""
    if isinstance(node, ast.Subscript):
        return None if isinstance(node.ctx, ast.Load) else node.value
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGES:
        return node.func.value
    return None
