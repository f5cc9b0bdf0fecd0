"""Headers that Django's own middlewares have decided on: the edge adds none of them, although they are absent.

The edge gives every answer its headers of security unless the application says something else. Where Django's middleware
has seen an answer, saying nothing is an answer too: ``@xframe_options_exempt``, ``SECURE_CROSS_ORIGIN_OPENER_POLICY = None``.
So each of them names, in a header that the edge takes away again, what it has decided. Answers that it has never seen bear no
mark: those of another framework, of a middleware outside of it, of the static files.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from .patch import Patch

PATCH = Patch(
    package="Django",
    versions="3.2 to 6.1",
    why="an answer does not show which headers a middleware has decided to leave out",
    without="the edge adds its headers of security to answers from which Django leaves them out",
    upstream="https://docs.djangoproject.com/en/stable/ref/clickjacking/",
)

HEADER = "X-Edge-Decided"
"""Comma-separated names, in lower case. haproxy.cfg, section 11, reads and removes it."""


def apply() -> None:
    """Have Django's two middlewares, and what is derived from them, leave their mark. Django must be set up."""
    from django.conf import global_settings
    from django.middleware.clickjacking import XFrameOptionsMiddleware
    from django.middleware.security import SecurityMiddleware

    names = ["x-content-type-options", "referrer-policy"]
    if hasattr(global_settings, "SECURE_CROSS_ORIGIN_OPENER_POLICY"):  # Django 4.0
        names.append("cross-origin-opener-policy")
    _mark(SecurityMiddleware, names)
    _mark(XFrameOptionsMiddleware, ["x-frame-options"])


def _mark(middleware: Any, names: Iterable[str]) -> None:
    def make(stock: Any) -> Any:
        @functools.wraps(stock)
        def process_response(self: Any, request: Any, response: Any) -> Any:
            response = stock(self, request, response)
            response[HEADER] = ",".join(filter(None, [response.get(HEADER), *names]))
            return response

        return process_response

    PATCH.replace(middleware, "process_response", make, arguments=3)
