"""The project's ASGI application, wrapped in what production needs.

``Application._middlewares`` lists them, outermost first; within all of them is the project's application, unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from asgiref.sync import sync_to_async

from ..asgi.types import App, Receive, Scope, Send
from ..config.settings import Settings
from ..layers import config
from ..lifecycle import session_check, sockets, startup_checks, users
from ..lifecycle.canary import Canaries
from ..lifecycle.drain import Drain
from ..lifecycle.open_groups import OpenGroups
from ..lifecycle.open_sockets import OpenSockets
from ..middleware import origins
from ..middleware.errors import Refusals
from ..middleware.forwarded_headers import ForwardedHeaders
from ..middleware.health import Check, DatabaseCheck, Probes, Readiness, check_layer
from ..middleware.limits import Limits
from ..middleware.media import serve_media
from ..middleware.slots import Slots
from ..middleware.static import serve_static
from ..middleware.threads import Threads
from ..middleware.uploads import COPIES_WITH_DAPHNE, Room
from ..observability import logs, metrics, queries, tracing
from ..patches import (
    channels_auth,
    channels_dispatch,
    channels_hop,
    django_handler,
    django_middleware,
    django_streaming,
    django_views,
)
from ..project import dispatch, loading, paths
from ..project.lifespan import Lifespan
from ..status.publisher import Publisher
from ..status.questions import Answer, Inbox

Middleware = Callable[[App], App]
"""Takes an application and returns one that does more."""

TRACES_SECONDS = 1  # for the last spans to be sent
LIFESPAN_MARGIN = 0.5  # seconds before STOP_SECONDS at which the project's own end is cut off


class Application:
    """What a server serves. Make one per process, in that process, with ``build``."""

    def __init__(self, app: App, settings: Settings, service: str, server: str) -> None:
        self.drain = Drain(settings, on_begin=self._say_draining)
        self.sign_ins = session_check.Check(self.drain.sockets, settings.ws_session_check_seconds)
        # Only who serves websockets closes them, and ends, where a layer delivers nothing.
        self.canaries = Canaries(self.drain if service == "ws" else None)
        self.database = DatabaseCheck()
        self.readiness = self._readiness(settings, service)
        self.publisher = Publisher(settings, service, server, troubles=lambda: self.readiness.troubles)
        self.inbox = self._inbox(settings)
        self.lifespan = Lifespan(app)
        self.described = partial(paths.describe, app, settings.static_root)
        if server == "daphne":
            self.room = Room(1, COPIES_WITH_DAPHNE)
        else:
            self.room = Room(settings.http_processes if server == "gunicorn" else 1)
        for middleware in reversed(self._middlewares(settings, service, server)):
            app = middleware(app)
        self._app = app

    def _middlewares(self, settings: Settings, service: str, server: str) -> tuple[Middleware, ...]:
        """What is around the application, outermost first."""
        from django.conf import settings as project

        sockets_only = service == "ws"
        check_origins = "origins" in settings.app_overlay
        bodies_pass = (
            server != "daphne"
        )  # Daphne has read a body before it calls the application, and asks for room itself
        return (
            lambda app: Probes(app, self.drain, self.readiness, self.described),
            lambda app: ForwardedHeaders(app, settings.trusted_proxies),
            logs.access,
            *([tracing.active.around] if tracing.active else []),
            self.drain.gate,
            *([sockets.no_pages] if sockets_only else []),
            lambda app: Limits(app, settings),
            Refusals,
            self.canaries.guard,
            *([lambda app: origins.check(app, settings.allowed_origins)] if check_origins else []),
            metrics.instrument,
            lambda app: serve_static(app, settings.static_root),
            lambda app: serve_media(app, settings),
            *([self.room.for_bodies] if bodies_pass else []),
            Slots(settings.http_concurrency).for_pages,
            Threads(settings.ws_threads).for_sockets,
            lambda app: dispatch.below(app, project.FORCE_SCRIPT_NAME or ""),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _answer_lifespan(receive, send)
        else:
            if self.lifespan.state:
                scope["state"] = dict(self.lifespan.state)
            await self._app(scope, receive, send)

    async def start(self) -> None:
        """To be called by the server on its event loop, before it listens. Raises lifespan.StartupFailed."""
        await self.lifespan.start()
        await self.canaries.start()
        await self.publisher.start()
        self.inbox.start()
        self.sign_ins.start()

    async def stop(self) -> None:
        """To be called by the server on its event loop, after the last request."""
        await self.sign_ins.stop()
        await self.inbox.stop()
        await self.publisher.stop()
        await self.canaries.stop()
        await self.database.close()
        await self.lifespan.stop(self.drain.remaining() - LIFESPAN_MARGIN)
        await sync_to_async(loading.close_database_pools, thread_sensitive=False)()
        await sync_to_async(tracing.stop, thread_sensitive=False)(TRACES_SECONDS)

    def _readiness(self, settings: Settings, service: str) -> Readiness:
        """What this process needs for its work: pages a database, if there is one; websockets a channel layer, too.

        Most pages use no channel layer, and those that do meet its error themselves: it is reported of, and no more.
        """
        from django.conf import settings as project

        checks: dict[str, Check] = {}
        engine = project.DATABASES.get("default", {}).get("ENGINE") or "django.db.backends.dummy"
        if engine != "django.db.backends.dummy":
            checks["database"] = self.database
        if service == "ws":
            if config.configured("default"):
                checks["channel layer"] = check_layer
            checks["canary"] = self.canaries.check
        return Readiness(checks, settings.ready_timeout_seconds, {"canary": self.canaries.concern})

    def _inbox(self, settings: Settings) -> Inbox:
        """What the console may ask of this process."""
        groups = OpenGroups(self.canaries)
        sockets = OpenSockets(self.publisher.address, self.drain.sockets, groups)
        answers: dict[str, Answer] = {"sockets": sockets.page, "close": sockets.close, "groups": groups.page}
        return Inbox(settings.redis_url, settings.redis_prefix, self.publisher.address, answers)

    def _say_draining(self) -> None:
        self.publisher.draining = True


def build(settings: Settings, service: str, server: str) -> Application:
    """Load the project and wrap it.

    Raises ConfigurationError when APP_SETTINGS or APP_ASGI name nothing, or what is around does not fit.
    """
    loading.setup_django(settings, service)
    settings = startup_checks.check(settings, service)
    users.watch_consumers()
    queries.watch()
    channels_auth.apply()
    channels_dispatch.apply()
    channels_hop.apply()
    django_middleware.apply()
    django_streaming.apply()
    django_handler.apply(settings.http_handler)  # before APP_ASGI makes a handler
    app = loading.load(settings)
    tracing.start(settings, service)
    django_views.apply()
    dispatch.add_pages(app)
    return Application(app, settings, service, server)


async def _answer_lifespan(receive: Receive, send: Send) -> None:
    """Channels and Django raise on lifespan events: they end here."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
