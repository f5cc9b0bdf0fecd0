"""What a project keeps in one process: sessions move to the database, the rest is told."""

from __future__ import annotations

from typing import Any

import pytest
from serving import SERVERS, serve

from channels_stack.project import shared_state

APPS = ["django.contrib.sessions"]
BACKENDS = "django.contrib.sessions.backends"
LOCAL = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
SHARED = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://cache"}}


@pytest.mark.parametrize(
    ("project", "moves"),
    [
        ({"SESSION_ENGINE": f"{BACKENDS}.cache"}, True),
        ({"SESSION_ENGINE": f"{BACKENDS}.cached_db", "CACHES": LOCAL}, True),
        ({"SESSION_ENGINE": f"{BACKENDS}.cache", "CACHES": SHARED, "SESSION_CACHE_ALIAS": "other"}, True),
        ({"SESSION_ENGINE": f"{BACKENDS}.file"}, True),
        ({"SESSION_ENGINE": f"{BACKENDS}.cache", "CACHES": SHARED}, False),
        ({"SESSION_ENGINE": f"{BACKENDS}.signed_cookies"}, False),
        ({"SESSION_ENGINE": f"{BACKENDS}.cache", "INSTALLED_APPS": []}, False),
        ({}, False),
    ],
)
def test_sessions_of_one_process_move_to_the_database(project, moves):
    found = list(shared_state.find({"INSTALLED_APPS": APPS, **project}, None))  # type: ignore[arg-type]
    assert [each.value for each in found] == ([f"{BACKENDS}.db"] if moves else [])


@pytest.mark.parametrize(
    ("project", "words"),
    [
        ({"REST_FRAMEWORK": {"DEFAULT_THROTTLE_RATES": {"anon": "9/day"}}}, "createcachetable"),
        ({"INSTALLED_APPS": ["django_ratelimit"], "CACHES": LOCAL}, "django-ratelimit"),
        ({"INSTALLED_APPS": ["django_eventstream"]}, "EVENTSTREAM_REDIS"),
        (
            {"ALLOWED_HOSTS": ["localhost"], "SESSION_COOKIE_DOMAIN": ".example.org"},
            "SESSION_COOKIE_DOMAIN is '.example.org': no browser keeps that cookie at localhost",
        ),
    ],
)
def test_what_stays_in_one_process_is_reported(project: dict[str, Any], words: str):
    (line,) = shared_state.risks(project)
    assert words in line


@pytest.mark.parametrize(
    "project",
    [
        {"REST_FRAMEWORK": {"DEFAULT_THROTTLE_RATES": {"anon": "9/day"}}, "CACHES": SHARED},
        {"ALLOWED_HOSTS": ["www.example.org", "example.org"], "CSRF_COOKIE_DOMAIN": ".example.org"},
        {"CACHES": LOCAL},
    ],
)
def test_what_is_right_is_not_reported(project):
    assert shared_state.risks(project) == []


def test_a_file_cache_where_nothing_can_be_written_ends_the_release(project, tmp_path):
    cache = '{"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": "/proc/nosuch"}'
    (tmp_path / "cached.py").write_text(f'from jobs.settings import *\nCACHES = {{"default": {cache}}}\n')
    path = f"{project.environment['PYTHONPATH']}:{tmp_path}"
    release = project.command("release", APP_SETTINGS="cached", PYTHONPATH=path)
    assert release.wait() == 78, release.output()
    assert "CACHES['default']: /proc/nosuch is read-only: " in release.output()
    assert "Traceback" not in release.output()


@pytest.mark.parametrize("server", SERVERS)
def test_websockets_answer_below_the_script_name_as_pages_do(redis, tmp_path, server):
    serving = serve(tmp_path, redis, server, TEST_SCRIPT_NAME="/shop")
    try:
        for path in ("/shop/echo/", "/echo/"):
            with serving.socket(path) as client:
                assert client.recv().endswith("[/shop]" if "shop" in path else "[]")
        assert serving.refusal("/shopper/echo/").status_code == 404
    finally:
        serving.kill()
