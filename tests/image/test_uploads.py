"""Many uploads at once into one container with a small /tmp, through the edge, on the real servers: 200, 413, 503, never 500."""

from __future__ import annotations

import concurrent.futures
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Container, docker, given, wait_for
from .edges import Edge, Site, parse, receive, send

PROJECT = Path(__file__).with_name("uploading.py")
SERVERS = ("gunicorn", "uvicorn", "daphne")
LENGTH = 10_000_000
HEAD = b"--x\r\nContent-Disposition: form-data; name=file; filename=a.bin\r\n\r\n"
TAIL = b"\r\n--x--\r\n"


@pytest.fixture(scope="module")
def edge(site: Site) -> Edge:
    return site.edge(wait=False, EDGE_MAX_BODY_BYTES=str(64 << 20))


@pytest.fixture(scope="module", params=SERVERS)
def application(request, yard, edge: Edge) -> Iterator[Container]:
    """`channels-stack serve http` with room for two such uploads: 3 x 2 x 10 MB are not far from it."""
    environment = {
        "SERVER_HTTP": request.param,
        "HTTP_PROCESSES": "1",
        "APP_OVERLAY": "off",
        "APP_SETTINGS": "uploading",
        "APP_ASGI": "uploading:application",
        "PYTHONPATH": "/project",
        "SECRET_KEY": "k7f3-only-for-tests-" * 4,
        "DATABASE_URL": "sqlite://:memory:",
        "REDIS_URL": "redis://127.0.0.1:1/0",
    }
    flags = [f"--env={name}={value}" for name, value in environment.items()]
    flags += [f"--volume={PROJECT}:/project/uploading.py:ro", "--network-alias=http", "--tmpfs=/tmp:size=64m"]
    image = given("DAPHNE_IMAGE" if request.param == "daphne" else "UVICORN_IMAGE")
    container = yard.start(image, "channels-stack", "serve", "http", flags=[*flags, "--no-healthcheck"])
    wait_for(lambda: edge.get("/").status == 200, f"the edge found {request.param}")
    yield container
    docker("rm", "--force", "--volumes", container.name)
    yard.containers.remove(container)
    wait_for(lambda: edge.get("/").status == 503, "the edge has lost it")


def upload(edge: Edge, length: int) -> tuple[int, str | None]:
    """Status and Retry-After of one upload."""
    body = HEAD + b"x" * length + TAIL
    head = b"POST /upload/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d" % len(body)
    with edge.connect(timeout=60) as link:
        send(link, head + b"\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\n" + body)
        answer = parse(receive(link))
    if answer.status == 200:
        assert str(length).encode() in answer.body
    return answer.status, answer.header("retry-after")


def used(container: Container) -> int:
    """KiB of /tmp."""
    return int(container.run("df", "-k", "/tmp").stdout.split()[9])


def test_eight_at_once(edge, application):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: upload(edge, LENGTH), range(8)))
    statuses = Counter(status for status, _ in answers)
    assert set(statuses) <= {200, 503}, statuses
    assert statuses[200] >= 1  # Daphne has room for one of them at a time, and lets none wait
    assert {after for status, after in answers if status == 503} <= {"5"}
    assert "No space left" not in application.logs()
    wait_for(lambda: used(application) < 1024, "nothing is left behind")
    assert upload(edge, LENGTH)[0] == 200


def test_one_that_never_fits(edge, application):
    assert upload(edge, 40_000_000)[0] == 413
    assert upload(edge, LENGTH)[0] == 200
