"""The overlay: what it sets over settings made for development, and what it leaves alone."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

import pytest
from overlays import KEY, MEMORY, OLD, REQUIRED, changed, layer

from channels_stack.config import development
from channels_stack.config.environment import ConfigurationError
from channels_stack.config.settings import OVERLAY_PARTS, Settings
from channels_stack.project import parts, static_files


def test_settings_made_for_development():
    project = {
        "DEBUG": True,
        "SECRET_KEY": "django-insecure-x",
        "ALLOWED_HOSTS": ["*"],
        "INSTALLED_APPS": ["django.contrib.staticfiles"],
        "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}},
        "CHANNEL_LAYERS": {"default": MEMORY},
    }
    found = changed(project)
    assert found["DEBUG"] is False and found["SECRET_KEY"] == KEY
    assert found["ALLOWED_HOSTS"] == ["a.example", "b.example"]
    assert found["CSRF_TRUSTED_ORIGINS"] == ["https://a.example", "https://b.example"]
    assert found["SESSION_COOKIE_SECURE"] is True and found["CSRF_COOKIE_SECURE"] is True
    assert found["SECURE_PROXY_SSL_HEADER"] == ("HTTP_X_FORWARDED_PROTO", "https")
    assert found["STATIC_ROOT"] == "/srv/static" and found["STATIC_URL"] == "/static/"
    assert found["MEDIA_ROOT"] == "/srv/media"
    assert found["DATABASES"]["default"]["HOST"] == "db"
    assert found["CHANNEL_LAYERS"].keys() == {"default", "tasks"}


def test_older_keys_come_from_the_environment():
    assert changed({"SECRET_KEY_FALLBACKS": []}, SECRET_KEY_FALLBACKS=f"{OLD} b")["SECRET_KEY_FALLBACKS"] == [
        OLD,
        "b",
    ]
    assert "SECRET_KEY_FALLBACKS" not in changed({"SECRET_KEY_FALLBACKS": ["its own"]})


def test_what_the_project_says_already_is_not_changed():
    project = changed({"INSTALLED_APPS": ["django.contrib.staticfiles"]})
    assert changed({"INSTALLED_APPS": ["django.contrib.staticfiles"], **project}) == {}


def test_a_part_is_left_alone():
    everything = changed({"SECRET_KEY": "x"})
    assert everything.keys() - changed({"SECRET_KEY": "x"}, APP_OVERLAY="-database -secret_key").keys() == {
        "DATABASES",
        "SECRET_KEY",
    }
    assert changed({}, APP_OVERLAY="off") == {}


@pytest.mark.parametrize("value", ["database", "of", "-databases", "off -layers"])
def test_a_part_that_is_none_is_refused_with_all_that_are(value):
    with pytest.raises(ConfigurationError) as refused:
        Settings.from_environment({**REQUIRED, "APP_OVERLAY": value})
    (problem,) = refused.value.problems
    assert "APP_OVERLAY" in str(problem) and all(f"-{part}" in str(problem) for part in OVERLAY_PARTS)


def test_no_secret_is_reported():
    settings = Settings.from_environment(REQUIRED)
    found = parts.find({"SECRET_KEY": "old-key", "TOKENS": {"key": "old-key"}}, settings, OVERLAY_PARTS)
    told = " ".join(map(repr, found)) + " ".join(map(str, found))
    assert not any(secret in told for secret in (KEY, "p@ss", "p%40ss", "hunter2", "old-key")), told


def test_what_was_made_from_the_projects_key_is_made_from_ours():
    own = {"key": OLD, "more": [OLD, "x"], "n": 1}
    found = changed({"SECRET_KEY": OLD, "TOKENS": own, "OTHER": ["y"]})
    assert found["TOKENS"] == {"key": KEY, "more": [KEY, "x"], "n": 1} and "OTHER" not in found


def test_a_short_key_is_not_taken_for_a_word():
    assert "INSTALLED_APPS" not in changed({"SECRET_KEY": "api", "INSTALLED_APPS": ["api"]})


@pytest.mark.parametrize(
    ("own", "name"),
    [
        ({}, "STORAGES"),
        ({"STORAGES": {"staticfiles": {"BACKEND": static_files.PLAIN_STATIC}}}, "STORAGES"),
        ({"STORAGES": {"staticfiles": {"BACKEND": "whitenoise.storage.X"}}}, None),
        ({"STATICFILES_STORAGE": "whitenoise.storage.X"}, None),
        ({"STATICFILES_STORAGE": static_files.PLAIN_STATIC}, "STATICFILES_STORAGE"),
    ],
)
def test_only_the_default_static_storage_is_replaced(own, name):
    found = changed({"INSTALLED_APPS": ["django.contrib.staticfiles"], **own})
    assert {"STORAGES", "STATICFILES_STORAGE"} & found.keys() == ({name} if name else set())


def test_a_log_file_that_cannot_be_written_goes_to_standard_output(tmp_path):
    good, bad = str(tmp_path / "a.log"), str(tmp_path / "missing/b.log")
    handlers = {
        "good": {"class": "logging.FileHandler", "filename": good},
        "bad": {
            "class": "logging.handlers.RotatingFileHandler",
            "filename": bad,
            "level": "INFO",
            "maxBytes": 9,
        },
    }
    found = changed({"LOGGING": {"version": 1, "handlers": handlers}})["LOGGING"]
    assert found["handlers"] == {
        "good": handlers["good"],
        "bad": {"class": "logging.StreamHandler", "level": "INFO"},
    }


@pytest.mark.parametrize(
    ("project", "words"),
    [
        ({"CHANNEL_LAYERS": {"default": layer("redis://cache.example")}}, "socket_timeout"),
        ({"CACHES": {"default": {"LOCATION": "redis://127.0.0.1:6379/1"}}}, "127.0.0.1"),
        ({"CACHES": {"default": {"LOCATION": "localhost:11211"}}}, "localhost"),
        (
            {"DATABASES": {"archive": {"ENGINE": "django.db.backends.postgresql"}}},
            "DATABASES['archive']: localhost",
        ),
    ],
)
def test_what_stays_and_should_not_is_reported(project, words):
    (line,) = parts.risks(project)
    assert words in line


def test_what_stays_and_may_is_not_reported():
    caches = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    layers = {"default": layer({"address": "redis://cache.example", "socket_timeout": 15})}
    assert parts.risks({"CHANNEL_LAYERS": layers, "CACHES": caches}) == []


def test_the_module_that_django_sees(tmp_path):
    """Everything else comes from the project; who imports the project's module instead sees the same values."""
    (tmp_path / "plain.py").write_text(
        "DEBUG = True\nSECRET_KEY = 'x'\nMINE = {'a': 1}\nINSTALLED_APPS = []\n"
    )
    program = (
        "import json, django; django.setup()\n"
        "from django.conf import settings; import plain\n"
        "print(json.dumps([settings.MINE, settings.DEBUG, plain.DEBUG, plain.SECRET_KEY == settings.SECRET_KEY]))"
    )
    environ = {
        **REQUIRED,
        "APP_SETTINGS": "plain",
        "DJANGO_SETTINGS_MODULE": "channels_stack.overlay",
        "PYTHONPATH": ":".join([str(tmp_path), *filter(None, sys.path)]),
    }
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [{"a": 1}, False, False, True]


DEVELOPMENT = """
DEBUG = True
try:
    if 1:
        DEBUG: bool = True
except ImportError:
    pass
INSTALLED_APPS = ["debug_toolbar"] if DEBUG else []
DEBUG_BAR = True
class Local:
    DEBUG = True
"""


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, [False, "none", [], True, True, "here"]),
        ({"DEBUG": "1"}, [True, "in the page", ["debug_toolbar"], True, True, "here"]),
        ({"APP_OVERLAY": "-debug"}, [True, "in the page", ["debug_toolbar"], True, True, "here"]),
    ],
)
def test_what_settings_derive_from_a_constant_is_made_as_in_production(tmp_path, environ, expected):
    (tmp_path / "mysite").mkdir()
    (tmp_path / "mysite/__init__.py").write_text("")
    (tmp_path / "mysite/base.py").write_text(DEVELOPMENT)
    (tmp_path / "mysite/settings.py").write_text(
        "from .base import *\nJOBS = 'in the page' if DEBUG else 'none'\n__doc__ = 'here'\n"
    )
    # What is compiled already has the constant; the images compile everything, and look at no time of a file.
    subprocess.run(
        [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(tmp_path)],
        check=True,
    )
    program = (
        "import json\nfrom django.conf import settings as s; s.DEBUG; from mysite import base, settings\n"
        "print(json.dumps([s.DEBUG, s.JOBS, s.INSTALLED_APPS, s.DEBUG_BAR, base.Local.DEBUG, settings.__doc__]))\n"
        "from channels_stack.overlay import overrides\nprint([str(one) for one in overrides if one.name == 'DEBUG'])\n"
    )
    environ = {
        **REQUIRED,
        **environ,
        "APP_SETTINGS": "mysite.settings",
        "DJANGO_SETTINGS_MODULE": "channels_stack.overlay",
    }
    environ["PYTHONPATH"] = ":".join([str(tmp_path), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    values, said = done.stdout.splitlines()
    assert json.loads(values) == expected
    assert ("derive from mysite/base.py:2, mysite/base.py:5" in said) == (expected[0] is False)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("DEBUG = TEMPLATE_DEBUG = True", False),
        ("TEMPLATE_DEBUG = DEBUG = True", False),
        ("DEBUG = (\n    True\n)", False),
        ("if True: DEBUG = True", False),
        # Near-misses: what only running shows.
        ("DEBUG = bool(1)", True),
        ("DEBUG = 'True'", "True"),
    ],
)
def test_a_constant_is_one_however_it_is_written(tmp_path, monkeypatch, source, value):
    (tmp_path / "constant.py").write_text(f"{source}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "constant", raising=False)
    with development.switched_off(()):
        debug = importlib.import_module("constant").DEBUG
    assert debug == value
    monkeypatch.delitem(sys.modules, "constant")


def test_settings_that_print_what_they_read_print_no_secret(tmp_path):
    (tmp_path / "url").write_text("postgresql://app:p%40ss-word@db:5432/app\n")
    (tmp_path / "plain.py").write_text(
        "import logging, os, sys\n"
        "from urllib.parse import unquote, urlsplit\n"
        "url = os.environ['DATABASE_URL']\n"
        "parts = urlsplit(url)\n"
        "print('whole', url)\n"
        "print(parts.hostname, parts.username, parts.password, unquote(parts.password))\n"
        "logging.basicConfig(stream=sys.stderr)\n"
        "logging.warning('with %s', unquote(parts.password))\n"
        "sys.stdout.flush()\n"
    )
    environ = {**REQUIRED, "DATABASE_URL_FILE": str(tmp_path / "url"), "APP_SETTINGS": "plain"}
    del environ["DATABASE_URL"]
    environ |= {"DJANGO_SETTINGS_MODULE": "channels_stack.overlay"}
    environ |= {"PYTHONPATH": ":".join([str(tmp_path), *filter(None, sys.path)])}
    program = "import django; django.setup(); print('after')"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["whole ***", "db app *** ***", "after"]
    assert "with ***" in done.stderr and "ss-word" not in done.stderr


@pytest.mark.parametrize(
    ("raised", "shown"),
    [
        ("int(url)", "int() with base 10: '***'"),
        ("raise ValueError(f'no {parts.password}')", "no ***"),
        # As pydantic shortens it: by the middle, whose ends are parts of the password.
        ("raise ValueError(url[:26] + '...' + url[-22:])", "postgresql://app:***...***@db:5432/app"),
        ("raise ValueError('no passwordless sign-in')", "no passwordless sign-in"),
    ],
)
def test_settings_that_raise_what_they_read_show_no_secret(tmp_path, raised, shown):
    (tmp_path / "url").write_text("postgresql://app:hM3-xW9_kP5-Rt7-Zq2@db:5432/app\n")
    (tmp_path / "broken.py").write_text(
        "import os\nfrom urllib.parse import urlsplit\nurl = os.environ['DATABASE_URL']\n"
        f"parts = urlsplit(url)\n{raised}\n"
    )
    environ = {**REQUIRED, "DATABASE_URL_FILE": str(tmp_path / "url"), "APP_SETTINGS": "broken"}
    del environ["DATABASE_URL"]
    environ |= {"PYTHONPATH": ":".join([str(tmp_path), *filter(None, sys.path)])}
    program = "from channels_stack.config import importing\nimporting.settings_module('APP_SETTINGS', 'settings', 'broken')"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=False
    )
    last = done.stderr.splitlines()[-1]
    assert shown in last and "broken.py:5" in last
    assert not any("hM3-xW9_kP5-Rt7-Zq2"[at : at + 8] in done.stderr for at in range(12))


def test_settings_that_read_their_secrets_from_variables(tmp_path):
    """As django-environ and dj-database-url do. The variables are gone when the settings are read: files stay the way."""
    (tmp_path / "secret").write_text(KEY + "\n")
    (tmp_path / "url").write_text("postgresql://app:hunter2@db:5432/app\n")
    (tmp_path / "plain.py").write_text(
        "import os\n"
        "from channels_stack.environment import Environment\n"
        "SECRET_KEY = os.environ['SECRET_KEY']\n"
        "MINE = os.environ['DATABASE_URL']\n"
        "ALSO = Environment().secret('DATABASE_URL')\n"
    )
    program = (
        "import os, django; django.setup()\n"
        "from channels_stack.overlay import overrides\n"
        "from django.conf import settings\n"
        "print(settings.MINE, settings.ALSO, [each.name for each in overrides if each.name == 'SECRET_KEY'])\n"
        "print([name for name in ('SECRET_KEY', 'DATABASE_URL') if name in os.environ])"
    )
    environ = {
        "SECRET_KEY_FILE": str(tmp_path / "secret"),
        "DATABASE_URL_FILE": str(tmp_path / "url"),
        "REDIS_URL": REQUIRED["REDIS_URL"],
        "APP_SETTINGS": "plain",
        "DJANGO_SETTINGS_MODULE": "channels_stack.overlay",
        "PYTHONPATH": ":".join([str(tmp_path), *filter(None, sys.path)]),
    }
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    url = "postgresql://app:hunter2@db:5432/app"
    assert done.stdout.splitlines() == [f"{url} {url} []", "[]"]


COLLECT = """
import json, sys
from django.core.management import call_command
import django
django.setup()
call_command("collectstatic", interactive=False, verbosity=0)
from channels_stack import overlay
print(json.dumps([str(each) for each in overlay.overrides if each.name == "STATICFILES_FINDERS"]))
"""


@pytest.mark.parametrize(
    ("files", "collected"),
    [
        # Kept in STATIC_ROOT alone; of what an earlier collectstatic has put there only what has no other place.
        (
            [
                "static/chat.css",
                "static/admin/css/base.css",
                "static/chat.0123456789ab.css",
                "static/chat.css.gz",
            ],
            ["chat.css"],
        ),
        (["assets/chat.css", "static/chat.css", "static/staticfiles.json"], ["chat.css"]),
        (["assets/chat.css"], ["chat.css"]),
    ],
)
def test_files_in_the_projects_own_static_root(tmp_path, files, collected):
    for name in [*files, "assets/other.css"]:
        (tmp_path / "app" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "app" / name).write_text(f"/* {name} */")
    (tmp_path / "app/mysettings.py").write_text(
        "INSTALLED_APPS = ['django.contrib.staticfiles', 'django.contrib.admin', 'django.contrib.auth',\n"
        "    'django.contrib.contenttypes']\n"
        f"STATIC_ROOT, STATIC_URL = '{tmp_path}/app/static', 'static/'\nSTATICFILES_DIRS = ['{tmp_path}/app/assets']\n"
    )
    environment = {**REQUIRED, "APP_SETTINGS": "mysettings", "STATIC_ROOT": f"{tmp_path}/collected"}
    environment |= {"PYTHONPATH": ":".join([f"{tmp_path}/app", *sys.path])}
    environment |= {"DJANGO_SETTINGS_MODULE": "channels_stack.overlay"}
    done = subprocess.run(
        [sys.executable, "-c", COLLECT], env=environment, capture_output=True, text=True, check=True
    )
    named = {
        path.relative_to(tmp_path / "collected").as_posix()
        for path in (tmp_path / "collected").rglob("*.css")
    }
    plain = {name for name in named if name.count(".") == 1 and not name.startswith("admin/")}
    assert plain == {*collected, "other.css"}
    if "assets/chat.css" in files:
        assert (tmp_path / "collected/chat.css").read_text() == "/* assets/chat.css */"
    assert "base.css */" not in (tmp_path / "collected/admin/css/base.css").read_text(), (
        "the application's own"
    )
    told = json.loads(done.stdout.splitlines()[-1])
    assert len(told) == any(name.startswith("static/") for name in files)
