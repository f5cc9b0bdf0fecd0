"""A visitor with nothing but Python: one page and one websocket handshake through each address of the edge.

python3 -m stack.visit --domain NAME [--port N] [--path /] [--authority FILE]… ADDRESS…
"""

from __future__ import annotations

import argparse
import base64
import http.client
import os
import socket
import ssl
import sys
import time
from pathlib import Path

SECONDS = 20
"""How long each answer may be wanting: right after a start the edge needs some seconds to find its servers."""


def trust(authorities: list[Path]) -> ssl.SSLContext:
    """What this machine trusts, and what of AUTHORITIES is there: the stack's own, and the certificate that it expects."""
    context = ssl.create_default_context()
    # A certificate that is named is trusted without its authority's.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    for path in authorities:
        if path.exists():
            context.load_verify_locations(path)
    return context


class Connection(http.client.HTTPSConnection):
    """HTTPS to ADDRESS for the name DOMAIN, whatever the name service says."""

    def __init__(self, address: str, domain: str, port: int, context: ssl.SSLContext) -> None:
        super().__init__(domain, port, timeout=SECONDS, context=context)
        self.address, self.tls = address, context

    def connect(self) -> None:
        """Connect to the address; verify the certificate for the name."""
        plain = socket.create_connection((self.address, self.port), timeout=SECONDS)
        self.sock = self.tls.wrap_socket(plain, server_hostname=self.host)


def status(connection: Connection, path: str, headers: dict[str, str]) -> int:
    """The status of the answer to one GET."""
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def visit(address: str, domain: str, port: int, path: str, context: ssl.SSLContext) -> str:
    """What is wrong at ADDRESS, "" for nothing: a page below 500, a handshake that one of the ws servers answered."""
    key = base64.b64encode(os.urandom(16)).decode()
    handshake = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key,
        "Origin": f"https://{domain}" + (f":{port}" if port != 443 else ""),
    }
    deadline = time.monotonic() + SECONDS
    while True:
        found = []
        for what, headers in (("page", {}), ("websocket", handshake)):
            try:
                answer = status(Connection(address, domain, port, context), path, headers)
            except (OSError, http.client.HTTPException) as error:
                found.append(f"{what}: {error}")
                continue
            if answer >= 500 or answer == 421:
                found.append(f"{what}: status {answer}")
        if not found or time.monotonic() > deadline:
            return f"{domain}:{port} at {address}: {'; '.join(found)}" if found else ""
        time.sleep(0.5)


def main() -> int:
    """Visit each address; 1 with a line for each that does not answer as it should."""
    parser = argparse.ArgumentParser(prog="stack.visit", description=__doc__)
    parser.add_argument("--domain", required=True)
    parser.add_argument("--port", type=int, default=443)
    parser.add_argument("--path", default="/")
    parser.add_argument("--authority", type=Path, action="append", default=[])
    parser.add_argument("addresses", nargs="+", metavar="ADDRESS")
    options = parser.parse_args()
    context = trust(options.authority)
    found = [
        visit(address, options.domain, options.port, options.path, context) for address in options.addresses
    ]
    for line in filter(None, found):
        print(line, file=sys.stderr)
    return 1 if any(found) else 0


if __name__ == "__main__":
    sys.exit(main())
