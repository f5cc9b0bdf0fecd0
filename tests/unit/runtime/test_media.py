"""Uploads: served where nobody else does, and harmless."""

from __future__ import annotations

import os

import pytest
from processes import RUNTIME
from serving import serve

SETTINGS = """
from pathlib import Path
SECRET_KEY = "x"
INSTALLED_APPS = []
MEDIA_URL = "{url}"
MEDIA_ROOT = Path(__file__).parent / "media"
ROOT_URLCONF = "site_urls"
"""
URLS = """
from django.http import HttpResponse
from django.urls import path, re_path

def own(request, name=""):
    return HttpResponse("the project's own", content_type="text/plain")

urlpatterns = [path("media/private/<name>", own), {more}]
"""
ASGI = """
from django.core.asgi import get_asgi_application
application = get_asgi_application()
"""
PAGE = b"<script>alert(document.cookie)</script>"


@pytest.fixture
def site(redis, tmp_path):
    """A function that serves a project whose uploads lie in the folder `uploads`, with a secret beside it."""
    started = []
    uploads = tmp_path / "uploads"
    for name in (
        "a.png",
        "a.svg",
        "a.html",
        "a.pdf",
        "a.txt",
        "a.mp4",
        "Übergröße 日本.txt",
        "a.nosuchtype",
        ".hidden",
        "private/a.txt",
    ):
        (uploads / name).parent.mkdir(parents=True, exist_ok=True)
        (uploads / name).write_bytes(PAGE)
    (uploads / "a.png.gz").write_bytes(b"another's")
    (tmp_path / "secret").write_text("secret")
    os.symlink(tmp_path / "secret", uploads / "link.txt")

    def start(url="/media/", more="", **environment):
        (tmp_path / "site_settings.py").write_text(SETTINGS.format(url=url))
        (tmp_path / "site_urls.py").write_text(URLS.format(more=more))
        (tmp_path / "site_asgi.py").write_text(ASGI)
        names = {"APP_SETTINGS": "site_settings", "APP_ASGI": "site_asgi:application", "APP_OVERLAY": "on"}
        names |= {"PYTHONPATH": f"{RUNTIME}:{tmp_path}", "MEDIA_ROOT": str(uploads), "DOMAINS": "localhost"}
        started.append(serve(tmp_path, redis, "uvicorn", "http", **names | environment))
        return started[-1]

    yield start
    for each in started:
        each.kill()


def asked(serving, path, **headers):
    return serving.get(path, {"Host": "localhost", **headers})


def test_an_upload_is_served_and_can_do_nothing(site, tmp_path):
    serving = site()
    for name, shown in {
        "a.png": True,
        "a.txt": True,
        "a.mp4": True,
        "%C3%9Cbergr%C3%B6%C3%9Fe%20%E6%97%A5%E6%9C%AC.txt": True,
        "a.svg": False,
        "a.html": False,
        "a.pdf": False,
        "a.nosuchtype": False,
    }.items():
        answer = asked(serving, f"/media/{name}", **{"Accept-Encoding": "gzip"})
        assert (answer.status, answer.body) == (200, PAGE), name
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
        assert answer.headers["Content-Disposition"] == (None if shown else "attachment"), name
        assert answer.headers["Cache-Control"] == "private, max-age=60"
    (tmp_path / "uploads/a.txt").write_text("another upload under the same name")
    assert asked(serving, "/media/a.txt").body == b"another upload under the same name"
    (tmp_path / "uploads/a.txt").unlink()
    assert asked(serving, "/media/a.txt").status == 404
    assert asked(serving, "/media/a.png", Range="bytes=1-6").body == b"script"


@pytest.mark.parametrize(
    "path",
    ["", "private", ".hidden", "../secret", "%2e%2e/secret", "//secret", "link.txt", "a.png%00", "nosuch"],
)
def test_nothing_else_is(site, path):
    answer = asked(site(), f"/media/{path}")
    assert answer.status in (400, 404) and b"secret" not in answer.body


def test_a_view_of_the_project_decides_itself(site):
    assert asked(site(), "/media/private/a.txt").body == b"the project's own"


def test_a_route_that_takes_everything_is_no_view_of_uploads(site):
    serving = site(more="re_path('', own)")
    assert asked(serving, "/media/a.txt").body == PAGE
    assert asked(serving, "/media/nosuch").body == b"the project's own"


@pytest.mark.parametrize(
    ("url", "environment"),
    [("/media/", {"APP_OVERLAY": "-media"}), ("https://elsewhere.example/media/", {}), ("", {})],
)
def test_where_the_project_keeps_them_elsewhere_nothing_is_served(site, url, environment):
    assert asked(site(url, **environment), "/media/a.txt").status == 404
