"""Uploads, from MEDIA_ROOT under the project's MEDIA_URL, for projects that leave this to the server in front.

Django serves uploads in development only; in production a server does, and here that is this one. An upload is
a stranger's file on the site's own origin, so nothing in it may run there: a type that could is downloaded
instead of shown, types are never guessed, and what is shown is sandboxed. A project with a view of its own below
MEDIA_URL decides itself who may read what: its view is asked, and this is not.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable
from typing import Any
from wsgiref.headers import Headers

from asgiref.sync import sync_to_async
from servestatic import ServeStaticASGI
from servestatic.asgi import FileServerASGI
from servestatic.responders import MissingFileError, StaticFile

from ..asgi.types import App, Scope
from ..config.settings import Settings

MAX_AGE = 60  # seconds: a new upload may have the name of an old one

SHOWN = ("image/", "audio/", "video/", "text/plain")
"""Types that a browser may show as a page of their own; everything else is downloaded."""

SCRIPTED = "image/svg"
"""Of these, what can hold scripts."""

POLICY = "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"

NOWHERE = "/channels-stack/no-such-page/6f1d0c"
"""A path that only a catch-all route takes."""


class MediaFiles(ServeStaticASGI):
    """Serves GET and HEAD below ``url`` from ``root``; what is not there, or is the project's, goes to ``app``."""

    def __init__(self, app: App, root: str, url: str) -> None:
        super().__init__(app, autorefresh=True)
        self.app = app
        self.url = url
        self.insert_directory(os.path.join(os.path.abspath(root), ""), url)

    def __call__(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        serve = self._serve if self._asks_for_file(scope) else self.app
        return serve(scope, receive, send)

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        # In a thread: it looks at the disk, and the first look at the routes imports all views.
        found = await sync_to_async(self._upload, thread_sensitive=False)(scope["path"])
        # Not servestatic's own __call__, which decodes a path as WSGI wants it: one of ASGI is text already.
        await (self.app if found is None else FileServerASGI(found))(scope, receive, send)

    def _upload(self, path: str) -> Any:
        """The upload at PATH; None where there is none, or a view of the project's answers."""
        return None if _of_the_project(path) else self.find_file(path)

    def _asks_for_file(self, scope: Scope) -> bool:
        return (
            scope["type"] == "http"
            and scope["method"] in ("GET", "HEAD")
            and scope["path"].startswith(self.url)
        )

    def find_file_at_path(self, path: str, url: str) -> Any:
        """The file as it is. Not its compressed version, which a user may have uploaded; nor a hidden one."""
        if not os.path.isfile(path) or "/." in url:
            raise MissingFileError(path)
        headers = Headers([])
        self.add_mime_headers(headers, path, url)
        kind = headers["Content-Type"] or ""
        if not kind.startswith(SHOWN) or kind.startswith(SCRIPTED):
            headers["Content-Disposition"] = "attachment"
        headers["Content-Security-Policy"] = POLICY
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Cache-Control"] = f"private, max-age={MAX_AGE}"
        return StaticFile(path, headers.items())


def _of_the_project(path: str) -> bool:
    """Whether a view of the project answers ``path``, and not one that answers everything."""
    from django.urls import Resolver404, resolve

    try:
        view = resolve(path).func
    except Resolver404:
        return False
    try:
        return view is not resolve(NOWHERE).func
    except Resolver404:
        return True


def public_url(settings: Settings) -> str:
    """The path that uploads are served under; empty where they are not: in another place, or part `media` is off."""
    from django.conf import settings as project

    url = str(project.MEDIA_URL or "")
    ours = "media" in settings.app_overlay and str(project.MEDIA_ROOT) == settings.media_root
    return url if ours and url.startswith("/") and not url.startswith("//") and url != "/" else ""


def serve_media(app: App, settings: Settings) -> App:
    """Wrap ``app``, where its uploads lie in this stack's volume and it names a path for them."""
    url = public_url(settings)
    return MediaFiles(app, settings.media_root, url) if url else app
