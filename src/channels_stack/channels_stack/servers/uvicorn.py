"""uvicorn: one process, orderly to the end."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn
from uvicorn.config import WS_PROTOCOLS

from ..config import addresses
from ..config.settings import Settings
from ..patches import head_sizes
from ..project.lifespan import StartupFailed
from . import BACKLOG, HEAD_BYTES, KEEP_ALIVE_SECONDS, application, cut_silent_readers, known, parameters
from .application import Application

ALIVE_SECONDS = 1
TICK_SECONDS = 1  # between two looks at the clock, for the Date of answers
CANCEL_MARGIN = 1  # seconds before STOP_SECONDS at which what still runs is cancelled


def serve(settings: Settings, service: str, port: int) -> int:
    """Serve until a signal ends it; the exit code."""
    app = application.build(settings, service, "uvicorn")
    config = uvicorn.Config(app, port=port, backlog=BACKLOG, **config_options(settings, service))
    server = Server(config, app)
    try:
        listeners = [_bound(host, port) for host in addresses.to_listen_on()]
    except OSError as error:
        logging.getLogger("uvicorn.error").error("port %d cannot be listened on: %s", port, error.strerror)
        return 1
    try:
        server.run(sockets=listeners)
    except SystemExit:  # uvicorn's way to say that it could not start; it has logged why
        return 1
    return 1 if server.failed else 0


def _bound(host: str, port: int) -> socket.socket:
    """A socket at this address that refuses connections until uvicorn listens, which it does once the application has started."""
    made = socket.socket(socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((host, port))
    return made


def config_options(settings: Settings, service: str) -> dict[str, Any]:
    """The options of uvicorn wherever it runs, here or inside gunicorn."""
    options = {
        "loop": "uvloop",
        # httptools leaves an offer of another protocol than websocket half read, and takes what follows for the next request. The
        # edge lets no such offer through; where nothing but handshakes is served, speed does not matter.
        "http": "h11" if service == "ws" else "httptools",
        "h11_max_incomplete_event_size": HEAD_BYTES,
        "ws": _websockets(settings),
        "ws_max_size": settings.ws_max_message_bytes,
        "ws_ping_interval": settings.ws_ping_seconds,
        "ws_ping_timeout": settings.ws_ping_seconds,
        "ws_per_message_deflate": False,  # memory for each socket, and a bomb to inflate
        "lifespan": "off",  # Server starts and stops the application
        "proxy_headers": False,  # ForwardedHeaders does it, the same for every server
        "server_header": False,
        "access_log": False,
        "log_config": None,
        "timeout_keep_alive": KEEP_ALIVE_SECONDS,
    }
    return known("uvicorn", options, parameters(uvicorn.Config))


def _websockets(settings: Settings) -> Any:
    """Ours; or uvicorn's older side of websockets, where the application pins a package too old for the newer one."""
    try:
        from websockets import http11
        from websockets.server import ServerProtocol  # noqa: F401  # websockets 11
    except ImportError:
        return _older_websockets()
    if "websockets-sansio" not in WS_PROTOCOLS:  # uvicorn 0.35
        return _older_websockets()
    head_sizes.of_websockets(http11, HEAD_BYTES)
    from .uvicorn_sockets import Socket

    return functools.partial(Socket, frames_per_second=settings.ws_messages_per_second)


def _older_websockets() -> str:
    from websockets.legacy import http

    head_sizes.of_websockets(http, HEAD_BYTES)
    return "websockets"


class Server(uvicorn.Server):
    """uvicorn's server that begins with ``app.start()``, drains on a signal, and does not raise it again."""

    def __init__(self, config: uvicorn.Config, app: Application) -> None:
        super().__init__(config)
        self.app = app
        self.failed = False
        self._ending: asyncio.Event | None = None  # made on the event loop: Python 3.9 binds it there

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        self.install_signal_handlers()
        yield

    def install_signal_handlers(self) -> None:
        """What uvicorn below 0.29 calls in the place of ``capture_signals``."""
        self.app.drain.install(asyncio.get_running_loop(), self._stop)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        quiet_logs()
        try:
            await self.app.start()
        except StartupFailed as error:
            logging.getLogger("uvicorn.error").critical("The application does not start: %s", str(error))
            self.failed = self.should_exit = True
            return
        await super().startup(sockets=sockets)
        for listener in sockets or [each for server in self.servers for each in server.sockets]:
            cut_silent_readers(listener, float(self.config.ws_ping_interval or 0))

    async def main_loop(self) -> None:
        """uvicorn's looks ten times a second whether it is to end, which is a third of what an idle process costs."""
        self._ending = asyncio.Event()
        while not await self.on_tick(0):
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._ending.wait(), TICK_SECONDS)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # uvicorn waits for requests in flight, for ever by default.
        limit = max(0.1, self.app.drain.remaining() - CANCEL_MARGIN)
        self.config.timeout_graceful_shutdown = limit  # type: ignore[assignment]  # any number of seconds works
        alive = asyncio.ensure_future(self._stay_alive())
        await super().shutdown(sockets=sockets)
        await self.app.stop()
        alive.cancel()

    async def _stay_alive(self) -> None:
        """Say so to a master, which would take a process that finishes its last requests for one that is stuck."""
        while self.config.callback_notify is not None:
            await self.config.callback_notify()
            await asyncio.sleep(ALIVE_SECONDS)

    def _stop(self) -> None:
        self.should_exit = True
        if self._ending is not None:
            self._ending.set()


def quiet_logs() -> None:
    """Keep out of the log what the access log says better, and tracebacks for what a stranger can send."""
    logger = logging.getLogger("uvicorn.error")
    if _worth_a_line not in logger.filters:
        logger.addFilter(_worth_a_line)


NOISE = (
    '%s - "WebSocket %s"',
    "connection open",
    "connection closed",
    "connection rejected",
    # Logged after every refusal by `websocket.http.response`; an application that answers nothing at all is reported by Refusals.
    "ASGI callable returned without completing handshake",
)


def _worth_a_line(record: logging.LogRecord) -> bool:
    text = str(record.msg)
    if "Invalid UTF-8 sequence" in text:
        record.exc_info = None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    return not text.startswith(NOISE)
