"""Collected static files, from STATIC_ROOT under the project's STATIC_URL.

Files are listed once at start. A file that appears later, because a newer release has collected it while this
process still serves, is found when it is first asked for: during a deploy a page of either release finds its
files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable
from typing import Any

from asgiref.sync import sync_to_async
from servestatic import ServeStaticASGI
from servestatic.asgi import FileServerASGI

from ..asgi.types import App, Scope

HASHED_NAME = re.compile(r"\.[0-9a-f]{12}\.[^/]+$")  # as Django's ManifestStaticFilesStorage names a file
MAX_AGE = 60  # seconds, for a name without a hash


class StaticFiles(ServeStaticASGI):
    """Serves GET and HEAD below ``url``, and passes everything else to ``app``."""

    def __init__(self, app: App, root: str, url: str) -> None:
        super().__init__(
            None, max_age=MAX_AGE, allow_all_origins=False, immutable_file_test=HASHED_NAME.pattern
        )
        self.app = app
        self.url = url
        if os.path.isdir(root):
            self.add_files(root, url)
        self.insert_directory(os.path.join(os.path.abspath(root), ""), url)

    def __call__(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        serve = self._serve if self._asks_for_file(scope) else self.app
        return serve(scope, receive, send)

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] not in self.files:
            found = await sync_to_async(self.find_file, thread_sensitive=False)(scope["path"])
            if found is None:
                await self.app(scope, receive, send)
                return
            self.files[scope["path"]] = found
        # Not servestatic's own __call__, which decodes a path as WSGI wants it: one of ASGI is text already.
        await FileServerASGI(self.files[scope["path"]])(scope, receive, send)

    def _asks_for_file(self, scope: Scope) -> bool:
        return (
            scope["type"] == "http"
            and scope["method"] in ("GET", "HEAD")
            and scope["path"].startswith(self.url)
        )


def serve_static(app: App, root: str) -> App:
    """Wrap ``app``, unless the project has no STATIC_URL or has its static files on another host."""
    from django.conf import settings

    url = settings.STATIC_URL or ""
    return StaticFiles(app, root, url) if url.startswith("/") and url != "/" else app
