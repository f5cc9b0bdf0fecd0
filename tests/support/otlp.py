"""A receiver of traces by OTLP over HTTP: it decodes them and writes a line of JSON for each span to standard output.

``python otlp.py PORT`` runs it by itself; what it needs is ``opentelemetry-proto``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

Told = Callable[[dict[str, Any]], None]


def spans(body: bytes) -> list[dict[str, Any]]:
    """What an export request holds: each span with its service and its attributes."""
    request = ExportTraceServiceRequest.FromString(body)
    found = []
    for of_resource in request.resource_spans:
        resource = attributes(of_resource.resource.attributes)
        for of_scope in of_resource.scope_spans:
            found += [
                {
                    "service": resource["service.name"],
                    "name": span.name,
                    "trace": span.trace_id.hex(),
                    "id": span.span_id.hex(),
                    "parent": span.parent_span_id.hex(),
                    "kind": span.kind,
                    "failed": span.status.code == 2,
                    "said": span.status.message,
                    "seconds": (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
                    "events": [event.name for event in span.events],
                    "attributes": attributes(span.attributes),
                }
                for span in of_scope.spans
            ]
    return found


def attributes(pairs: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in pairs}


class Receiver(ThreadingHTTPServer):
    """Hands each span to ``told``; with ``refuses`` it answers with that status instead."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], told: Told) -> None:
        self.told, self.refuses = told, 0
        super().__init__(address, Handler)


class Handler(BaseHTTPRequestHandler):
    server: Receiver
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        known = self.path == "/v1/traces" and self.headers["Content-Type"] == "application/x-protobuf"
        status = self.server.refuses or (200 if known else 404)
        if status == 200:
            for span in spans(body):
                self.server.told(span)
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


if __name__ == "__main__":
    Receiver(("0.0.0.0", int(sys.argv[1])), lambda span: print(json.dumps(span), flush=True)).serve_forever()
