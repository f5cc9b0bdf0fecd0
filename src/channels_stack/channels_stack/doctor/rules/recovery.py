"""Clients that miss what their groups get while they are away."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ..files import Function, Module
from ..findings import Found, rule
from ..project import Project, methods, parameters

# Methods that Channels calls by name, or that a consumer calls itself: none of them is a handler.
OWN = {
    *("connect", "disconnect", "receive", "receive_json", "accept", "close", "send", "send_json"),
    *("dispatch", "encode_json", "decode_json", "send_headers", "send_body", "handle"),
}
SENDS = ("send", "send_json")


@rule("W609")
def only_forwards(project: Project) -> Found:
    """A consumer that only forwards what its groups get

    In production: a client whose connection breaks, or is closed for a rollout, is back within seconds and has missed what
    was sent meanwhile, without notice.

    Instead: let clients recover; a client without the protocol is served as before (docs/how-to/recovery.md).
        class Room(RecoverableConsumer, AsyncWebsocketConsumer):  # from channels_stack.groups
            async def connect(self):
                await self.accept()
                await self.subscribe("room-1")
    """
    for module, node in project.consumers:
        if not project.is_async_consumer(module, node) or not _is_for_sockets(project, module, node):
            continue
        handlers = list(_handlers(node))
        others = [
            method for method in methods(node).values() if method.name in ("connect", "websocket_connect")
        ]
        says_first = any(_sends(inner) for method in others for inner in ast.walk(method))
        if handlers and _joins(node) and not says_first and all(map(_forwards, handlers)):
            yield module.place(node), f"{node.name} forwards events, and who was away never gets them"


def _is_for_sockets(project: Project, module: Module, node: ast.ClassDef) -> bool:
    bases = {base.rpartition(".")[2] for base in project.bases(module, node)}
    return any(base.endswith("WebsocketConsumer") for base in bases) and "RecoverableConsumer" not in bases


def _handlers(node: ast.ClassDef) -> Iterator[Function]:
    """Methods that a message from the channel layer may call: with the message alone, and by no name of Channels' own."""
    for name, method in methods(node).items():
        known = name in OWN or name.startswith(("_", "websocket_"))
        if not known and not method.decorator_list and len(parameters(method)) == 2:
            yield method


def _joins(node: ast.ClassDef) -> bool:
    """Whether the class itself puts its channel into a group."""
    return any(isinstance(inner, ast.Attribute) and inner.attr == "group_add" for inner in ast.walk(node))


def _forwards(handler: Function) -> bool:
    """Whether a handler does nothing but to send what it is given."""
    sends = 0
    for statement in handler.body:
        if isinstance(statement, ast.Expr) and _sends(statement.value):
            sends += 1
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            continue  # a docstring
        elif not isinstance(statement, (ast.Assign, ast.AnnAssign)) or _waits(statement):
            return False
    return sends > 0 and isinstance(handler, ast.AsyncFunctionDef)


def _sends(node: ast.AST) -> bool:
    """Whether it is ``await self.send(…)``, with nothing else to wait for in it."""
    call = node.value if isinstance(node, ast.Await) else None
    return (
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in SENDS
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "self"
        and not any(_waits(argument) for argument in [*call.args, *call.keywords])
    )


def _waits(node: ast.AST) -> bool:
    return any(isinstance(inner, ast.Await) for inner in ast.walk(node))
