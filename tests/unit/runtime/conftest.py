"""What most tests of the runtime stand on; a file that stops or counts on a Redis of its own has its own fixture."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis as redis_py
from processes import Project, Redis


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    """One server for the tests of a file."""
    with Redis() as server:
        yield server


@pytest.fixture
def emptied(redis: Redis) -> None:
    """The server of the file, without what earlier tests have left."""
    redis_py.Redis(port=redis.port).flushall()


@pytest.fixture
def project(tmp_path: Path, redis: Redis) -> Iterator[Project]:
    """The project `jobs`; its processes end with the test, and nothing is left in Redis for the next one."""
    project = Project(tmp_path, redis)
    yield project
    project.end()
    with contextlib.suppress(redis_py.ConnectionError):  # the test may have stopped it
        redis_py.Redis(port=redis.port).flushall()
