"""What comes from outside: pages, raw requests and websockets, all through the edge."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import httpx
from stacks import Stack, on_threads
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

ANSWER_SECONDS = 60
"""How long an answer may take on a small, busy machine; usually it is milliseconds."""

Headers = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Answer:
    """The answer to a raw request."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


def trust(stack: Stack) -> ssl.SSLContext:
    """Verify names and chains, with the stack's own authority where it has one."""
    return ssl.create_default_context(cafile=str(stack.ca) if stack.ca else None)


def browse(stack: Stack, **options) -> httpx.Client:
    """A client for pages that keeps cookies and follows no redirect by itself."""
    return httpx.Client(base_url=stack.url, verify=trust(stack), timeout=ANSWER_SECONDS, **options)


def sign_in(client: httpx.Client, user: str, password: str) -> httpx.Response:
    """Send the login form as a browser does; the answer is a redirect where it worked."""
    page = client.get("/login/")
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert token, f"no form with a CSRF token on the login page ({page.status_code}):\n{page.text[:500]}"
    form = {"csrfmiddlewaretoken": token[1], "username": user, "password": password}
    return client.post("/login/", data=form, headers={"Referer": str(page.url)})


def sign_out(client: httpx.Client) -> None:
    """End the session of CLIENT, on the server as well, as the button of every page does."""
    client.post(
        "/logout/", headers={"X-CSRFToken": client.cookies["csrftoken"], "Referer": str(client.base_url)}
    )


def ask(
    stack: Stack, method: str, target: str, headers: Headers = (), *, plain: bool = False, host: str = ""
) -> Answer:
    """One HTTP/1.1 request exactly as given: no client tidies TARGET or adds headers but Host."""
    if plain:
        connection = http.client.HTTPConnection(stack.host, stack.plain_port, timeout=ANSWER_SECONDS)
        authority = f"{stack.host}:{stack.plain_port}"
    else:
        connection = http.client.HTTPSConnection(
            stack.host, stack.port, timeout=ANSWER_SECONDS, context=trust(stack)
        )
        authority = f"{stack.host}:{stack.port}"
    try:
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", host or authority)
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


class Socket:
    """A websocket of a room, opened with the session of CLIENT; it keeps all that it heard."""

    def __init__(
        self,
        stack: Stack,
        path: str,
        client: httpx.Client | None = None,
        *,
        origin: str | None = "",
        headers: Headers = (),
    ) -> None:
        """ORIGIN "" is the stack's own, None leaves it out. websockets' InvalidStatus where the handshake is refused."""
        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items()) if client else ""
        sent = [*headers, *([("Cookie", cookies)] if cookies else [])]
        origin = stack.url if origin == "" else origin
        self.heard: list[dict] = []
        self.connection = connect(
            stack.url.replace("https://", "wss://") + path,
            ssl=on_threads(trust(stack)),
            additional_headers=[*sent, *([("Origin", origin)] if origin is not None else [])],
            compression=None,
            ping_interval=None,
            open_timeout=ANSWER_SECONDS,
            close_timeout=2,
            proxy=None,
            legacy=True,  # a connection that outlives this call, closed by close()
        )

    def say(self, text: str) -> str:
        """Send a message; returns its nonce."""
        nonce = uuid.uuid4().hex
        self.send(type="message", text=text, nonce=nonce)
        return nonce

    def send(self, **frame) -> None:
        self.connection.send(json.dumps(frame))

    def begin(self, length: int) -> None:
        """Announce a message of LENGTH bytes and send its first ten.

        Whoever refuses it does so now. Had it been sent whole, the rest on its way could make TCP drop the close frame.
        """
        head = b"\x81\xff" + length.to_bytes(8, "big")  # one final text frame, masked, 64 bits of length
        mask = bytes(4)
        try:
            self.connection.socket.sendall(head + mask + b"x" * 10)
        except OSError as error:
            raise AssertionError(f"closed with {self.ended(1)} before the message: {error!r}") from error

    def hear(
        self, kind: str, seconds: float = ANSWER_SECONDS, where: Callable[[dict], bool] = lambda frame: True
    ) -> dict:
        """The next frame of KIND for which WHERE holds; AssertionError with all that came instead."""
        deadline = time.monotonic() + seconds
        begun = len(self.heard)
        while (left := deadline - time.monotonic()) > 0:
            try:
                frame = json.loads(self.connection.recv(timeout=left))
            except TimeoutError:
                break
            self.heard.append(frame)
            if frame["type"] == kind and where(frame):
                return frame
        raise AssertionError(f"no such {kind} frame within {seconds} s; heard instead: {self.heard[begun:]}")

    def ended(self, seconds: float) -> int:
        """The close code that comes within SECONDS; 1006 where the connection broke without one."""
        deadline = time.monotonic() + seconds
        begun = len(self.heard)
        try:
            while (left := deadline - time.monotonic()) > 0:
                self.heard.append(json.loads(self.connection.recv(timeout=left)))
        except TimeoutError:
            pass
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006
        raise AssertionError(f"not closed within {seconds} s; heard instead: {self.heard[begun:]}")

    @property
    def open(self) -> bool:
        """Whether nobody closed it so far."""
        return self.connection.close_code is None

    def close(self) -> None:
        self.connection.close()
