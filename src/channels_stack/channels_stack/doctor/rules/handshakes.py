"""Handshakes: connect() has to accept or to refuse each of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..files import Function, Module
from ..findings import Found, rule
from ..project import Project, methods

ACCEPTS = ("accept", "base_send")
REFUSES = ("close", "disconnect")
"""disconnect() refuses nothing, which E607 says."""
NEITHER = ("send", "send_json", "encode_json")
"""Methods of Channels that need an accepted handshake, or none."""


@rule("E610")
def no_answer(project: Project) -> Found:
    """connect() that returns without an answer

    In production: neither accepted nor refused, the handshake stays open: the client waits until something in front gives
    up, and shows no reason.

    Instead: refuse it before the return.
        await self.close(code=4003)
    """
    for module, node in project.consumers:
        connect = methods(node).get("connect")
        if connect is None:
            continue
        walk = _Walk(project, module, node)
        open_at_end = False in walk.through(connect.body, {False})
        for place in walk.unanswered:
            yield module.place(place), f"{node.name}.connect() returns, and has neither accepted nor refused"
        if open_at_end and walk.accepts and not walk.refuses:
            yield (
                module.place(connect),
                f"{node.name}.connect() accepts under a condition, and refuses nowhere",
                "refuse it otherwise.\n    else:\n        await self.close(code=4003)",
            )


@dataclass
class _Walk:
    """The ways through connect() of a consumer; a state is whether the handshake has its answer."""

    project: Project
    module: Module
    owner: ast.ClassDef
    unanswered: list[ast.Return] = field(default_factory=list)
    """Where it returns and no way there has answered."""
    accepts: bool = False
    refuses: bool = False
    seen: list[Function] = field(default_factory=list)
    """Methods of the consumer that were looked into."""

    def through(self, body: list[ast.stmt], states: set[bool]) -> set[bool]:
        """The states at the end of BODY that begins with STATES; empty where it never gets there."""
        for statement in body:
            states = self._after(statement, states)
        return states

    def _after(self, node: ast.stmt, states: set[bool]) -> set[bool]:
        if isinstance(node, ast.Return):
            if self._answers(node) or states != {False}:
                return set()
            self.unanswered.append(node)
            return set()
        if isinstance(node, ast.Raise):
            self.refuses = True  # DenyConnection, or an error that ends the handshake
            return set()
        if isinstance(node, ast.If):
            begin = {True} if self._answers(node.test) else states
            return self.through(node.body, begin) | self.through(node.orelse, begin)
        if isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
            return states | self.through(node.body, states) | self.through(node.orelse, states)
        if isinstance(node, (ast.With, ast.AsyncWith)):
            begin = {True} if any(self._answers(item.context_expr) for item in node.items) else states
            return self.through(node.body, begin)
        if isinstance(node, ast.Try):
            ends = self.through(node.orelse, self.through(node.body, states))
            for handler in node.handlers:
                ends |= self.through(handler.body, states)
            return self.through(node.finalbody, ends) if node.finalbody else ends
        cases = getattr(node, "cases", None)  # of match, which Python 3.9 lacks
        if cases:
            return states.union(*(self.through(case.body, states) for case in cases))
        return {True} if states and self._answers(node) else states

    def _answers(self, node: ast.AST) -> bool:
        """Whether a statement or expression answers, or hands the consumer to something that may."""
        found = False
        for each in _executed(node):
            if isinstance(each, ast.Attribute) and _is_self(each.value):
                self.accepts |= each.attr in ACCEPTS
                self.refuses |= each.attr in REFUSES
                found |= each.attr in (*ACCEPTS, *REFUSES)
            if isinstance(each, ast.Call):
                found |= self._may_answer(each)
        return found

    def _may_answer(self, call: ast.Call) -> bool:
        """Whether a call leads to code that answers, or to code that cannot be seen and could."""
        function = call.func
        if any(_is_self(argument) for argument in call.args):
            return self._unseen()
        if not isinstance(function, ast.Attribute):
            return False
        if isinstance(function.value, ast.Call) and getattr(function.value.func, "id", "") == "super":
            return self._unseen()
        if not _is_self(function.value) or function.attr in (*ACCEPTS, *REFUSES, *NEITHER):
            return False
        method = self._method(self.module, self.owner, function.attr)
        if method is None:
            return self._unseen()
        if method in self.seen:
            return False
        self.seen.append(method)
        answers = [self._answers(each) for each in method.body]  # all of them: each says what it does
        return any(answers)

    def _unseen(self) -> bool:
        self.accepts = self.refuses = True
        return True

    def _method(self, module: Module, owner: ast.ClassDef, name: str, depth: int = 0) -> Function | None:
        """The method NAME of a class, or of those of the project that it inherits from."""
        method = methods(owner).get(name)
        for base in owner.bases if method is None and depth < 5 else ():
            found = self.project.definition(module, base)
            if found and isinstance(found[1], ast.ClassDef) and found[1] is not owner:
                method = method or self._method(found[0], found[1], name, depth + 1)
        return method


def _is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a statement or expression without those of functions that it only defines."""
    waiting = [node]
    while waiting:
        each = waiting.pop()
        yield each
        if not isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            waiting.extend(ast.iter_child_nodes(each))
