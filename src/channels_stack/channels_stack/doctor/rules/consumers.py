"""Consumers: what stops the event loop, and what the channel layer refuses."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..files import Function, Module
from ..findings import Found, rule
from ..project import Project, methods
from .routing import called, is_layer

BLOCKING = {
    "time.sleep": "await asyncio.sleep(…)",
    "os.system": "await asyncio.create_subprocess_exec(…)",
    "os.wait": "await process.wait()",
    "subprocess.run": "await asyncio.create_subprocess_exec(…)",
    "subprocess.call": "await asyncio.create_subprocess_exec(…)",
    "subprocess.check_call": "await asyncio.create_subprocess_exec(…)",
    "subprocess.check_output": "await asyncio.create_subprocess_exec(…)",
    "urllib.request.urlopen": "await asyncio.to_thread(urlopen, url)",
    "socket.create_connection": "await asyncio.open_connection(…)",
    "smtplib.SMTP": "a job for a worker",
    "django.core.mail.send_mail": "await asyncio.to_thread(send_mail, …)",
    "django.core.mail.mail_admins": "await asyncio.to_thread(mail_admins, …)",
    "input": "nothing: a server has no keyboard",
}
BLOCKING_PACKAGES = ("requests", "httpx")
HTTP_VERBS = {"get", "post", "put", "patch", "delete", "head", "options", "request", "stream"}
# Methods of managers and querysets that ask the database at once.
QUERIES = {
    "get",
    "create",
    "count",
    "exists",
    "first",
    "last",
    "latest",
    "earliest",
    "update",
    "delete",
    "aggregate",
    "get_or_create",
    "update_or_create",
    "bulk_create",
    "bulk_update",
    "in_bulk",
}
ONE_ROW = ("get", "create", "first", "last", "latest", "earliest")
ASYNC_QUERIES = {f"a{name}" for name in QUERIES} | {"asave", "arefresh_from_db"}
OF_CONSUMERS = ("accept", "close", "send", "send_json")
# Methods of a model's instance that ask the database at once.
OF_INSTANCES = ("save", "delete", "refresh_from_db")
OF_THE_SCOPE = ("self.scope['user']", "self.scope['session']")
MODELS = ("django.db.models.Model", "django.db.models.base.Model")
OF_AUTH = ("django.contrib.auth.models.", "django.contrib.auth.base_user.")
ALLOWED_IN_NAMES = re.compile(r"[a-zA-Z0-9._-]*")
LONGEST_NAME = 99
ITERATING = {"list", "tuple", "set", "len", "sorted", "sum", "bool"}


@dataclass(frozen=True)
class _Run:
    """A function that an async consumer runs on the event loop: a method of ``owner``, or one of a module.

    ``name`` says which one it is.
    """

    module: Module
    owner: ast.ClassDef | None
    function: Function
    name: str


def _run_by(project: Project, start: _Run, seen: set[ast.AST]) -> Iterator[_Run]:
    """The function itself, and those of the project that it calls: they run on the event loop as well."""
    if start.function in seen:
        return
    seen.add(start.function)
    yield start
    own = methods(start.owner) if start.owner else {}
    for call in _own_calls(start.function):
        dotted = start.module.dotted(call.func)
        inner: ast.AST | None = own.get(dotted[len(".self.") :]) if dotted.startswith(".self.") else None
        module, owner = start.module, start.owner
        if inner is None:
            module, inner = project.definition(start.module, call.func) or (module, None)
            owner = None
        # A decorator may move it to a thread.
        if not isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef)) or inner.decorator_list:
            continue
        if isinstance(inner, ast.FunctionDef) and isinstance(start.module.parents.get(call), ast.Await):
            continue  # what it returns is awaited: it hands the work on
        name = f"{owner.name}.{inner.name}" if owner else inner.name
        yield from _run_by(project, _Run(module, owner, inner, name), seen)


def _own_calls(function: Function) -> Iterator[ast.Call]:
    """Calls that a function makes itself: not those of an inner function or a lambda, which a thread may run."""
    for node in _own_nodes(function):
        if isinstance(node, ast.Call):
            yield node


def _own_nodes(function: Function) -> Iterator[ast.AST]:
    waiting: list[ast.AST] = [*function.body]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            continue
        yield node
        waiting.extend(ast.iter_child_nodes(node))


def _awaitless(module: Module, function: Function) -> Iterator[ast.Call]:
    """Calls that a function makes itself and does not await."""
    for call in _own_calls(function):
        if not isinstance(module.parents.get(call), ast.Await):
            yield call


def _on_the_loop(project: Project) -> Iterator[_Run]:
    """Each function that an async consumer runs on the event loop, once."""
    seen: set[ast.AST] = set()
    for module, node in project.consumers:
        if project.is_async_consumer(module, node):
            for child in node.body:
                if isinstance(child, ast.AsyncFunctionDef):
                    yield from _run_by(project, _Run(module, node, child, f"{node.name}.{child.name}"), seen)


@rule("E601")
def blocking_call(project: Project) -> Found:
    """A call that blocks, in an async consumer

    In production: while it waits, the whole process does: every socket and every page on it. A probe that gets no answer
    in time has the process restarted.

    Instead: use the awaitable counterpart, or a thread.
        await asyncio.to_thread(call, …)
    """
    for run in _on_the_loop(project):
        module = run.module
        for call in _awaitless(module, run.function):
            name = module.dotted(call.func)
            name = "input" if name == ".input" else name
            package, _, verb = name.rpartition(".")
            if name in BLOCKING:
                yield (
                    module.place(call),
                    f"{run.name} calls {name}()",
                    f"write: {BLOCKING[name]}",
                )
            elif package in BLOCKING_PACKAGES and verb in HTTP_VERBS:
                better = "write:\n    async with httpx.AsyncClient() as client:\n        answer = await client.get(url)"
                yield module.place(call), f"{run.name} calls {name}()", better


@rule("E602")
def query_in_async(project: Project) -> Found:
    """A database query in an async consumer

    In production: it raises SynchronousOnlyOperation, which ends the socket with 1011 or 1006.

    Instead: use the async method of the ORM, or a thread.
        room = await Room.objects.aget(slug=slug)
        room = await database_sync_to_async(find_room)(slug)
    """
    for run in _on_the_loop(project):
        module = run.module
        for given in _iterated(run.function):
            yield module.place(given), f"{run.name} goes through a queryset"
        instances = _instances(project, run)
        for call in _awaitless(module, run.function):
            function = call.func
            if not isinstance(function, ast.Attribute):
                continue
            asks = function.attr in QUERIES and _is_queryset(function.value)
            if asks or (function.attr in OF_INSTANCES and _key(function.value) in instances):
                yield module.place(call), f"{run.name} asks the database with .{function.attr}()"


def _instances(project: Project, run: _Run) -> set[str]:
    """What holds rows of the database in a function: its own names, and attributes that any method of its class sets."""
    holders = set(OF_THE_SCOPE)
    for function in (run.function, *(methods(run.owner).values() if run.owner else ())):
        module = run.module
        for node in _own_nodes(function):
            target: ast.AST | None = None
            if isinstance(node, ast.Assign) and (
                _key(node.value) in OF_THE_SCOPE or _is_instance(project, module, node.value)
            ):
                target = node.targets[0]
            elif isinstance(node, (ast.For, ast.AsyncFor)) and _is_queryset(node.iter):
                target = node.target
            key = _key(target)
            if key and (function is run.function or key.startswith("self.")):
                holders.add(key)
    return holders


def _key(node: ast.AST | None) -> str:
    """The text of a name, of an attribute of self, of an item of self.scope; "" of anything else."""
    if isinstance(node, ast.Name):
        return node.id
    is_text = isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)
    if (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)) or is_text:
        return ast.unparse(node)  # type: ignore[arg-type]
    return ""


def _is_instance(project: Project, module: Module, node: ast.expr) -> bool:
    """Whether an expression makes or fetches a row of the database."""
    if isinstance(node, ast.Await) and isinstance(node.value, ast.Call):
        function = node.value.func
        if isinstance(function, ast.Attribute) and function.attr in {f"a{name}" for name in ONE_ROW}:
            return _is_queryset(function.value)
        # database_sync_to_async(Room.objects.get)(…)
        inner = function.args[0] if isinstance(function, ast.Call) and function.args else None
        return isinstance(inner, ast.Attribute) and inner.attr in ONE_ROW and _is_queryset(inner.value)
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Attribute) and node.func.attr in ONE_ROW and _is_queryset(node.func.value):
        return True
    made = project.definition(module, node.func)
    return (
        made is not None
        and isinstance(made[1], ast.ClassDef)
        and any(base in MODELS or base.startswith(OF_AUTH) for base in project.bases(made[0], made[1]))
    )


def _iterated(function: Function) -> Iterator[ast.AST]:
    """Querysets that a function goes through itself: for, a comprehension, list()."""
    for node in _own_nodes(function):
        given: ast.AST | None = None
        if isinstance(node, ast.For) or (isinstance(node, ast.comprehension) and not node.is_async):
            given = node.iter
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ITERATING:
            given = node.args[0] if node.args else None
        # .get() and its like ask the database by themselves, and are found as calls.
        if given is not None and _is_queryset(given) and not _asks_at_once(given):
            yield given


def _asks_at_once(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in QUERIES


def _is_queryset(node: ast.AST) -> bool:
    """Whether an expression begins with ``Something.objects``."""
    while True:
        if isinstance(node, ast.Attribute) and node.attr == "objects":
            return True
        inner: ast.AST | None = node.func if isinstance(node, ast.Call) else getattr(node, "value", None)
        if inner is None:
            return False
        node = inner


@rule("E603")
def async_to_sync_in_async(project: Project) -> Found:
    """async_to_sync in an async consumer

    In production: it raises RuntimeError: You cannot use AsyncToSync in the same thread as an async event loop.

    Instead: await the coroutine.
        await self.channel_layer.group_send(group, event)
    """
    for run in _on_the_loop(project):
        for call in _awaitless(run.module, run.function):
            if run.module.dotted(call.func) in ("asgiref.sync.async_to_sync", "asgiref.sync.AsyncToSync"):
                yield run.module.place(call), f"{run.name} uses async_to_sync"


@rule("E604")
def not_awaited(project: Project) -> Found:
    """A coroutine that is not awaited

    In production: nothing is sent, saved or closed and no group is joined; the log says that a coroutine was never awaited, if
    anything.

    Instead: await it, or in sync code wrap it.
        await self.channel_layer.group_send(group, event)
        async_to_sync(channel_layer.group_send)(group, event)
    """
    for module in project.modules:
        for node in module.nodes:
            call = node.value if isinstance(node, ast.Expr) else None
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Attribute)
                and is_layer(call.func.value)
            ) and call.func.attr in ("group_add", "group_discard", "group_send"):
                yield module.place(node), f"{call.func.attr}() is called, and its coroutine dropped"
    for run in _on_the_loop(project):
        for node in _own_nodes(run.function):
            call = node.value if isinstance(node, ast.Expr) else None
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
                continue
            name = call.func.attr
            own = methods(run.owner) if run.owner else {}
            of_consumer = run.module.dotted(call.func) == f".self.{name}" and name in OF_CONSUMERS
            if (of_consumer and name not in own) or name in ASYNC_QUERIES:
                yield run.module.place(node), f"{run.name} calls {name}(), and drops its coroutine"


@rule("E605")
def bad_group_name(project: Project) -> Found:
    """A group name that is refused

    In production: group_add and group_send raise TypeError, which ends the socket: a name has fewer than 100 ASCII
    letters, digits, hyphens, underscores and dots. Since Channels 4.2.1 the length is enforced too.

    Instead: use a number, a slug or a hash.
        f"room-{room.pk}"
    """
    for module in project.modules:
        for node in module.nodes:
            for name in _group_names(module, node):
                parts = _fixed_parts(_meant(module, name))
                if any(not ALLOWED_IN_NAMES.fullmatch(part) for part in parts):
                    bad = next(part for part in parts if not ALLOWED_IN_NAMES.fullmatch(part))
                    yield module.place(name), f"the group name holds {_refused(bad)!r}"
                elif sum(map(len, parts)) > LONGEST_NAME:
                    yield module.place(name), f"the group name has more than {LONGEST_NAME} characters"


def _group_names(module: Module, node: ast.AST) -> Iterator[ast.expr]:
    """Expressions that name a group: in group_add and its like, and in the attribute ``groups`` of a class."""
    if isinstance(node, ast.Call) and node.args:
        function = called(module, node)
        if isinstance(function, ast.Attribute) and function.attr in (
            "group_add",
            "group_discard",
            "group_send",
        ):
            yield node.args[0]
    elif isinstance(node, ast.ClassDef) and any("Consumer" in module.dotted(base) for base in node.bases):
        for child in node.body:
            if (
                isinstance(child, ast.Assign)
                and isinstance(child.targets[0], ast.Name)
                and child.targets[0].id == "groups"
            ):
                yield from child.value.elts if isinstance(child.value, (ast.List, ast.Tuple)) else []


def _meant(module: Module, node: ast.expr) -> ast.expr:
    """The expression behind a name: assigned in the module, or once to an attribute such as self.group_name."""
    if isinstance(node, ast.Name):
        found = _assignments(module, lambda target: isinstance(target, ast.Name) and target.id == node.id)
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        found = _assignments(
            module, lambda target: isinstance(target, ast.Attribute) and target.attr == node.attr
        )
    else:
        return node
    return found[0] if len(found) == 1 else node


def _assignments(module: Module, wanted: object) -> list[ast.expr]:
    return [
        node.value
        for node in module.nodes
        if isinstance(node, ast.Assign) and any(wanted(target) for target in node.targets)  # type: ignore[operator]
    ]


def _fixed_parts(node: ast.expr) -> list[str]:
    """The texts that are part of the name whatever is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        return [part for value in node.values for part in _fixed_parts(value)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [*_fixed_parts(node.left), *_fixed_parts(node.right)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return [re.sub(r"%[-#0 +]*\d*[sdrf]", "", part) for part in _fixed_parts(node.left)]
    is_format = (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format"
    )
    if is_format:
        return [re.sub(r"\{[^{}]*\}", "", part) for part in _fixed_parts(node.func.value)]  # type: ignore[attr-defined]
    return []


def _refused(part: str) -> str:
    return re.sub(r"[a-zA-Z0-9._-]", "", part)[:1]


@rule("E606")
def message_without_type(project: Project) -> Found:
    """A message without a type

    In production: the consumer that gets it ends with a ValueError: Incoming message has no 'type' attribute. In
    `runworker` nothing is received on the channel any more, while the process stays alive.

    Instead: name the handler; dots stand for underscores.
        await channel_layer.group_send("room-1", {"type": "room.message", "text": text})
    """
    for module in project.modules:
        for node in module.nodes:
            if (
                not isinstance(node, ast.Call)
                or len(node.args) != 2
                or not isinstance(node.args[1], ast.Dict)
            ):
                continue
            function = called(module, node)
            if not isinstance(function, ast.Attribute) or not is_layer(function.value):
                continue
            literal = node.args[1]
            names = [key.value if isinstance(key, ast.Constant) else None for key in literal.keys]
            if function.attr in ("group_send", "send") and "type" not in names and None not in names:
                yield module.place(literal), f"{function.attr}() is given a message without 'type'"


@rule("E607")
def disconnect_as_close(project: Project) -> Found:
    """disconnect() called to close a socket

    In production: disconnect() is what Channels calls after a socket has closed; calling it sends nothing. In connect() the
    client waits for an answer until something in front gives up; later the socket stays open, without its groups.

    Instead: close it; before accept() that refuses the handshake.
        await self.close(code=4003)
    """
    for module, node in project.consumers:
        for method in node.body:
            if not isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            if method.name in ("disconnect", "websocket_disconnect"):
                continue
            for call in ast.walk(method):
                if isinstance(call, ast.Call) and module.dotted(call.func) == ".self.disconnect":
                    yield module.place(call), f"{node.name}.{method.name} calls self.disconnect()"
