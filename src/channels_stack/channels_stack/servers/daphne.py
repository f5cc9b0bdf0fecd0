"""Daphne, with what it lacks in production.

Stock Daphne drops open sockets and requests in flight on SIGTERM, believes `Daphne-Root-Path` from anyone,
cuts the connection (1006) where a close code is due, and cannot refuse a handshake with more than 403. The
subclasses here add the orderly end, the missing replies and the limits. It also buffers without a bound, what a
client sends and what it does not read: here the one who writes waits. Importing this module installs Twisted's
asyncio reactor.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import time
from collections.abc import Coroutine
from functools import partial
from http import HTTPStatus
from typing import Any

from daphne import server as daphne_server  # installs the reactor: before anything else of Twisted
from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from twisted.internet import reactor as twisted_reactor
from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    STDLibLogObserver,
    globalLogBeginner,
)
from twisted.web.http import HTTPChannel

from ..asgi.types import Message, Scope
from ..config import addresses
from ..config.settings import Settings
from ..middleware.limits import POLICY, TokenBucket
from ..middleware.uploads import REFUSALS
from ..observability import metrics
from ..patches import head_sizes
from ..project.lifespan import StartupFailed
from . import BACKLOG, HEAD_BYTES, KEEP_ALIVE_SECONDS, application, cut_silent_readers, known, parameters
from .application import Application

logger = logging.getLogger("daphne.server")
head_sizes.of_twisted(HTTPChannel, HEAD_BYTES)
reactor: Any = twisted_reactor  # Twisted declares interfaces, not what the reactor is

HANDSHAKE_SECONDS = 20  # for the application to accept or refuse a websocket; it may ask the database first
CANCEL_MARGIN = 1  # seconds before STOP_SECONDS at which what still runs is cancelled
TICK = 0.05  # seconds between two looks while stopping
FOR_EVER = -1
OF_THE_SERVER = (b"connection", b"content-length", b"date")  # headers that no application sets
CLOSE_SECONDS = 5  # for a client to answer a close frame, perhaps after all that it had begun to send
CLOSE, PROTOCOL_ERROR, NO_TEXT = 8, 1002, 1007  # an opcode, two close codes
READ_AHEAD = 16  # messages of a client that wait for the application before no more are read
LONGEST_REASON = 123  # bytes; what a close frame has room for


def serve(settings: Settings, service: str, port: int) -> int:
    """Serve until a signal ends it; the exit code."""
    server = Server(application.build(settings, service, "daphne"), settings, port)
    server.run()
    return 1 if server.failed else 0


class Server(daphne_server.Server):
    """Daphne's server that begins with ``app.start()``, and drains on a signal instead of dropping all."""

    def __init__(self, app: Application, settings: Settings, port: int) -> None:
        options = {
            "endpoints": [
                f"tcp:port={port}:interface={host}:backlog={BACKLOG}" for host in addresses.to_listen_on()
            ],
            "signal_handlers": False,
            "websocket_timeout": FOR_EVER,
            "websocket_connect_timeout": HANDSHAKE_SECONDS,
            "websocket_handshake_timeout": HANDSHAKE_SECONDS,
            "ping_interval": settings.ws_ping_seconds,
            "ping_timeout": settings.ws_ping_seconds,
            "server_name": "",
        }
        super().__init__(app, **known("daphne", options, parameters(daphne_server.Server)))
        self.app = app
        self.max_message_bytes = settings.ws_max_message_bytes
        self.frames_per_second = settings.ws_messages_per_second
        self.failed = False

    def run(self) -> None:
        """As Daphne's own, with our factories, and started and stopped from within the event loop."""
        self.connections: dict[Any, dict[str, Any]] = {}
        self.http_factory = PageFactory(self)
        self.ws_factory = WebSocketFactory(self, server=self.server_name)
        self.ws_factory.protocol = Socket
        self.ws_factory.setProtocolOptions(
            versions=[13],
            autoPingTimeout=self.ping_timeout,
            allowNullOrigin=True,
            openHandshakeTimeout=self.websocket_handshake_timeout,
            maxMessagePayloadSize=self.max_message_bytes,
            maxFramePayloadSize=self.max_message_bytes,
            closeHandshakeTimeout=CLOSE_SECONDS,
            failByDrop=False,  # a close code that says why, 1009 or 1002, not a connection that is gone
        )
        _log_only_failures_of_twisted()
        asyncio.set_event_loop(reactor._asyncioEventloop)
        reactor.callWhenRunning(self._spawn, self._begin())
        reactor.run(installSignalHandlers=False)

    async def _begin(self) -> None:
        try:
            self.app.drain.install(asyncio.get_running_loop(), self._drained)
            await self.app.start()
            self.application_checker()
            self.timeout_checker()
            for endpoint in self.endpoints:
                listening = daphne_server.serverFromString(reactor, endpoint).listen(self.http_factory)
                port = await listening.asFuture(asyncio.get_running_loop())
                self.listeners.append(port)
                cut_silent_readers(port.socket, self.ping_interval)
                logger.info("Listening on %s:%d", port.getHost().host, port.getHost().port)
        except StartupFailed as error:
            logger.critical("The application does not start: %s", str(error))
            self.failed = True
            reactor.stop()
        except Exception as error:
            logger.critical("The server cannot start: %s", str(error))
            self.failed = True
            reactor.stop()

    def _drained(self) -> None:
        self._spawn(self._end())

    async def _end(self) -> None:
        """Stop listening, let the requests in flight finish and their bytes leave, cancel the rest."""
        try:
            for port in self.listeners:
                stopped = port.stopListening()
                if stopped is not None:
                    await stopped.asFuture(asyncio.get_running_loop())
            while self._busy() and self.app.drain.remaining() > CANCEL_MARGIN:
                await asyncio.sleep(TICK)
            await self._cancel_applications()
            await self.app.stop()
        finally:
            reactor.stop()

    def _busy(self) -> bool:
        """Whether a request is not answered yet, or an answer has not left the process."""
        answering = any(
            # Twisted makes the request when its first line begins; without a complete head there is nothing to answer.
            isinstance(protocol, WebRequest)
            and protocol.content is not None
            and "disconnected" not in details
            for protocol, details in self.connections.items()
        )
        return answering or bool(reactor.getWriters())

    async def _cancel_applications(self) -> None:
        running = [details["application_instance"] for details in self.connections.values() if _runs(details)]
        if running:
            logger.error("Cancel %d applications that did not finish in time", len(running))
            for task in running:
                task.cancel()
            await asyncio.wait(running, timeout=CANCEL_MARGIN)

    def create_application(self, protocol: Any, scope: Scope) -> asyncio.Queue[Message] | None:
        """As Daphne's own, but the protocol learns what the application takes, and that it has ended."""
        if scope["type"] == "websocket":
            scope["extensions"] = {"websocket.http.response": {}}
        scope.setdefault("asgi", {"version": "3.0"})
        queue: asyncio.Queue[Message] = asyncio.Queue()

        async def receive() -> Message:
            message = await queue.get()
            protocol.taken()
            return message

        async def run() -> None:
            await self.app(scope, receive, partial(self.handle_reply, protocol))
            protocol.application_ended()

        if protocol not in self.connections:
            return None
        self.connections[protocol]["application_instance"] = asyncio.ensure_future(run())
        return queue

    async def handle_reply(self, protocol: Any, message: Message) -> None:
        if message["type"] in ("websocket.send", "http.response.body"):
            await protocol.writable.wait()
        await super().handle_reply(protocol, message)

    def protocol_disconnected(self, protocol: Any) -> None:
        # Daphne forgets a refused handshake within a second, and then gets its end a second time.
        with contextlib.suppress(KeyError):
            super().protocol_disconnected(protocol)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._task = asyncio.ensure_future(work)


def _runs(details: dict[str, Any]) -> bool:
    return "application_instance" in details and not details["application_instance"].done()


class Writable(asyncio.Event):
    """Set while the client takes what it is sent: for Twisted, a producer that pauses when its buffer is full."""

    def __init__(self) -> None:
        super().__init__()
        self.set()

    pauseProducing = asyncio.Event.clear
    resumeProducing = asyncio.Event.set
    stopProducing = asyncio.Event.set  # the connection is gone


class Page(WebRequest):
    """An HTTP request, or the one that becomes a websocket."""

    _parsePOSTFormSubmission = False  # Twisted would read a form into memory; the application reads it itself

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.writable = Writable()
        self.length: int | None = 0
        self.room = 0  # bytes that its body was given room for
        self.refused = 0  # status

    def gotLength(self, length: int | None) -> None:
        self.length = length
        super().gotLength(length)
        if length:
            self._take_room(length)

    def handleContentChunk(self, data: bytes) -> None:
        if self.length is None and not self.refused:
            self._take_room(len(data))
        if not self.refused:
            super().handleContentChunk(data)

    def _take_room(self, length: int) -> None:
        """For a body that there is no room for, its answer waits until it has come, because no earlier one would be read."""
        room = self.server.app.room
        self.refused = room.take(length)
        if self.refused:
            self.content.close()  # type: ignore[has-type]
            self.content = io.BytesIO()
            return
        if not self.room:
            self.notifyFinish().addBoth(lambda _: room.give_back(self.room))
        self.room += length

    def taken(self) -> None:
        """The request's body is all in the queue already."""

    def application_ended(self) -> None:
        """An answer that will not be finished must not look as if it went on."""
        if not (self.finished or self._disconnected) and self.channel is not None:
            self.transport.loseConnection()

    def handle_exception(self, exception: BaseException) -> None:
        if self._response_started:
            self.application_ended()
        else:
            super().handle_exception(exception)

    def handle_reply(self, message: Message) -> None:
        super().handle_reply(message)
        if message["type"] == "http.response.start" and not self.finished and self.producer is None:
            self.registerProducer(self.writable, True)

    def finish(self) -> None:
        if self.producer is not None:
            self.unregisterProducer()
        super().finish()

    def process(self) -> Any:
        if self.refused:
            reason, headers = REFUSALS[self.refused]
            self.handle_reply({"type": "http.response.start", "status": self.refused, "headers": headers})
            self.handle_reply({"type": "http.response.body", "body": reason.encode() + b"\n"})
            return None
        # Anyone could move the application to another root.
        self.requestHeaders.removeHeader(b"Daphne-Root-Path")
        protocols = self.requestHeaders.getRawHeaders(b"Sec-WebSocket-Protocol") or []
        if not all(value.isascii() for value in protocols):
            self.basic_error(400, b"Bad Request", "Invalid characters in Sec-WebSocket-Protocol")
            return None
        return super().process()


class PageFactory(HTTPFactory):
    """Makes ``Page`` for each request, and keeps idle connections longer than the edge does."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.timeOut = KEEP_ALIVE_SECONDS

    def buildProtocol(self, addr: Any) -> Any:
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = Page
        return protocol


class Socket(WebSocketProtocol):
    """A websocket that can be refused with any status, and sends what the application sends."""

    denial: tuple[int, list[tuple[bytes, bytes]]] | None = None
    reading = True
    control_frame_data: Any

    def connectionMade(self) -> None:
        super().connectionMade()
        self.writable = Writable()
        self.bucket: TokenBucket | None = None
        self.transport.unregisterProducer()  # the page that asked for the upgrade
        self.transport.registerProducer(self.writable, True)

    def onConnect(self, request: Any) -> Any:
        answer = super().onConnect(request)
        if self.server.frames_per_second:
            self.bucket = TokenBucket(self.server.frames_per_second)
        return answer

    def onFrameBegin(self) -> None:
        """What the application never sees counts too: a ping is answered, a fragment kept."""
        super().onFrameBegin()
        unseen = self.current_frame.opcode not in (1, 2)
        if unseen and self.bucket and self.state == self.STATE_OPEN and not self.bucket.take():
            self._fail_connection(POLICY, "too many frames")

    def processControlFrame(self) -> Any:
        if self.current_frame.opcode == CLOSE:
            complaint = _wrong_with_close(b"".join(self.control_frame_data))
            if complaint is not None:
                # autobahn takes what it complains about for an answer, and cuts the connection under its own frame.
                self.control_frame_data = None
                if self.state == self.STATE_OPEN:
                    self._fail_connection(complaint, "malformed close frame")
                self.dropConnection(abort=False)
                return False
        return super().processControlFrame()

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        super().onMessage(payload, isBinary)
        if self.reading and self.application_queue.qsize() >= READ_AHEAD:
            self.reading = False
            self.transport.pauseProducing()

    def taken(self) -> None:
        """The application has taken a message."""
        if not self.reading and self.application_queue.empty() and not self.transport.disconnecting:
            self.reading = True
            self.transport.resumeProducing()

    def application_ended(self) -> None:
        """Daphne looks for it every second."""

    def handle_reply(self, message: Message) -> None:
        kind = message["type"]
        if kind == "websocket.http.response.start":
            self.denial = (message["status"], list(message.get("headers", ())))
        elif kind == "websocket.http.response.body":
            if not message.get("more_body", False):
                self._deny(message.get("body", b""))
        elif kind == "websocket.accept":
            self._accept(message)
        elif kind == "websocket.send" and self.state == self.STATE_OPEN:
            # Daphne takes an empty text or an empty payload for none at all.
            if message.get("bytes") is not None:
                self.serverSend(message["bytes"], True)
            else:
                self.serverSend(message["text"], False)
        elif kind == "websocket.close" and self.state == self.STATE_OPEN:
            # autobahn's sendClose() takes no code below 3000 but 1000, so neither 1008 nor 1011 nor 1012.
            reason = (message.get("reason") or "").encode()[:LONGEST_REASON]
            self.sendCloseFrame(code=message.get("code", 1000), reasonUtf8=reason, isReply=False)
        elif kind != "websocket.close" or self.state == self.STATE_CONNECTING:
            super().handle_reply(message)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        self.writable.set()  # no sender has to wait any more
        if hasattr(self, "server"):  # else the handshake failed before the application heard of it
            super().onClose(wasClean, code, reason)

    def failHandshake(
        self, reason: str, code: int = 400, responseHeaders: list[tuple[str, str]] | None = None
    ) -> None:
        if not hasattr(self, "server"):
            malformed_origin = reason.startswith("HTTP Origin header invalid")
            # The reason quotes what was sent.
            what = "malformed Origin" if malformed_origin else "malformed handshake"
            logger.warning("websocket refused: %s from %s", what, self.peer)
            metrics.refused("origin" if malformed_origin else "handshake")
            code = 403 if malformed_origin else code
        super().failHandshake(HTTPStatus(code).phrase, code, responseHeaders)

    def check_timeouts(self) -> None:
        if self.denial is None:
            super().check_timeouts()

    def _accept(self, message: Message) -> None:
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in message.get("headers") or ()
        }
        self.handshake_deferred.callback((message.get("subprotocol"), headers))
        del self.handshake_deferred

    def _deny(self, body: bytes) -> None:
        assert self.denial is not None
        status, headers = self.denial
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()]
        headers = [(name.lower(), value) for name, value in headers if name.lower() not in OF_THE_SERVER]
        if b"content-type" not in dict(headers):
            headers.append((b"content-type", b"text/plain; charset=utf-8"))
        headers += [
            (b"content-length", b"%d" % len(body)),
            (b"date", _http_date()),
            (b"connection", b"close"),
        ]
        lines += [name + b": " + value for name, value in headers]
        self.sendData(b"\r\n".join([*lines, b"", body]))
        self.wasNotCleanReason = f"refused with {status}"
        self.dropConnection(abort=False)
        self.server.protocol_disconnected(self)


def _wrong_with_close(payload: bytes) -> int | None:
    """The close code that answers a close frame with ``payload``, if that breaks the protocol (RFC 6455, 7.4)."""
    code = int.from_bytes(payload[:2], "big")
    if payload and not (code in Socket.CLOSE_STATUS_CODES_ALLOWED or 3000 <= code <= 4999):
        return PROTOCOL_ERROR
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        return NO_TEXT
    return None


def _http_date() -> bytes:
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime()).encode()


def _log_only_failures_of_twisted() -> None:
    """Twisted logs each connection; only what it could not handle is worth a line."""
    failures: Any = LogLevelFilterPredicate(defaultLogLevel=LogLevel.critical)
    log: Any = STDLibLogObserver("twisted")
    observer: Any = FilteringLogObserver(log, [failures])
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False, discardBuffer=True)
