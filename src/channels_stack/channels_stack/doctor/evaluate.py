"""Computes the value of an expression without running it.

Names, literals, arithmetic on texts and numbers, and what settings files do with environment variables are
understood. Everything else is ``Unknown``, which no rule takes for a mistake.
"""

from __future__ import annotations

import ast
import re
from typing import Any, Callable

from .files import Module
from .values import NO_VARIABLES, Constant, Items, Mapping, Unknown, Value, constant, get, variables_of

READERS = {
    "os.environ.get",
    "os.getenv",
    "os.environ.pop",
    "os.environ.setdefault",
    "environ.get",
    "decouple.config",
}
ENVIRONMENTS = ("env", "environ", "environment", "config")
CASTS: dict[str, Callable[[Any], Any]] = {"str": str, "int": int, "float": float, "bool": bool}
TEXT_METHODS = {
    "lower",
    "upper",
    "strip",
    "split",
    "rstrip",
    "lstrip",
    "replace",
    "format",
    "startswith",
    "endswith",
}
# Names that are on while tests run, and never in production.
TESTING = re.compile(r"_?(IS_|IN_|RUNNING_|UNDER_)?(TEST|TESTS|TESTING|PYTEST|TEST_MODE|RUNNING_TESTS)")
TEST_RUNNERS = re.compile(r"(py\.?|x)?tests?|testing|jest|nose|tox|test_coverage")
# Variables that are there where a project is deployed, if it asks for them at all.
PRESENT = re.compile(r".*(URL|URI|HOST|HOSTNAME|DSN)|RENDER|DYNO|RAILWAY_.*|FLY_.*|KUBERNETES_.*")
PRODUCTION = re.compile(r"prod|production|live", re.IGNORECASE)
DEVELOPMENT = re.compile(r"dev|develop|development|local|debug|tests?|testing|ci", re.IGNORECASE)
DEEPEST = 60
LONGEST = 100_000  # elements or characters of a computed value

Names = dict[str, Value]


class Evaluator:
    """Evaluates expressions of ``module`` with ``names``, the values that its names have at that point."""

    def __init__(self, module: Module, names: Names) -> None:
        self.module, self.names = module, names
        self.depth = 0

    def value(self, node: ast.expr) -> Value:
        """The value of ``node``; Unknown at worst."""
        self.depth += 1
        try:
            if self.depth <= DEEPEST:
                method = getattr(self, f"_{type(node).__name__.lower()}", None)
                found: Value | None = method(node) if method else None
                if found is not None:
                    return found
            return self._unknown(node)
        except (ArithmeticError, TypeError, ValueError, LookupError, AttributeError):
            return self._unknown(node)  # it would fail in Python as well, or differently
        finally:
            self.depth -= 1

    def _unknown(self, node: ast.expr, *parts: Value) -> Unknown:
        used = frozenset().union(*(variables_of(part) for part in parts)) if parts else NO_VARIABLES
        return Unknown(self.module.place(node), variables=used)

    def _constant(self, node: ast.Constant) -> Value:
        return Constant(node.value, self.module.place(node))

    def _name(self, node: ast.Name) -> Value | None:
        return self.names.get(node.id)

    def _list(self, node: ast.List | ast.Tuple | ast.Set) -> Value:
        elements = Items([], self.module.place(node))
        for element in node.elts:
            if not isinstance(element, ast.Starred):
                elements.items.append(self.value(element))
                continue
            inner = self.value(element.value)
            if isinstance(inner, Items):
                elements.items += inner.items
            elements.complete = elements.complete and isinstance(inner, Items) and inner.complete
        return elements

    _tuple = _set = _list

    def _listcomp(self, node: ast.ListComp) -> Value | None:
        """``[app for app in APPS if app not in OTHERS]``, which chooses among what is known."""
        one = node.generators[0]
        source = self.value(one.iter)
        if len(node.generators) > 1 or not isinstance(one.target, ast.Name) or not isinstance(source, Items):
            return None
        chosen = Items([], self.module.place(node), source.complete, source.variables)
        outside = self.names
        for item in source.items:
            self.names = {**outside, one.target.id: item}
            truths = [truth_of(self.value(condition)) for condition in one.ifs]
            if False not in truths:
                chosen.items.append(self.value(node.elt))
            chosen.complete = chosen.complete and None not in truths
        self.names = outside
        return chosen

    def _dict(self, node: ast.Dict) -> Value:
        entries = Mapping({}, self.module.place(node))
        for key, expression in zip(node.keys, node.values):
            value = self.value(expression)
            if key is None:
                if isinstance(value, Mapping):
                    entries.items.update(value.items)
                entries.complete = entries.complete and isinstance(value, Mapping) and value.complete
                continue
            name = self.value(key)
            if isinstance(name, Constant):
                entries.items[name.value] = value
            else:
                entries.complete = False
        return entries

    def _joinedstr(self, node: ast.JoinedStr) -> Value:
        parts = [
            self.value(part.value if isinstance(part, ast.FormattedValue) else part) for part in node.values
        ]
        plain = all(
            not isinstance(part, ast.FormattedValue) or (part.format_spec is None and part.conversion == -1)
            for part in node.values
        )
        if plain and all(isinstance(part, Constant) for part in parts):
            return self._computed(
                "".join(str(part.value) for part in parts if isinstance(part, Constant)), node, *parts
            )
        return self._unknown(node, *parts)

    def _computed(self, value: Any, node: ast.expr, *parts: Value) -> Value:
        used = frozenset().union(*(variables_of(part) for part in parts)) if parts else NO_VARIABLES
        at = self.module.place(node)
        if isinstance(value, (list, tuple)):
            return Items([Constant(item, at, used) for item in value], at, variables=used)
        return Constant(value, at, used)

    def _binop(self, node: ast.BinOp) -> Value:
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(node.op, ast.Add) and (isinstance(left, Items) or isinstance(right, Items)):
            known = [side for side in (left, right) if isinstance(side, Items)]
            items = [item for side in known for item in side.items]
            complete = len(known) == 2 and all(side.complete for side in known)
            return Items(items, self.module.place(node), complete)
        if isinstance(node.op, ast.BitOr) and isinstance(left, Mapping) and isinstance(right, Mapping):
            complete = left.complete and right.complete
            return Mapping({**left.items, **right.items}, self.module.place(node), complete)
        if isinstance(node.op, ast.Mod) and isinstance(left, Constant) and isinstance(right, Items):
            if _is_small(left.value) and all(isinstance(item, Constant) for item in right.items):
                arguments = tuple(item.value for item in right.items if isinstance(item, Constant))
                return self._computed(left.value % arguments, node, left, right)
        elif isinstance(left, Constant) and isinstance(right, Constant):
            compute = _OPERATORS.get(type(node.op))
            if compute is not None and _is_small(left.value) and _is_small(right.value):
                return self._computed(compute(left.value, right.value), node, left, right)
        return self._unknown(node, left, right)

    def _unaryop(self, node: ast.UnaryOp) -> Value | None:
        operand = self.value(node.operand)
        if not isinstance(operand, Constant):
            return self._unknown(node, operand)
        if isinstance(node.op, ast.Not):
            return self._computed(not operand.value, node, operand)
        return self._computed(-operand.value, node, operand) if isinstance(node.op, ast.USub) else None

    def _boolop(self, node: ast.BoolOp) -> Value:
        values = [self.value(one) for one in node.values]
        decisive = [
            one for one in values if truth_of(one) is isinstance(node.op, ast.Or) and not variables_of(one)
        ]
        for value in values[:-1]:
            truth = truth_of(value)
            if truth is None and decisive and isinstance(constant(decisive[0]), bool):
                return decisive[0]  # whatever the others are: the truth is the same, if not the value
            if truth is None:
                return self._unknown(node, *values)
            if truth is isinstance(node.op, ast.Or):
                return _depending(value, *values)
        return _depending(values[-1], *values)

    def _compare(self, node: ast.Compare) -> Value:
        if len(node.ops) == 1 and self._asks_for_tests(node):
            # Production runs no tests: neither `"test" in sys.argv` nor `sys.argv[1] == "test"`.
            return Constant(
                isinstance(node.ops[0], (ast.NotEq, ast.NotIn, ast.IsNot)), self.module.place(node)
            )
        left, right = self.value(node.left), self.value(node.comparators[0])
        operator = node.ops[0]
        if len(node.ops) == 1 and isinstance(left, Constant):
            if isinstance(right, Constant):
                compare = _COMPARISONS.get(type(operator))
                if compare is not None:
                    return self._computed(compare(left.value, right.value), node, left, right)
            if isinstance(right, Items) and isinstance(operator, (ast.In, ast.NotIn)):
                inside = any(isinstance(item, Constant) and item.value == left.value for item in right.items)
                if inside or right.complete:
                    return self._computed(inside is isinstance(operator, ast.In), node, left, right)
        return self._unknown(node, left, right)

    def _asks_for_tests(self, node: ast.Compare) -> bool:
        """Whether the comparison is of the command line, or of what is imported, with the name of a test runner."""
        parts = list(ast.walk(node))
        asks = any(self.module.dotted(part) in ("sys.argv", "sys.modules") for part in parts)
        words = [
            part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)
        ]
        return asks and bool(words) and all(TEST_RUNNERS.fullmatch(word) for word in words)

    def _ifexp(self, node: ast.IfExp) -> Value:
        test = self.value(node.test)
        truth = self.production_truth(node.test)
        if truth is None:
            return self._unknown(node, test, self.value(node.body), self.value(node.orelse))
        return self.value(node.body if truth else node.orelse)

    def production_truth(self, test: ast.expr) -> bool | None:
        """Whether ``test`` holds in production, where DEBUG is off; None when that is not known."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            inner = self.production_truth(test.operand)
            return None if inner is None else not inner
        name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
        if name == "DEBUG" or TESTING.fullmatch(name):
            return False
        if isinstance(test, ast.BoolOp):
            return self._production_truth_of_all(test)
        value = self.value(test)
        return self._of_environment(test) if variables_of(value) else truth_of(value)

    def _production_truth_of_all(self, test: ast.BoolOp) -> bool | None:
        """What `and` and `or` make of their parts, some of which may not be known."""
        decides = isinstance(test.op, ast.Or)
        truths = {self.production_truth(part) for part in test.values}
        return decides if decides in truths else None if None in truths else not decides

    def _of_environment(self, test: ast.expr) -> bool | None:
        """Whether a comparison such as ``ENVIRONMENT == "production"`` holds where the environment says production."""
        if not isinstance(test, ast.Compare):
            return True if all(map(PRESENT.fullmatch, variables_of(self.value(test)))) else None
        if len(test.ops) != 1:
            return None
        sides = [self.value(test.left), self.value(test.comparators[0])]
        named = [side for side in sides if isinstance(side, (Constant, Items)) and not variables_of(side)]
        given = named[0].items if named and isinstance(named[0], Items) else named
        words = [side.value for side in given if isinstance(side, Constant) and isinstance(side.value, str)]
        if not words or not isinstance(test.ops[0], (ast.Eq, ast.NotEq, ast.In, ast.NotIn)):
            return None
        positive = isinstance(test.ops[0], (ast.Eq, ast.In))
        if any(PRODUCTION.fullmatch(word) for word in words):
            return positive
        return not positive if all(DEVELOPMENT.fullmatch(word) for word in words) else None

    def _subscript(self, node: ast.Subscript) -> Value | None:
        key = self.value(node.slice)
        if self.module.dotted(node.value) == "os.environ" and isinstance(key, Constant):
            return Unknown(self.module.place(node), variables=frozenset({str(key.value)}))
        holder = self.value(node.value)
        found = get(holder, key.value) if isinstance(key, Constant) else None
        return found or self._unknown(node, holder)

    def _attribute(self, node: ast.Attribute) -> Value | None:
        return Unknown(self.module.place(node), call=self.module.dotted(node))

    def _call(self, node: ast.Call) -> Value | None:
        name = self.module.dotted(node.func)
        arguments = [self.value(one) for one in node.args if not isinstance(one, ast.Starred)]
        keywords = {one.arg: self.value(one.value) for one in node.keywords if one.arg}
        if self._reads_environment(node.func, name):
            return self._from_environment(node, arguments, keywords)
        if name.lstrip(".") in CASTS and len(arguments) == 1 and isinstance(arguments[0], Constant):
            cast = CASTS[name.lstrip(".")]
            return self._computed(cast(arguments[0].value), node, *arguments)
        if name in (".list", ".tuple", ".set", ".sorted") and arguments and isinstance(arguments[0], Items):
            return arguments[0]
        if name == ".dict" and not node.args:
            return Mapping(dict(keywords), self.module.place(node), all(one.arg for one in node.keywords))
        if isinstance(node.func, ast.Attribute) and node.func.attr in TEXT_METHODS:
            made = self._text_method(node, node.func, arguments, keywords)
            if made is not None:
                return made
        holder = self.value(node.func.value) if isinstance(node.func, ast.Attribute) else None
        used = holder.variables if holder else NO_VARIABLES
        return Unknown(self.module.place(node), name, arguments, keywords, variables=used)

    def _reads_environment(self, function: ast.expr, name: str) -> bool:
        if name in READERS:
            return True
        holder = function.value if isinstance(function, ast.Attribute) else function
        if not isinstance(holder, ast.Name):
            return False
        made_by = self.names.get(holder.id)
        # env = environ.Env(); env("X"), env.bool("X"), config("X"): an object that reads the environment.
        kind = made_by.call.rpartition(".")[2].lower() if isinstance(made_by, Unknown) else ""
        return kind in ENVIRONMENTS or (made_by is None and holder.id.lower() in ("env", "config"))

    def _from_environment(self, node: ast.Call, arguments: list[Value], keywords: dict[str, Value]) -> Value:
        name = arguments[0] if arguments else None
        variables = frozenset({str(name.value)}) if isinstance(name, Constant) else frozenset({"?"})
        default = keywords.get("default", arguments[1] if len(arguments) > 1 else None)
        at = self.module.place(node)
        method = self.module.dotted(node.func).rpartition(".")[2]
        if isinstance(default, Constant):
            value = default.value
            if "cast" in keywords and _called(node, "cast") == "bool" and isinstance(value, str):
                value = value.strip().lower() in ("1", "true", "yes", "on", "y", "t")
            return Constant(value, at, variables)
        if isinstance(default, Items):
            return Items(default.items, at, default.complete, variables)
        if isinstance(default, Mapping):
            return Mapping(default.items, at, default.complete, variables)
        return Unknown(
            at, call=f"environment.{method}", arguments=arguments, keywords=keywords, variables=variables
        )

    def _text_method(
        self, node: ast.Call, function: ast.Attribute, arguments: list[Value], keywords: dict[str, Value]
    ) -> Value | None:
        holder = self.value(function.value)
        parts = [holder, *arguments, *keywords.values()]
        if not isinstance(holder, Constant) or not isinstance(holder.value, str):
            return None
        if not all(isinstance(part, Constant) for part in parts):
            return self._unknown(node, *parts)
        if function.attr in ("format", "replace") and not _is_small(holder.value):
            return self._unknown(node, *parts)
        plain = [part.value for part in arguments if isinstance(part, Constant)]
        named = {key: part.value for key, part in keywords.items() if isinstance(part, Constant)}
        return self._computed(getattr(holder.value, function.attr)(*plain, **named), node, *parts)


def truth_of(value: Value) -> bool | None:
    """Whether the value counts as true; None when that is not known."""
    if isinstance(value, Constant):
        return bool(value.value)
    if isinstance(value, (Items, Mapping)):
        return True if value.items else (False if value.complete else None)
    return None


def _depending(value: Value, *others: Value) -> Value:
    """``value``, chosen by means of the others."""
    used = frozenset().union(*(variables_of(one) for one in others))
    if isinstance(value, Constant):
        return Constant(value.value, value.at, used)
    if isinstance(value, Items):
        return Items(value.items, value.at, value.complete, used)
    if isinstance(value, Mapping):
        return Mapping(value.items, value.at, value.complete, used)
    return Unknown(value.at, value.call, value.arguments, value.keywords, value.items, used)


def _called(node: ast.Call, keyword: str) -> str:
    for one in node.keywords:
        if one.arg == keyword and isinstance(one.value, ast.Name):
            return one.value.id
    return ""


def _is_small(value: Any) -> bool:
    """Computing with it costs nothing, as it would with "a" * 10**9 or "%999999999d"."""
    if isinstance(value, (str, bytes)):
        return len(value) < LONGEST and not re.search(r"\d{5}", str(value))
    return not isinstance(value, int) or abs(value) < LONGEST * 1_000_000


def _times(left: Any, right: Any) -> Any:
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return left * right
    size = len(left) * right if isinstance(right, int) else left * len(right)
    if size > LONGEST:
        raise ValueError("too long")
    return left * right


_OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: _times,
    ast.FloorDiv: lambda left, right: left // right,
    ast.Div: lambda left, right: left / right,
    ast.Mod: lambda left, right: left % right,
}
_COMPARISONS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Eq: lambda left, right: left == right,
    ast.NotEq: lambda left, right: left != right,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
    ast.Is: lambda left, right: left is right,
    ast.IsNot: lambda left, right: left is not right,
    ast.Gt: lambda left, right: left > right,
    ast.GtE: lambda left, right: left >= right,
    ast.Lt: lambda left, right: left < right,
    ast.LtE: lambda left, right: left <= right,
}
