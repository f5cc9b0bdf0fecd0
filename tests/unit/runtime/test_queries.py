"""The queries of each page are counted, on whichever way it goes through Django."""

from __future__ import annotations

import re

import pytest
from processes import until
from serving import Serving, serve

HANDLERS = ("django", "pooled", "one-hop")


@pytest.fixture(scope="module")
def project(redis, tmp_path_factory):
    folder = tmp_path_factory.mktemp("queries")
    environment = {
        "DJANGO_SETTINGS_MODULE": "people.settings",
        "APP_SETTINGS": "people.settings",
        "APP_ASGI": "people.asgi:application",
        "TEST_DATABASE": str(folder / "people.sqlite3"),
    }
    migration = Serving(folder, redis, "-m", "django", "migrate", "--verbosity", "0", **environment)
    assert migration.process.wait() == 0, migration.log()
    return folder, environment


@pytest.fixture(params=HANDLERS)
def serving(request, redis, project):
    folder, environment = project
    running = serve(folder, redis, "uvicorn", "http", HTTP_HANDLER=request.param, **environment)
    yield running
    running.kill()


def made(serving: Serving, pages: int) -> int:
    """The queries of all PAGES so far."""

    def text() -> str:
        return serving.get("/-/metrics").body.decode()

    until(
        lambda: f"channels_stack_http_queries_count {pages:.1f}" in text(), what=f"{pages} pages are counted"
    )
    return int(float(re.search(r"^channels_stack_http_queries_sum (\S+)$", text(), re.M)[1]))


def test_each_query_of_a_page_is_counted_once(serving):
    assert serving.get("/who/").status == 200
    assert made(serving, 1) == 0, "a stranger has no session to look up"
    assert serving.get("/disable/nobody/").status == 200
    assert made(serving, 2) == 1
    cookie = serving.get("/sign-in/ann/").headers["Set-Cookie"].partition(";")[0]
    before = made(serving, 3)
    assert serving.get("/who/", {"Cookie": cookie}).status == 200
    assert made(serving, 4) - before == 2, "the session and the user"


def test_those_of_an_async_view_too(serving):
    cookie = serving.get("/sign-in/ann/").headers["Set-Cookie"].partition(";")[0]
    before = made(serving, 1)
    assert serving.get("/async-who/", {"Cookie": cookie}).status == 200
    assert made(serving, 2) - before == 2, "the session and the user"
