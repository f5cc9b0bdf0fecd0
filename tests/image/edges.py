"""A running edge, a client that sends it exactly what it is told, and the servers behind it."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import socket
import ssl
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from selfsigned import self_signed
from support.polling import PATIENCE

from .conftest import Container, Yard, docker, wait_for

BACKEND = Path(__file__).with_name("backend.py")
CROWD = Path(__file__).with_name("crowd.py")
UNLIMITED = ("EDGE_REQUESTS_PER_10S", "EDGE_HANDSHAKES_PER_10S", "EDGE_CONNECTIONS_PER_ADDRESS")
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
VERSION = b"Sec-WebSocket-Version: 13\r\n"


@dataclass
class Answer:
    """One HTTP response; `status` 0 means that the connection ended without one."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of a header that occurs once (or not at all: None)."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} occurs {len(values)} times"
        return values[0] if values else None

    def all(self, name: str) -> list[str]:
        """The values of a header."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def echo(self) -> dict:
        """What the backend says it saw."""
        return json.loads(self.body)

    def seen(self, name: str) -> list[str]:
        """The values of a request header as the backend saw it."""
        return [value for key, value in self.echo["headers"] if key.lower() == name.lower()]


def parse(data: bytes) -> Answer:
    """Read a whole response, as it came until the end of the connection."""
    head, _, body = data.partition(b"\r\n\r\n")
    line, *lines = head.decode("latin-1").split("\r\n")
    if not line.startswith("HTTP/1."):
        return Answer(0, [], data)
    headers = [(name, value.strip()) for name, _, value in (text.partition(":") for text in lines)]
    return Answer(int(line.split(" ")[1]), headers, body)


def receive(link: socket.socket) -> bytes:
    """Everything until the end of the connection."""
    data = b""
    try:
        while more := link.recv(65536):
            data += more
    except ConnectionError:
        pass
    return data


def send(link: socket.socket, data: bytes) -> None:
    """Send; the other side may have answered and closed already."""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        link.sendall(data)


@dataclass
class Edge:
    """A running edge and the two ports that lead to it."""

    container: Container
    https: int
    http: int

    def connect(self, alpn: str = "http/1.1", timeout: float = PATIENCE, versions=None) -> ssl.SSLSocket:
        """A TLS connection."""
        context = ssl._create_unverified_context()
        context.set_alpn_protocols([alpn])
        if versions:
            context.minimum_version = context.maximum_version = versions
        return context.wrap_socket(
            socket.create_connection(("127.0.0.1", self.https), timeout=timeout), server_hostname="localhost"
        )

    def raw(self, data: bytes, timeout: float = PATIENCE) -> Answer:
        """Send these bytes over TLS, return the answer."""
        with self.connect(timeout=timeout) as link:
            send(link, data)
            return parse(receive(link))

    def get(
        self, path: str, *headers: str, method: str = "GET", body: bytes = b"", host: str = "localhost"
    ) -> Answer:
        """One well-formed request on its own connection."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        return self.raw("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    def plain(self, data: bytes) -> Answer:
        """Send these bytes to the plain port."""
        with socket.create_connection(("127.0.0.1", self.http), timeout=PATIENCE) as link:
            send(link, data)
            return parse(receive(link))

    def upgrade(
        self, path: str = "/ws", *, headers: bytes = UPGRADE + KEY + VERSION, timeout: float = PATIENCE
    ) -> ssl.SSLSocket:
        """Send a handshake, return the open connection."""
        link = self.connect(timeout=timeout)
        link.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n".encode() + headers + b"\r\n")
        return link

    def log(self, path: str, count: int = 1) -> list[dict]:
        """The log lines of a path, once there are `count` of them."""

        def lines() -> list[dict]:
            found = [json.loads(line) for line in self.container.output().splitlines()]
            found = [entry for entry in found if entry.get("path") == path]
            return found if len(found) >= count else []

        return wait_for(lines, f"{count} log lines of {path}")

    def whole_output(self) -> str:
        """The log of all that came so far: a request of its own is the last line that is waited for."""
        path = f"/marker/{uuid.uuid4().hex}"
        self.get(path)
        self.log(path)
        return self.container.output()


def head(link: socket.socket) -> Answer:
    """Read a response's head and nothing more."""
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        byte = link.recv(1)
        if not byte:
            break
        data += byte
    return parse(data)


def frame(payload: bytes, opcode: int = 1) -> bytes:
    """A masked websocket frame of less than 126 bytes."""
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + b"\0\0\0\0" + payload


def read_frame(link: socket.socket) -> bytes:
    """The payload of the next short frame; b"" at the end of the connection."""
    first = link.recv(2)
    return link.recv(first[1]) if len(first) == 2 else b""


def make_certificate(folder: Path, name: str = "localhost", days: int = 2) -> None:
    """Leave a certificate for NAME with its key as FOLDER/tls.pem."""
    with tempfile.TemporaryDirectory() as place:
        certificate, key = Path(place, "certificate"), Path(place, "key")
        self_signed(name, "localhost", certificate, key, days)
        text = key.read_text() + certificate.read_text()
    new = folder / "tls.pem.new"
    new.write_text(text)
    new.chmod(0o444)  # read by uid 10001 in the container
    new.replace(folder / "tls.pem")


@dataclass
class Crowd:
    """Clients of one kind (crowd.py)."""

    container: Container

    @property
    def counts(self) -> Counter[str]:
        """What came of them until now."""
        lines = self.container.output().splitlines()
        return Counter(json.loads(lines[-1]) if lines else {})


class Site:
    """The backends of this module, and as many edges in front of them as its tests need."""

    def __init__(self, yard: Yard, edge_image: str, python_image: str, certificate: Path) -> None:
        self.yard, self.edge_image, self.python_image, self.certificate = (
            yard,
            edge_image,
            python_image,
            certificate,
        )

    def backend(self, service: str, name: str) -> Container:
        """Start one replica of `service`."""
        flags = [
            f"--network-alias={service}",
            f"--env=NAME={name}",
            "--no-healthcheck",
            "--publish=127.0.0.1::8000",
            f"--volume={BACKEND}:/backend.py:ro",
            "--entrypoint=python3",
            "--tmpfs=/tmp",
        ]
        return self.yard.start(self.python_image, "/backend.py", flags=flags)

    def edge(
        self,
        folder: Path | None = None,
        wait: bool = True,
        flags: list[str] | None = None,
        limited: bool = False,
        **settings: str,
    ) -> Edge:
        """Start an edge with these settings; limits per address are off unless it is LIMITED or a test sets them.

        FOLDER is its /etc/edge; the module's, with a certificate alone, unless a test wants to change it.
        """
        environment = {
            **({} if limited else dict.fromkeys(UNLIMITED, "0")),
            "DOMAINS": "localhost other.test",
            "HTTPS_PORT": "8443",
            **settings,
        }
        flags = (
            (flags or [])
            + [f"--env={name}={value}" for name, value in environment.items()]
            + [
                "--publish=127.0.0.1::8443",
                "--publish=127.0.0.1::8080",
                "--tmpfs=/tmp",
                "--memory=256m",
                f"--volume={folder or self.certificate}:/etc/edge:ro",
            ]
        )
        container = self.yard.start(self.edge_image, flags=flags)
        wait_for(lambda: container.health() == "healthy", "healthy edge")
        edge = Edge(container, container.port(8443), container.port(8080))
        if wait:
            wait_for(lambda: edge.get("/echo").status == 200, "the edge found the backends")
            wait_for(lambda: head(edge.upgrade()).status == 101, "the edge found the backends")
        return edge

    @contextlib.contextmanager
    def crowd(self, edge: Edge, kind: str, addresses: int, connections: int) -> Iterator[Crowd]:
        """CONNECTIONS from each of so many ADDRESSES of the test's own network, until the end of the block."""
        ip = next(iter(edge.container.inspect()["NetworkSettings"]["Networks"].values()))
        network = ipaddress.ip_network(f"{ip['IPAddress']}/{ip['IPPrefixLen']}", strict=False)
        own = ",".join(str(network[-2 - number]) for number in range(addresses))
        flags = [
            "--cap-add=NET_ADMIN",
            "--user=0",
            "--entrypoint=python3",
            "--no-healthcheck",
            "--ulimit=nofile=20000:20000",
            f"--volume={CROWD}:/crowd.py:ro",
        ]
        command = ["/crowd.py", kind, edge.container.name, own, str(connections)]
        container = self.yard.start(self.python_image, *command, flags=flags)
        try:
            yield Crowd(container)
        finally:
            docker("stop", container.name, check=False)

    def control(self, container: Container, path: str, method: str = "GET") -> bytes:
        """Speak to a backend directly."""
        with socket.create_connection(("127.0.0.1", container.port(8000)), timeout=PATIENCE) as link:
            link.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            answer = head(link)
            body = b""
            while len(body) < int(answer.header("content-length") or 0):
                body += link.recv(65536)
            return body


def request(path: str = "/echo", *headers: str, host: str = "localhost") -> bytes:
    """A GET that ends its connection."""
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def client(answer: Answer) -> str:
    """Who the application thinks has come."""
    assert answer.status == 200, answer
    (address,) = answer.seen("x-forwarded-for")
    return address
