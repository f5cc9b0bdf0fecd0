"""The overlay's part `celery`."""

from __future__ import annotations

import sys
import types

import pytest
from overlays import REQUIRED, changed

REDIS = REQUIRED["REDIS_URL"]

PREFIX = {"CELERY_BROKER_TRANSPORT_OPTIONS": {"global_keyprefix": "channels-stack.celery."}}


@pytest.fixture
def celery(tmp_path, monkeypatch):
    """Celery is installed."""
    (tmp_path / "celery.py").touch()
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("celery")
@pytest.mark.parametrize(
    ("project", "wanted"),
    [
        ({}, {"CELERY_BROKER_URL": REDIS, **PREFIX}),
        ({"CELERY_BROKER_URL": "redis://localhost:6379/1"}, {"CELERY_BROKER_URL": REDIS, **PREFIX}),
        ({"CELERY_BROKER_URL": "amqp://guest@127.0.0.1//"}, {"CELERY_BROKER_URL": REDIS, **PREFIX}),
        (
            {
                "BROKER_URL": "redis://",
                "BROKER_TRANSPORT_OPTIONS": {"visibility_timeout": 9, "global_keyprefix": "own"},
                "CELERY_RESULT_BACKEND": "redis://localhost",
            },
            {"BROKER_URL": REDIS, "CELERY_RESULT_BACKEND": REDIS},
        ),
        # The host of its own compose file, which here is the Redis of the layers, without or with another login.
        (
            {
                "CELERY_BROKER_URL": "redis://redis:6379/0",
                "CELERY_RESULT_BACKEND": "redis://:its-own@redis/1",
            },
            {"CELERY_BROKER_URL": REDIS, "CELERY_RESULT_BACKEND": REDIS, **PREFIX},
        ),
        # Each process would have one of its own: what a page or beat sends, no worker ever hears.
        (
            {"CELERY_BROKER_URL": "memory://", "CELERY_RESULT_BACKEND": "cache+memory://"},
            {"CELERY_BROKER_URL": REDIS, "CELERY_RESULT_BACKEND": REDIS, **PREFIX},
        ),
        ({"CELERY_BROKER_URL": f"{REDIS[:-1]}3"}, {}),
        ({"CELERY_BROKER_URL": "redis://queue.example.org/0"}, {}),
        ({"CELERY_BROKER_URL": "amqp://rabbit//", "CELERY_RESULT_BACKEND": "django-db"}, {}),
        ({"CELERY_BROKER_URL": "sqla+sqlite:////data/celery.sqlite"}, {}),
        ({"CELERY_BROKER_URL": "filesystem://"}, {}),
    ],
)
def test_celery_finds_the_stacks_redis_where_it_would_look_for_its_own(project, wanted):
    found = changed(project)
    assert {name: value for name, value in found.items() if "BROKER" in name or "RESULT" in name} == wanted


@pytest.mark.usefixtures("celery")
def test_celery_itself_may_be_what_asks_for_settings(monkeypatch):
    monkeypatch.setitem(
        sys.modules, "celery", types.ModuleType("celery")
    )  # as Celery leaves itself: without a spec
    assert changed({})["CELERY_BROKER_URL"] == REDIS


def test_without_celery_it_has_no_settings():
    assert "CELERY_BROKER_URL" not in changed({})


SENTINELS = "redis+sentinel://app:hunter2@sentinel,sentinel-2/redis/0"
"""What REDIS_URL is where three servers with Sentinel take the place of one."""


@pytest.mark.usefixtures("celery")
@pytest.mark.parametrize("own", [{}, {"CELERY_BROKER_URL": SENTINELS, "CELERY_RESULT_BACKEND": SENTINELS}])
def test_celery_gets_the_sentinels_in_its_own_words(own):
    found = changed(own, REDIS_URL=SENTINELS)
    servers = {f"sentinel://app:hunter2@{host}:26379/0" for host in ("sentinel", "sentinel-2")}
    assert set(found["CELERY_BROKER_URL"].split(";")) == servers
    options = found["CELERY_BROKER_TRANSPORT_OPTIONS"]
    assert options["master_name"] == "redis"
    assert options["sentinel_kwargs"] == {"username": "app", "password": "hunter2"}
    assert options["global_keyprefix"] == "channels-stack.celery."
    if own:
        assert set(found["CELERY_RESULT_BACKEND"].split(";")) == servers
        assert found["CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS"]["master_name"] == "redis"


@pytest.mark.usefixtures("celery")
@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("rediss://u:p@redis.example/0", "rediss://u:p@redis.example/0?ssl_cert_reqs=required"),
        ("rediss://u:p@redis.example/0?a=b", "rediss://u:p@redis.example/0?a=b&ssl_cert_reqs=required"),
        (
            "rediss://u:p@redis.example/0?ssl_cert_reqs=none",
            "rediss://u:p@redis.example/0?ssl_cert_reqs=none",
        ),
    ],
)
def test_celery_checks_the_certificate_of_a_redis_with_tls(url, wanted):
    assert changed({}, REDIS_URL=url)["CELERY_BROKER_URL"] == wanted
