"""A small application server for the tests of the edge: HTTP/1.1 and websockets on port 8000.

It runs inside a container that has only Debian's python3-minimal, hence sockets, one thread for each, and no
http.server. It says what it saw, so a test can tell what reached the application and what did not.

    /-/ready               what POST /control/ready set, 200 at first, with the words of the application's own
    /control/was?0         POST: 503 is of a process that never was ready
    /control/ready?404     POST: the next readiness answers
    /-/leave               what POST /control/leave set, 405 at first as in older releases; 0: no answer
    /control/seen          JSON: {"METHOD /path": count} of everything but probes and controls
    /echo                  JSON: name, method, target, headers (list of pairs), body (its length)
    /reply?A=b&A=c         the same with these response headers (percent-encoded)
    /status/CODE           that status
    /wait?SECONDS          answers after that time
    /break-once            closes without a byte the first time, answers the second time
    /break/NAME            always closes without a byte
    /stream?SECONDS        one event, that much silence, one event, end
    /static/large/NAME     2 MB, immutable
    /static/NAME           immutable if NAME holds a hash of eight digits, else without Cache-Control
    any websocket path     101 and echo; /never leaves the handshake unanswered, /full answers 503
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import socket
import sys
import threading
import time
from collections import Counter
from urllib.parse import parse_qsl, unquote

NAME = os.environ.get("NAME") or socket.gethostname()


class State:
    """What all connections share."""

    ready = 200
    was = 1
    leave = 405
    seen: Counter[str] = Counter()
    broke_once = False
    lock = threading.Lock()


def read_exactly(stream, size: int) -> bytes:
    """Read `size` bytes or raise EOFError."""
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


def read_request(stream):
    """Return method, target, headers and body length of the next request; EOFError if there is none."""
    line = stream.readline()
    if not line:
        raise EOFError
    method, target, _ = line.decode("latin-1").split(" ", 2)
    headers = []
    while (line := stream.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        headers.append([name, value.strip()])
    fields = {name.lower(): value for name, value in headers}
    size = int(fields.get("content-length", 0))
    read_exactly(stream, size)
    if fields.get("transfer-encoding", "").lower() == "chunked":
        while True:
            chunk = int(stream.readline().split(b";")[0], 16)
            read_exactly(stream, chunk + 2)
            size += chunk
            if not chunk:
                break
    return method, target, headers, fields, size


def respond(connection, status: int, body: bytes = b"", headers=(), head_only: bool = False) -> None:
    """Send a response with a length."""
    lines = [
        f"HTTP/1.1 {status} Test",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    connection.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (b"" if head_only else body))


def echo_frames(connection, stream) -> None:
    """Answer every websocket frame with its payload until the other side closes."""
    while True:
        first, second = read_exactly(stream, 2)
        size = second & 127
        if size == 126:
            size = int.from_bytes(read_exactly(stream, 2), "big")
        mask = read_exactly(stream, 4)
        payload = bytes(byte ^ mask[index % 4] for index, byte in enumerate(read_exactly(stream, size)))
        opcode = first & 15
        answer = {9: 10}.get(opcode, opcode)
        connection.sendall(bytes([0x80 | answer, len(payload)]) + payload)
        if opcode == 8:
            return


def websocket(connection, stream, path: str, fields) -> None:
    """Answer a handshake and what follows."""
    if path == "/never":
        stream.read(1)
    elif path == "/full":
        respond(connection, 503, headers=[("Retry-After", "7")])
    else:
        accept = base64.b64encode(
            hashlib.sha1(
                (fields["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()
            ).digest()
        ).decode()
        connection.sendall(
            f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\nX-Name: {NAME}\r\n\r\n".encode()
        )
        echo_frames(connection, stream)


def answer(connection, stream) -> bool:
    """Answer one request; False ends the connection."""
    method, target, headers, fields, size = read_request(stream)
    path, _, query = target.partition("?")
    if path == "/-/ready":
        told = {"ready": State.ready == 200} | ({} if State.ready == 404 else {"was_ready": bool(State.was)})
        respond(connection, State.ready, json.dumps(told).encode())
        return True
    if path == "/-/leave":
        if State.leave:
            respond(connection, State.leave)
        else:
            stream.read(1)
        return False
    if path.startswith("/control/") and query:
        setattr(State, path.removeprefix("/control/"), int(query))
        respond(connection, 200)
        return True
    if path == "/control/seen":
        respond(connection, 200, json.dumps(State.seen).encode())
        return True
    with State.lock:
        State.seen[f"{method} {path}"] += 1
    if fields.get("upgrade", "").lower() == "websocket":
        websocket(connection, stream, path, fields)
        return False
    if path.startswith("/break/") or (path == "/break-once" and not State.broke_once):
        State.broke_once = True
        return False
    if path == "/wait":
        time.sleep(float(query))
    if path == "/stream":
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        connection.sendall(b"f\r\ndata: first\r\n\r\n\r\n")
        time.sleep(float(query))
        connection.sendall(b"e\r\ndata: last\r\n\r\n\r\n0\r\n\r\n")
        return True
    status = int(path.removeprefix("/status/")) if path.startswith("/status/") else 200
    body = json.dumps(
        {"name": NAME, "method": method, "target": target, "headers": headers, "body": size}
    ).encode()
    if path.startswith("/static/large/"):
        respond(connection, 200, b"x" * 2_000_000, [("Cache-Control", "max-age=86400, immutable")])
        return True
    extra = [(name, unquote(value)) for name, value in parse_qsl(query)] if path == "/reply" else []
    if re.match(r"/static/.*\.[0-9a-f]{8}\.", path):
        extra = [
            ("Cache-Control", "public, max-age=31536000, immutable"),
            ("Content-Type", "text/javascript"),
        ]
    respond(
        connection, status, body, [("Server", "test"), ("X-Powered-By", "test"), *extra], method == "HEAD"
    )
    return True


def serve(connection) -> None:
    """Serve one connection to its end."""
    with connection, connection.makefile("rb") as stream:
        try:
            while answer(connection, stream):
                pass
        except (EOFError, OSError):
            return


def main() -> None:
    """Listen until SIGTERM."""
    listener = socket.create_server(("", 8000), backlog=1024)
    print(f"{NAME} listens", file=sys.stderr, flush=True)
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
