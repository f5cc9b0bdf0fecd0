"""A stack with data and a backup, for each module of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..conftest import Yard, wait_for
from .place import Place, write_secrets


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The secrets of a stack."""
    return write_secrets(tmp_path_factory.mktemp("secrets"))


@pytest.fixture(scope="module")
def images(db_image: str, redis_image: str, backup_image: str) -> dict[str, str]:
    return {"db": db_image, "redis": redis_image, "backup": backup_image}


@pytest.fixture(scope="module")
def origin(yard: Yard, images: dict[str, str], secrets: Path) -> Place:
    """A stack with some data and its first backup, which nobody asked for."""
    place = Place(yard, images, secrets)
    place.start("redis", "db", "backup")
    place.sql("CREATE TABLE rows AS SELECT g AS id, md5(g::text) AS text FROM generate_series(1, 20000) g")
    wait_for(lambda: place.backup("status", check=False).returncode == 0, "the first backup is made", 90)
    return place


@pytest.fixture
def place(origin: Place) -> Iterator[Place]:
    """The same, with everything running whatever the test before has left."""
    for name in ("redis", "db", "backup"):
        if name not in origin.services:
            origin.start(name)
    yield origin
