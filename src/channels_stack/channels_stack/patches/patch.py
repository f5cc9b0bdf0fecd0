"""Replacing a function of another package, while it is the one that the replacement was written for.

A later version may have moved the function, given it other arguments, or solved the problem in another way. A replacement that
does not fit would break far from here. So each is compared first: the function is there, takes the arguments that the replacement
hands on, and its code still uses the names that the replacement relies on. What does not fit is left alone, and the log says what
is lost.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from types import CodeType
from typing import Any, Callable, NamedTuple

MARK = "replaced_by_channels_stack"

log = logging.getLogger("channels_stack.patches")


class Patch(NamedTuple):
    """What is replaced in ``package``, for ``versions``, and ``why``; ``without`` it, that is lost; ``upstream`` discusses it."""

    package: str
    versions: str
    why: str
    without: str
    upstream: str

    def replace(
        self,
        owner: Any,
        name: str,
        make: Callable[[Any], Any],
        *,
        arguments: int,
        uses: Iterable[str] = (),
        once: bool = True,
    ) -> bool:
        """Put ``make(stock)`` in the place of ``owner.name``; whether it is there.

        It is only done where the stock function takes so many positional ``arguments`` (``self`` among them) and its code names
        all that is in ``uses``; and ``once``, unless each call is to add another replacement.
        """
        stock = getattr(owner, name, None)
        if once and getattr(stock, MARK, False):
            return True
        change = _change(stock, arguments, uses)
        if change:
            self._left(owner, name, change)
            return False
        new = make(stock)
        setattr(new, MARK, True)
        setattr(owner, name, new)
        return True

    def raise_limit(self, owner: Any, names: Iterable[str], limit: int) -> bool:
        """Let those of the numbers ``names`` that ``owner`` has be ``limit``; whether there was one."""
        there = [name for name in names if isinstance(getattr(owner, name, None), int)]
        if not there:
            self._left(owner, " or ".join(names), "is no number there")
        for name in there:
            setattr(owner, name, limit)
        return bool(there)

    def _left(self, owner: Any, name: str, change: str) -> None:
        where = getattr(owner, "__name__", None) or type(owner).__name__
        version = f"{self.package} {_version(self.package)}"
        line = "%s.%s %s (%s, the patch is for %s): left as it is, so %s"
        log.warning(line, where, name, change, version, self.versions, self.without)


def _change(stock: Any, arguments: int, uses: Iterable[str]) -> str:
    """How ``stock`` differs from what a patch expects; empty when it does not."""
    import inspect  # here: one of the patches is imported at the start of every Python program

    if not callable(stock):
        return "does not exist"
    function = getattr(stock, "func", stock)  # of database_sync_to_async
    try:
        inspect.signature(function).bind(*range(arguments))
    except (TypeError, ValueError):
        return "takes other arguments"
    code = getattr(inspect.unwrap(function), "__code__", None)
    names = set(_names(code)) if code is not None else set()
    missing = sorted(set(uses) - names)
    return f"no longer uses {', '.join(missing)}" if missing else ""


def _names(code: CodeType) -> Iterator[str]:
    """The names that ``code`` uses, and those that functions within it use."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def uses(function: Any, name: str) -> bool:
    """Whether the code of ``function`` names ``name``."""
    import inspect

    code = getattr(inspect.unwrap(getattr(function, "func", function)), "__code__", None)
    return code is not None and name in set(_names(code))


def _version(package: str) -> str:
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "of no version"
