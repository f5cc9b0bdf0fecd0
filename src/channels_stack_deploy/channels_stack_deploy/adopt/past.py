"""Code that Channels 4 does not run, whatever is installed: that of Channels 1, and of Python 2."""

from __future__ import annotations

import ast
import os
import re
import warnings

from channels_stack.doctor.rules.leftovers import CHANNELS_1

from . import pins
from .requirements import Installed
from .tree import Tree, aside

DJANGO = {
    "admin",
    "apps",
    "asgi",
    "consumers",
    "forms",
    "manage",
    "models",
    "routing",
    "settings",
    "urls",
    "views",
    "wsgi",
}
"""Modules that every process imports: a script that lies about is no sign."""

PYTHON_2 = re.compile(
    r"Missing parentheses in call to|multiple exception types must be|leading zeros in decimal"
)


NEWER = re.compile(
    r"(django\.core\.asgi\.get_asgi_application"
    r"|channels\.(routing\.(ProtocolTypeRouter|URLRouter)|generic\.websocket|consumer|layers|db)(\..*)?)"
)
"""What only Channels 2 and later have, or Django on Python 3 alone."""


def find(tree: Tree, installed: Installed) -> str:
    """Why the project's code runs on nothing that this stack has, and the fix; "" where it may."""
    # A file that was left behind is for the doctor to report: nothing may import it.
    if _is_newer(tree) and not pins.too_old(tree, installed):
        return ""
    return _python_2(tree) or _channels_1(tree)


def _is_newer(tree: Tree) -> bool:
    """Whether other code of the project is for newer versions."""
    return any(
        NEWER.fullmatch(f"{imported.module}.{imported.name}")
        for module in tree.own()
        for imported in module.imports
    )


def _channels_1(tree: Tree) -> str:
    if tree.files.module("channels"):  # a package of the project's own
        return ""
    places = {
        module.path: f"{module.place(imported.node)}: from {imported.module} import {imported.name}"
        for module in tree.own()
        for imported in reversed(module.imports)
        if imported.name in CHANNELS_1.get(imported.module, ()) and not module.is_guarded(imported.node)
    }
    if not places:
        return ""
    more = f", and {len(places) - 1} more" if len(places) > 1 else ""
    return (
        f"the project is written for Channels 1 ({min(places.values())}{more}), another library than Channels 4, "
        "which this stack runs: rewrite its functions as consumer classes, as the doctor says above, and adopt again"
    )


def _python_2(tree: Tree) -> str:
    for place in tree.unread:
        path = place.rpartition(":")[0]
        if aside(path) or tree.is_of_another(path):
            continue
        if os.path.basename(path).removesuffix(".py") not in DJANGO:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ast.parse(tree.text(path))
        except SyntaxError as error:
            if PYTHON_2.search(error.msg):
                return (
                    f"the project is written for Python 2 ({path}:{error.lineno}: {error.msg.partition('.')[0]}), "
                    "and this stack runs Python 3: convert it, and adopt again"
                )
        except ValueError:
            continue
    return ""
