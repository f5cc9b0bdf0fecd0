"""The websocket behind an open page: it sends the live part of that page again whenever it has changed.

Nothing is taken from the client: what it may see and ask for is in the address of its page.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import Error as DatabaseError

from . import access, pages

# Between two updates; permission is checked before each.
LOOK_SECONDS = 2.0
# With a database that is unavailable, the page that shows so goes on for so long.
UNPROVEN_SECONDS = 60.0
NOT_ALLOWED, TRY_LATER, FAILED = 4403, 1013, 1011  # close codes

logger = logging.getLogger("channels_stack.console")


class Live(AsyncWebsocketConsumer):
    """One open page."""

    looking: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Let in who may see the page, from a page of this site."""
        page = pages.PAGES.get(self.scope["url_route"]["kwargs"]["page"])
        if page is None or not access.same_site(self.scope) or not await access.still_allowed(self.scope):
            return await self.close()
        await self.accept()
        self.looking = asyncio.ensure_future(self._run(page))

    async def disconnect(self, code: int) -> None:
        """Stop looking."""
        if self.looking is not None:
            self.looking.cancel()

    async def _run(self, page: pages.Page) -> None:
        try:
            await self._look(page)
        except Exception:  # a page that stands still must not look alive
            logger.exception("the page %s has failed", page.name)
            await self.close(FAILED)

    async def _look(self, page: pages.Page) -> None:
        given = parse_qs(self.scope["query_string"].decode("latin-1"))
        query = {name: values[-1] for name, values in given.items()}
        proven, sent = time.monotonic(), ""
        while True:
            try:
                if not await access.still_allowed(self.scope):
                    return await self.close(NOT_ALLOWED)
                proven = time.monotonic()
            except DatabaseError:
                if time.monotonic() - proven > UNPROVEN_SECONDS:
                    return await self.close(TRY_LATER)
            html = await self._html(page, query)
            if html != sent:
                await self.send(html)
                sent = html
            await asyncio.sleep(LOOK_SECONDS)

    async def _html(self, page: pages.Page, query: dict[str, str]) -> str:
        facts: dict[str, Any] = await page.facts(query)
        # Rendering is work of milliseconds, which other sockets of this process need not wait for.
        return str(await database_sync_to_async(page.render)(facts))
