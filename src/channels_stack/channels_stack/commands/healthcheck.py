"""`channels-stack probe`: the health check of a container, through the port that users use.

Runs every few seconds in each container, so it imports nothing but the standard library and the settings.
Healthy is: ready; or draining; or not ready any more, because Redis or the database went away: the edge keeps
traffic off, and to kill the process would only cut its sockets too. The worker renews a file.
"""

from __future__ import annotations

import http.client
import sys

from ..config.settings import SERVICE_PORT, WORKER_HEARTBEAT
from ..jobs import heartbeats

TIMEOUT_SECONDS = 4
HEARTBEAT_SECONDS = 30  # older than this, the worker's event loop no longer turns


def main(what: str, port: int = SERVICE_PORT, heartbeat: str = WORKER_HEARTBEAT) -> int:
    """Probe the service ``what`` of this container: 0 healthy, 1 not, with a line that says why."""
    problem = _worker_problem(heartbeat) if what == "worker" else _server_problem(port)
    if problem:
        print(f"{what}: {problem}", file=sys.stderr)
    return 1 if problem else 0


def _server_problem(port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/-/ready")
        response = connection.getresponse()
        body = response.read(10_000).decode("utf-8", "replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return f"no answer on port {port}: {type(error).__name__}: {error}"
    finally:
        connection.close()
    if response.status == 200 or (response.status == 404 and "draining" in body):
        return ""
    if response.status == 503 and '"was_ready": true' in body:
        return ""
    return f"/-/ready answers {response.status}: {body}"


def _worker_problem(heartbeat: str) -> str:
    try:
        age = heartbeats.age(heartbeat)
    except OSError as error:
        return f"no heartbeat: {heartbeat}: {error.strerror}"
    if age > HEARTBEAT_SECONDS:
        return f"the last heartbeat is {age:.0f} s old"
    return ""
