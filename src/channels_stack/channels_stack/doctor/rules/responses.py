"""Answers of pages: what a server of ASGI does differently."""

from __future__ import annotations

import ast

from ..files import Module
from ..findings import Found, rule
from ..project import Project

FILES = ("django.http.FileResponse", "django.http.response.FileResponse")
STREAMS = ("django.http.StreamingHttpResponse", "django.http.response.StreamingHttpResponse")
SYNC_BUILTINS = {"open", "map", "filter", "iter", "zip"}


@rule("W608")
def sync_stream(project: Project) -> Found:
    """A synchronous stream

    In production: under ASGI Django makes a list of everything before it sends the first byte: a large file fills the
    memory, a generator that waits arrives at its end, an endless one never. This stack sends such streams part by part.

    Instead: give an async iterator, or leave files to the server in front.
        async def rows():
            async for row in Row.objects.all().aiterator():
                yield line(row)
    """
    for module, call in project.calls(*FILES, *STREAMS):
        name = module.dotted(call.func)
        if name in FILES:
            yield module.place(call), "FileResponse reads its file synchronously"
            continue
        given = call.args[0] if call.args else None
        for keyword in call.keywords:
            given = keyword.value if keyword.arg == "streaming_content" else given
        if given is not None and _is_sync(project, module, given):
            yield module.place(call), "StreamingHttpResponse is given a synchronous iterator"


def _is_sync(project: Project, module: Module, node: ast.expr) -> bool:
    """Whether an expression is an iterator of synchronous code, as far as that can be seen."""
    if isinstance(node, ast.GeneratorExp):
        waits = any(isinstance(part, ast.Await) for part in ast.walk(node))
        return not waits and not any(loop.is_async for loop in node.generators)
    if isinstance(node, ast.Name):
        given = _assigned(module, node)
        return bool(given) and all(
            not isinstance(one, ast.Name) and _is_sync(project, module, one) for one in given
        )
    if not isinstance(node, ast.Call):
        return False
    function = node.func
    if isinstance(function, ast.Name) and function.id in SYNC_BUILTINS:
        return True
    made = project.definition(module, function)
    if made:
        return _is_generator(made[1])
    named = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
    near = [
        one
        for one in module.nodes
        if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)) and one.name == named
    ]
    return bool(near) and all(_is_generator(one) for one in near)


def _assigned(module: Module, name: ast.Name) -> list[ast.expr]:
    """What the function around NAME assigns to it."""
    around: ast.AST | None = name
    while around is not None and not isinstance(around, (ast.FunctionDef, ast.AsyncFunctionDef)):
        around = module.parents.get(around)
    return [
        node.value
        for node in (ast.walk(around) if around else ())
        if isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == name.id for target in node.targets)
    ]


def _is_generator(node: ast.AST) -> bool:
    """Whether a function is synchronous and yields."""
    return isinstance(node, ast.FunctionDef) and any(
        isinstance(part, (ast.Yield, ast.YieldFrom)) for part in ast.walk(node)
    )
