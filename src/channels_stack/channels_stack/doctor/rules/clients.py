"""Clients that a project's own code makes of other servers."""

from __future__ import annotations

import ast
from urllib.parse import urlsplit

from ..evaluate import Evaluator, Names
from ..files import Module
from ..findings import Found, rule
from ..project import Project
from ..values import text, variables_of
from .layers import LOCAL_HOSTS

CLASSES = ("Redis", "StrictRedis", "ConnectionPool", "BlockingConnectionPool")
MODULES = ("redis", "redis.client", "redis.asyncio", "redis.connection", "valkey", "valkey.asyncio")
MADE = {f"{module}.{name}" for module in MODULES for name in (*CLASSES, "Valkey")}
BY_URL = {f"{name}.from_url" for name in (*MODULES, *MADE)}
ELSEWHERE = {"connection_pool", "unix_socket_path", "path", "connection_class"}
"""Arguments that say where the server is otherwise than by a host."""


@rule("W317", deploy=True)
def client_of_local_redis(project: Project) -> Found:
    """A client of Redis on this machine

    In production: in a container localhost is the container itself: the first command fails with a ConnectionError.

    Instead: take the address from the environment. (With this stack APP_REDIS=both in stack.env starts a Redis for it, and
    clients of localhost reach that.)
        redis.from_url(os.environ["REDIS_URL"])
    """
    for module in project.modules:
        for node in module.nodes:
            host = _host(module, node) if isinstance(node, ast.Call) else ""
            if host in LOCAL_HOSTS:
                yield module.place(node), f"{ast.unparse(node.func)}(…) is a client of {host}"  # type: ignore[attr-defined]


def _host(module: Module, call: ast.Call) -> str:
    """The host of a client that CALL makes, where the source alone decides it; "" of anything else."""
    name = module.dotted(call.func)
    given = {one.arg: one.value for one in call.keywords}
    first = call.args[0] if call.args and not isinstance(call.args[0], ast.Starred) else None
    if name in BY_URL:
        url = first or given.get("url")
        return (urlsplit(_text(module, url)).hostname or "") if url else ""
    if name not in MADE or None in given or ELSEWHERE & given.keys() or (call.args and not first):
        return ""
    host = first or given.get("host")
    return _text(module, host) if host else "localhost"


def _text(module: Module, node: ast.expr) -> str:
    """The text of an expression that no environment decides; "" where it is not known."""
    names: Names = {}
    for name, value in module.assigned.items():
        names[name] = Evaluator(module, names).value(value)
    found = Evaluator(module, names).value(node)
    return "" if variables_of(found) else text(found) or ""
