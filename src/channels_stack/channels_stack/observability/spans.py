"""Recording spans with OpenTelemetry's SDK, and sending them by OTLP over HTTP. Imported where TRACING is set.

The id of a trace is that of its request, as the edge has made it (X-Request-ID, a UUID of version 7), without hyphens: who has
the one has the other. Its last 56 bits are random and decide whether it is recorded, so that all processes decide alike.
``opentelemetry-instrumentation-asgi`` is not used: it makes its own ids, a span out of each socket's whole life, and costs pages
that are not recorded several times what this does. Spans that a project makes itself are in the same traces.
"""

from __future__ import annotations

import contextlib
import logging
import random
import socket
import threading
from collections.abc import Awaitable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ..asgi.types import App, Message, Receive, Scope, Send
from ..config.settings import Settings
from . import logs
from .metrics import method_label
from .tracing import Dispatch, traced

RANDOM_BITS = 56
"""Of a trace's id, the last ones: random in a UUID of version 7, and by the W3C's Trace Context too."""
EXPORT_SECONDS = 5
"""For one attempt to send spans. They are sent from a thread, in which nothing else waits."""
UNKNOWN = "-"

log = logging.getLogger("channels_stack.tracing")

_page: ContextVar[Span | None] = ContextVar("page", default=None)  # the span of the running page
_next_trace: ContextVar[int] = ContextVar("next_trace", default=0)  # the id for a trace that begins now
_origin: ContextVar[str] = ContextVar("origin", default="")  # the request from which a message comes

_w3c = TraceContextTextMapPropagator()


def trace_of(request: str) -> int:
    """The trace's id for the id of a request; 0 where it is none of the edge's."""
    digits = request.replace("-", "")
    try:
        return int(digits, 16) if len(digits) == 32 else 0
    except ValueError:
        return 0


class _Ids(RandomIdGenerator):
    def generate_trace_id(self) -> int:
        return _next_trace.get() or trace_of(logs.request_id.get()) or super().generate_trace_id()


class Chance(Sampler):
    """Records ``percent`` of the traces that begin here."""

    def __init__(self, percent: float) -> None:
        self.percent, self.share = percent, percent / 100
        self._bound = int(self.share * 2**RANDOM_BITS)

    def takes(self, trace_id: int) -> bool:
        """Whether the trace with this id is recorded."""
        return (trace_id & (2**RANDOM_BITS - 1)) < self._bound

    def new(self) -> int:
        """An id that is recorded."""
        return random.getrandbits(128 - RANDOM_BITS) << RANDOM_BITS | random.randrange(self._bound)

    def should_sample(
        self,
        parent_context: Any,
        trace_id: int,
        name: str,
        kind: Any = None,
        attributes: Any = None,
        *others: Any,
        **more: Any,
    ) -> SamplingResult:
        decision = Decision.RECORD_AND_SAMPLE if self.takes(trace_id) else Decision.DROP
        return SamplingResult(decision, attributes)

    def get_description(self) -> str:
        return f"channels_stack {self.percent:g} %"


class Collector(SpanExporter):
    """The receiver at TRACING. That it takes nothing is logged once, until it does again."""

    def __init__(self, url: str) -> None:
        self.url = f"{url.rstrip('/')}/v1/traces"
        self.failing = False
        self._why = ""
        for name in (OTLPSpanExporter.__module__, "opentelemetry.sdk._shared_internal"):
            logging.getLogger(name).addFilter(self._note)
        self._exporter = OTLPSpanExporter(self.url, timeout=EXPORT_SECONDS)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        failed = result is not SpanExportResult.SUCCESS
        if failed and not self.failing:
            line = "tracing: %s takes no spans (%s): they are dropped until it does; TRACING names it"
            log.warning(line, self.url, self._why or "no reason given")
        elif self.failing and not failed:
            log.info("tracing: %s takes spans again", self.url)
        self.failing = failed
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return True

    def _note(self, record: logging.LogRecord) -> bool:
        """Keep the library's reason for our one line; it would write several for each attempt."""
        if isinstance(record.args, tuple) and record.args:
            reasons = [str(each) for each in record.args if each and not isinstance(each, (int, float))]
            self._why = next((each for each in reasons if each != "span" and each != "spans"), self._why)
            self._why = self._why[-200:]
        return False


class _Running:
    """A span that is recorded, to be entered once. Of an exception it has the class: its text may be private."""

    # No generator, which costs more than the rest of this: frames of clients are many.
    __slots__ = ("_inside", "_span", "_token", "_within")

    def __init__(self, span: Span, within: Context | None) -> None:
        self._span, self._within = span, within

    def __enter__(self) -> Span:
        self._token = contexts.attach(trace.set_span_in_context(self._span, self._within))
        self._inside = traced.set(True)
        return self._span

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._span.set_status(Status(StatusCode.ERROR, kind.__name__))
        traced.reset(self._inside)
        contexts.detach(self._token)
        self._span.end()


class _Process(Resource):
    """What sends spans. The library's own hash is made of its JSON, for each span that is sent."""

    def __hash__(self) -> int:
        return hash(self.schema_url)


class Spans:
    """What this process records."""

    def __init__(self, settings: Settings, service: str) -> None:
        self.chance = Chance(settings.tracing_percent)
        self._provider: TracerProvider | None = None
        present = trace.get_tracer_provider()
        if isinstance(present, TracerProvider):
            log.info("tracing: the project has a TracerProvider of its own, which gets the stack's spans")
        else:
            present = self._provider = self._own_provider(settings, service)
            trace.set_tracer_provider(present)
        self._tracer = present.get_tracer("channels_stack")
        logs.more_fields = self._fields

    def _own_provider(self, settings: Settings, service: str) -> TracerProvider:
        # OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME add to these.
        all_of_it = Resource.create({"service.name": service, "service.instance.id": socket.gethostname()})
        resource = _Process(all_of_it.attributes, all_of_it.schema_url)
        sampler = ParentBased(self.chance)
        provider = TracerProvider(
            sampler=sampler, resource=resource, id_generator=_Ids(), shutdown_on_exit=False
        )
        provider.add_span_processor(BatchSpanProcessor(Collector(settings.tracing)))
        return provider

    def stop(self, seconds: float) -> None:
        logs.more_fields = None
        if self._provider is not None:
            ending = threading.Thread(target=self._provider.shutdown, name="tracing", daemon=True)
            ending.start()
            ending.join(seconds)

    # Spans

    def _span(
        self, name: str, kind: SpanKind, attributes: dict[str, str], within: Context | None = None
    ) -> _Running:
        return _Running(self._tracer.start_span(name, within, kind, attributes), within)

    def _root(self, name: str, trace_id: int, attributes: dict[str, str]) -> _Running:
        """The first span of the trace with this id."""
        token = _next_trace.set(trace_id)
        try:
            return self._span(name, SpanKind.SERVER, attributes, Context())
        finally:
            _next_trace.reset(token)

    def carried(self) -> str:
        """What a message carries of the running span: ``traceparent`` of the W3C, and the id of the request that began it."""
        carrier: dict[str, str] = {}
        if traced.get():
            _w3c.inject(carrier)
        return f"{carrier.get('traceparent', UNKNOWN)} {self._request() or UNKNOWN}"

    @staticmethod
    def _request() -> str:
        return logs.request_id.get() or _origin.get() or logs.connection_id.get()

    def sending(self, what: str, destination: str) -> contextlib.AbstractContextManager[str]:
        if traced.get():
            return self._sending(what, destination)
        return contextlib.nullcontext(self.carried() if self._request() else "")

    @contextlib.contextmanager
    def _sending(self, what: str, destination: str) -> Iterator[str]:
        attributes = {"messaging.system": "channels", "messaging.destination.name": destination}
        with self._span(f"{what} {destination}", SpanKind.PRODUCER, attributes):
            yield self.carried()

    @contextlib.contextmanager
    def handling(self, carried: str) -> Iterator[Context]:
        """What is logged within has the ids that a message has carried; the context of its sender's span."""
        parent, _, origin = carried.partition(" ")
        sender = _w3c.extract({"traceparent": parent}, Context())
        token = contexts.attach(sender)
        named = _origin.set("" if origin == UNKNOWN else origin)
        try:
            yield sender
        finally:
            _origin.reset(named)
            contexts.detach(token)

    # Pages and sockets

    def around(self, app: App) -> App:
        """A span for each page that is recorded, and an event for each frame that has gone to a client within a trace."""

        def recorded(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
            if scope["type"] == "websocket":
                return app(scope, receive, self._frames(send))
            trace_id = trace_of(logs.request_id.get()) if scope["type"] == "http" else 0
            if trace_id and self.chance.takes(trace_id):
                return self._record_page(trace_id, app, scope, receive, send)
            return app(scope, receive, send)

        return recorded

    async def _record_page(self, trace_id: int, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                span.set_attribute("http.response.status_code", int(message["status"]))
                if message["status"] >= 500:
                    span.set_status(Status(StatusCode.ERROR))
            await send(message)

        method = method_label(scope["method"])
        attributes = {
            "http.request.method": method,
            "url.path": scope["path"],
            "request_id": logs.request_id.get(),
        }
        with self._root(method, trace_id, attributes) as span:
            token = _page.set(span)
            try:
                await app(scope, receive, watched)
            finally:
                _page.reset(token)

    def _frames(self, send: Send) -> Send:
        async def recorded(message: Message) -> None:
            # An event costs a tenth of a span, and a consumer may send many frames.
            await send(message)
            trace.get_current_span().add_event("websocket.send")

        # No coroutine of its own: nearly all messages pass.
        def watched(message: Message) -> Awaitable[None]:
            if traced.get() and message["type"] == "websocket.send":
                return recorded(message)
            return send(message)

        return watched

    @contextlib.contextmanager
    def view(self, name: str, route: str) -> Iterator[None]:
        """The time that a view takes; the page gets its ``route``."""
        page = _page.get()
        if page is not None and route:
            page.set_attribute("http.route", route)
            page.update_name(f"{getattr(page, 'name', '').partition(' ')[0]} /{route.lstrip('^/')}")
        with self._span(name, SpanKind.INTERNAL, {"code.function.name": name}):
            yield

    # Consumers

    def dispatching(self, dispatch: Dispatch) -> Dispatch:
        """A span for each message that comes from a trace, and for the share of handshakes and frames that begin one."""
        consumer = type(getattr(dispatch, "__self__", None)).__name__

        async def followed(message: Any, carried: str) -> None:
            kind = message.get("type", "")
            with self.handling(carried) as sender:
                if trace.get_current_span(sender).get_span_context().trace_flags.sampled:
                    with self._span(f"{consumer} {kind}", SpanKind.CONSUMER, self._who()):
                        await dispatch(message)
                else:
                    await dispatch(message)

        async def begun(message: Any, trace_id: int) -> None:
            kind = message["type"]
            with self._root(f"{consumer} {kind}", trace_id, self._who()):
                await dispatch(message)

        # No coroutine of its own: nearly all messages pass.
        def recorded(message: Any) -> Awaitable[None]:
            if type(message) is not dict:
                carried = getattr(message, "trace", "")
                return followed(message, carried) if carried else dispatch(message)
            kind = message.get("type")
            if kind == "websocket.receive":
                # A trace of its own: the frames of a socket that is open for hours are no one trace.
                if random.random() < self.chance.share:
                    return begun(message, self.chance.new())
            elif kind == "websocket.connect":
                trace_id = trace_of(logs.connection_id.get())
                if trace_id and self.chance.takes(trace_id):
                    return begun(message, trace_id)
            return dispatch(message)

        return recorded

    @staticmethod
    def _who() -> dict[str, str]:
        connection, origin = logs.connection_id.get(), _origin.get()
        who = {"connection_id": connection} if connection else {}
        who.update({"request_id": origin} if origin else {})
        return who

    # Logs

    @staticmethod
    def _fields(record: logging.LogRecord) -> None:
        """The ids of the running span, where it is recorded, and that of the request behind a message."""
        running = trace.get_current_span().get_span_context()
        if running.trace_flags.sampled:
            record.trace_id = trace.format_trace_id(running.trace_id)
            record.span_id = trace.format_span_id(running.span_id)
        if _origin.get() and not hasattr(record, "request_id"):
            record.request_id = _origin.get()
