"""The overlay: what it sets over settings made for development, and what it leaves alone."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from typing import Any

import pytest
from django.utils.module_loading import import_string

from channels_stack.config.environment import ConfigurationError
from channels_stack.config.settings import OVERLAY_PARTS, Settings
from channels_stack.layers.config import channel_layers
from channels_stack.project import overrides

KEY = "k3y-" + "0123456789abcdefghijklmnopqrstuvwxyz" * 2
REQUIRED = {
    "SECRET_KEY": KEY,
    "DATABASE_URL": "postgresql://app:p%40ss@db:5432/app",
    "REDIS_URL": "redis://app:hunter2@redis:6379/0",
    "DOMAINS": "a.example b.example",
    "APP_WORKER_CHANNELS": "",
}
OLD = "django-insecure-abcdefghijkl"
CORE = "channels_redis.core.RedisChannelLayer"
GROUPS = "channels_stack.groups.RedisGroupsChannelLayer"
MEMORY = {"BACKEND": "channels.layers.InMemoryChannelLayer"}


def changed(project: dict[str, Any], **environ: str) -> dict[str, Any]:
    """Name -> value of what the overlay sets over PROJECT."""
    settings = Settings.from_environment({**REQUIRED, **environ})
    return {each.name: each.value for each in overrides.find(project, settings, settings.app_overlay)}


def layer(host: Any, backend: str = CORE) -> dict[str, Any]:
    """A layer of channels_redis with one host."""
    return {"BACKEND": backend, "CONFIG": {"hosts": [host]}}


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


def test_no_secret_is_told():
    settings = Settings.from_environment(REQUIRED)
    found = overrides.find({"SECRET_KEY": "old-key", "TOKENS": {"key": "old-key"}}, settings, OVERLAY_PARTS)
    told = " ".join(map(repr, found)) + " ".join(map(str, found))
    assert not any(secret in told for secret in (KEY, "p@ss", "p%40ss", "hunter2", "old-key")), told


def test_what_was_made_from_the_projects_key_is_made_from_ours():
    own = {"key": OLD, "more": [OLD, "x"], "n": 1}
    found = changed({"SECRET_KEY": OLD, "TOKENS": own, "OTHER": ["y"]})
    assert found["TOKENS"] == {"key": KEY, "more": [KEY, "x"], "n": 1} and "OTHER" not in found


def test_a_short_key_is_not_taken_for_a_word():
    assert "INSTALLED_APPS" not in changed({"SECRET_KEY": "api", "INSTALLED_APPS": ["api"]})


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("postgresql://u:p%40@h:6/n", ("postgresql", "n", "u", "p@", "h", 6)),
        ("postgres://h/n", ("postgresql", "n", "", "", "h", "")),
        ("sqlite:////srv/data/a.db", ("sqlite3", "/srv/data/a.db", "", "", "", "")),
        ("sqlite://:memory:", ("sqlite3", ":memory:", "", "", "", "")),
        ("mysql://u@h/n", ("mysql", "n", "u", "", "h", "")),
    ],
)
def test_a_database_url(url, wanted):
    found = overrides.database(url)
    assert (found["ENGINE"].rpartition(".")[2], *(found[name] for name in overrides.ADDRESS)) == wanted


def test_parameters_of_a_database_url_are_options():
    assert overrides.database("postgresql://h/n?sslmode=require")["OPTIONS"]["sslmode"] == "require"


@pytest.mark.parametrize("url", ["oracle://h/n", "postgresql://h:port/n"])
def test_an_unknown_database_is_refused_without_its_address(url):
    with pytest.raises(ConfigurationError) as refused:
        overrides.database(url)
    assert "DATABASE_URL" in str(refused.value) and url not in str(refused.value)


def test_a_database_keeps_its_backend_its_options_and_its_sisters():
    own = {
        "ENGINE": "django_prometheus.db.backends.postgresql",
        "HOST": "localhost",
        "CONN_MAX_AGE": 600,
        "ATOMIC_REQUESTS": True,
        "OPTIONS": {"options": "-c search_path=x"},
    }
    found = changed({"DATABASES": {"default": own, "archive": {"ENGINE": "x"}}})["DATABASES"]
    assert found["default"]["ENGINE"] == own["ENGINE"] and found["default"]["ATOMIC_REQUESTS"] is True
    assert found["default"]["OPTIONS"]["options"] == "-c search_path=x"
    assert found["default"]["CONN_MAX_AGE"] == 0 and found["archive"] == {"ENGINE": "x"}


def test_what_says_where_to_connect_goes_with_the_host():
    own = {
        "ENGINE": "django.db.backends.postgresql",
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            **{"service": "shop", "passfile": ".pgpass", "sslmode": "require", "sslrootcert": "/ca.pem"},
            **{"host": "10.0.0.1", "target_session_attrs": "primary", "pool": True, "options": "-c x=y"},
        },
    }
    settings = Settings.from_environment(REQUIRED)
    (override,) = overrides.find({"DATABASES": {"default": own}}, settings, ["database"])
    found = override.value["default"]
    assert found["OPTIONS"] == {"pool": True, "options": "-c x=y", "connect_timeout": 5}
    assert found["DISABLE_SERVER_SIDE_CURSORS"] is True and found["CONN_HEALTH_CHECKS"] is True
    assert "without its OPTIONS service, passfile, sslmode, sslrootcert, host, target_session_attrs" in str(
        override
    )


def test_tls_of_the_operators_own_stays():
    url = "postgresql://h/n?sslmode=verify-full&sslrootcert=/run/ca.pem"
    own = {"ENGINE": "django.db.backends.postgresql", "OPTIONS": {"sslmode": "require", "sslcert": "/x"}}
    found = changed({"DATABASES": {"default": own}}, DATABASE_URL=url)["DATABASES"]["default"]["OPTIONS"]
    assert found == {"sslmode": "verify-full", "sslrootcert": "/run/ca.pem", "connect_timeout": 5}


def test_tls_as_database_url_says_also_where_the_project_reads_it():
    """dj_database_url.config(ssl_require=True), which the stack's own server would refuse."""
    url = f"{REQUIRED['DATABASE_URL']}?sslmode=prefer"
    own = {**overrides.database(url), "OPTIONS": {"sslmode": "require", "application_name": "x"}}
    found = changed({"DATABASES": {"default": own}}, DATABASE_URL=url)["DATABASES"]["default"]
    assert found == {**own, "OPTIONS": {"sslmode": "prefer", "application_name": "x"}}
    assert "DATABASES" not in changed({"DATABASES": {"default": own}})


def test_djangos_own_parameters_of_a_database_url_are_taken():
    found = overrides.database(
        "postgresql://h/n?CONN_MAX_AGE=60&conn_health_checks=true&disable_server_side_cursors=1&pool=true"
    )
    assert (found["CONN_MAX_AGE"], found["CONN_HEALTH_CHECKS"]) == (60, True)
    assert found["DISABLE_SERVER_SIDE_CURSORS"] is True
    assert found["OPTIONS"] == {"pool": True, "connect_timeout": 5}
    assert overrides.database("postgresql://h/n?CONN_MAX_AGE=None&pool=off")["CONN_MAX_AGE"] is None


@pytest.mark.parametrize(
    "query", ["CONN_MAX_AGE=soon", "pool=4", "CONN_HEALTH_CHECKS=", "CONN_MAX_AGES=1", "ENGINE=x"]
)
def test_a_parameter_that_is_none_is_refused_at_once(query):
    with pytest.raises(ConfigurationError) as refused:
        overrides.database(f"postgresql://u:hunter2@h/n?{query}")
    (problem,) = refused.value.problems
    assert query.partition("=")[0] in str(problem) and "hunter2" not in str(problem)


def test_a_pool_is_postgresqls():
    with pytest.raises(ConfigurationError):
        overrides.database("mysql://h/n?pool=true")


def test_a_map_stays_a_map():
    own = {"ENGINE": "django.contrib.gis.db.backends.spatialite", "NAME": "x"}
    found = changed({"DATABASES": {"default": own}})["DATABASES"]["default"]
    assert found["ENGINE"] == "django.contrib.gis.db.backends.postgis"


@pytest.mark.parametrize(
    "lost",
    [
        MEMORY,
        {"BACKEND": CORE},
        layer(("127.0.0.1", 6379)),
        layer("redis://localhost:6379/1"),
        layer({"address": "redis://127.0.0.1"}),
        layer({"host": "localhost", "port": 6379}),
        layer(("redis", 6379)),  # the stack's own, but without its password
        layer("redis://redis:6379/0"),
        layer({"sentinels": [("localhost", 26379)], "master_name": "m"}),
        layer("unix:///run/redis.sock"),
    ],
)
def test_a_layer_that_no_other_process_can_reach_is_moved_and_keeps_its_class(lost):
    found = changed({"CHANNEL_LAYERS": {"default": lost}})["CHANNEL_LAYERS"]
    expected = channel_layers_of_the_stack(found)
    if lost is not MEMORY:
        expected["default"]["BACKEND"] = CORE
        del expected["default"]["CONFIG"]["bridge"]  # of the groups layer
    assert found == expected


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (MEMORY, f"{GROUPS} instead of channels.layers.InMemoryChannelLayer"),
        (layer("redis://localhost"), f"{CORE} stays ({GROUPS} loses no event"),
        (layer("redis://localhost", "game.layers.OwnRedisLayer"), "game.layers.OwnRedisLayer stays"),
    ],
)
def test_every_change_of_a_class_is_told_and_every_one_that_stays(own, words):
    settings = Settings.from_environment(REQUIRED)
    (override,) = overrides.find({"CHANNEL_LAYERS": {"default": own}}, settings, ["layers"])
    assert words in str(override)


def test_a_layer_that_moves_keeps_what_the_project_says_of_it():
    own = {"BACKEND": CORE, "CONFIG": {"hosts": [("localhost", 6379)], "capacity": 7, "prefix": "chess"}}
    config = changed({"CHANNEL_LAYERS": {"default": own}})["CHANNEL_LAYERS"]["default"]["CONFIG"]
    assert (config["capacity"], config["prefix"]) == (7, "chess")
    assert config["hosts"][0]["address"] == REQUIRED["REDIS_URL"] and config["hosts"][0]["socket_timeout"]


def channel_layers_of_the_stack(found: dict[str, Any]) -> dict[str, Any]:
    """What channel_layers() gives, with the objects in FOUND that are new each time."""
    ours = channel_layers(REQUIRED["REDIS_URL"], "channels-stack")
    for alias, each in ours.items():
        each["CONFIG"]["hosts"][0]["retry"] = found[alias]["CONFIG"]["hosts"][0]["retry"]
    return ours


@pytest.mark.parametrize(
    "kept",
    [
        layer({"address": "redis://cache.example:6379", "socket_timeout": 3600}),
        layer({"address": REQUIRED["REDIS_URL"], "socket_timeout": 15}),
        {"BACKEND": "channels_postgres.core.PostgresChannelLayer"},
    ],
)
def test_a_layer_of_the_projects_own_stays(kept):
    assert "CHANNEL_LAYERS" not in changed({"CHANNEL_LAYERS": {"default": kept}})


@pytest.mark.parametrize(
    ("host", "wanted"),
    [
        ("redis://cache.example:6379", {"address": "redis://cache.example:6379", "socket_timeout": 15}),
        (("cache.example", 6379), {"host": "cache.example", "port": 6379, "socket_timeout": 15}),
        (
            {"address": "redis://cache.example", "max_connections": 9},
            {"address": "redis://cache.example", "max_connections": 9, "socket_timeout": 15},
        ),
    ],
)
def test_a_core_layer_that_stays_gets_the_time_limit_that_keeps_silent_sockets(host, wanted):
    """tests/unit/runtime/test_stock.py shows what happens to it otherwise."""
    own = {**layer(host), "CONFIG": {"hosts": [host], "capacity": 7}}
    found = changed({"CHANNEL_LAYERS": {"default": own}})["CHANNEL_LAYERS"]["default"]
    assert found == {"BACKEND": CORE, "CONFIG": {"hosts": [wanted], "capacity": 7}}


def test_a_layer_on_the_stacks_redis_gets_its_whole_connection():
    found = changed({"CHANNEL_LAYERS": {"default": layer(REQUIRED["REDIS_URL"])}})["CHANNEL_LAYERS"][
        "default"
    ]
    (host,) = found["CONFIG"]["hosts"]
    assert found["BACKEND"] == CORE
    assert host["address"] == REQUIRED["REDIS_URL"] and host.keys() >= {"socket_timeout", "retry"}


def test_a_project_that_knows_one_layer_sends_its_jobs_to_the_worker():
    found = changed({"CHANNEL_LAYERS": {"default": MEMORY}}, APP_WORKER_CHANNELS="jobs mail")[
        "CHANNEL_LAYERS"
    ]
    assert found["default"]["BACKEND"] == "channels_stack.groups.single.SingleGroupsLayer"
    assert found["default"]["CONFIG"]["jobs"] == ["jobs", "mail"]
    queueing = changed(
        {"CHANNEL_LAYERS": {"default": layer("redis://localhost")}}, APP_WORKER_CHANNELS="jobs"
    )
    assert (
        queueing["CHANNEL_LAYERS"]["default"]["BACKEND"] == "channels_stack.single_layer.SingleQueueingLayer"
    )
    groups = {"CHANNEL_LAYERS": {"default": layer("redis://localhost", GROUPS)}}
    single = changed(groups, APP_WORKER_CHANNELS="jobs")["CHANNEL_LAYERS"]["default"]
    assert single["BACKEND"] == "channels_stack.groups.single.SingleGroupsLayer"
    assert import_string(single["BACKEND"])(**single["CONFIG"]).job_channels == {"jobs"}
    own = {"CHANNEL_LAYERS": {"default": layer("redis://localhost", "game.OwnRedisLayer")}}
    assert "tasks" not in changed(own, APP_WORKER_CHANNELS="jobs")["CHANNEL_LAYERS"]
    two = {"CHANNEL_LAYERS": {"default": MEMORY, "tasks": MEMORY}}
    assert changed(two, APP_WORKER_CHANNELS="jobs")["CHANNEL_LAYERS"]["default"]["BACKEND"] == GROUPS


def test_a_groups_layer_is_kept_and_moved_with_what_the_project_says_of_it():
    own = {"BACKEND": GROUPS, "CONFIG": {"hosts": ["redis://localhost"], "history": {"size": 7}}}
    found = changed({"CHANNEL_LAYERS": {"default": own}})["CHANNEL_LAYERS"]["default"]
    assert found["BACKEND"] == GROUPS
    assert found["CONFIG"]["hosts"][0]["address"] == REQUIRED["REDIS_URL"]
    made = import_string(GROUPS)(**found["CONFIG"])
    assert made.history.policy.of("any").size == 7
    ours = {"BACKEND": GROUPS, "CONFIG": {"hosts": [REQUIRED["REDIS_URL"]]}}
    assert "CHANNEL_LAYERS" not in changed({"CHANNEL_LAYERS": {"default": ours}})


def test_several_lost_layers_share_nothing():
    found = changed({"CHANNEL_LAYERS": {"default": MEMORY, "games": MEMORY}})["CHANNEL_LAYERS"]
    assert found["default"]["CONFIG"]["prefix"] != found["games"]["CONFIG"]["prefix"]


def test_an_encrypted_layer_stays_encrypted():
    own = {"default": {"BACKEND": CORE, "CONFIG": {"symmetric_encryption_keys": ["old"]}}}
    found = changed({"SECRET_KEY": "old", "CHANNEL_LAYERS": own})["CHANNEL_LAYERS"]
    assert found["default"]["CONFIG"]["symmetric_encryption_keys"] == [KEY]


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


@pytest.mark.parametrize(
    ("own", "name"),
    [
        ({}, "STORAGES"),
        ({"STORAGES": {"staticfiles": {"BACKEND": overrides.PLAIN_STATIC}}}, "STORAGES"),
        ({"STORAGES": {"staticfiles": {"BACKEND": "whitenoise.storage.X"}}}, None),
        ({"STATICFILES_STORAGE": "whitenoise.storage.X"}, None),
        ({"STATICFILES_STORAGE": overrides.PLAIN_STATIC}, "STATICFILES_STORAGE"),
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
def test_what_stays_and_should_not_is_told(project, words):
    (line,) = overrides.risks(project)
    assert words in line


def test_what_stays_and_may_is_not_told():
    caches = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    layers = {"default": layer({"address": "redis://cache.example", "socket_timeout": 15})}
    assert overrides.risks({"CHANNEL_LAYERS": layers, "CACHES": caches}) == []


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


SENTINELS = "redis+sentinel://app:hunter2@sentinel,sentinel-2/redis/0"
"""What REDIS_URL is where three servers with Sentinel take the place of one."""


@pytest.mark.parametrize(
    "hosts",
    [
        [SENTINELS],  # as a project writes it that reads REDIS_URL itself; redis-py cannot read it
        [{"address": SENTINELS}],
        ["redis://app:hunter2@redis:6379/0"],  # the first of the servers, which is not always the master
        [("127.0.0.1", 6379)],
    ],
)
def test_layers_that_would_miss_the_master_are_taken_to_the_sentinels(hosts):
    own = {"default": {"BACKEND": CORE, "CONFIG": {"hosts": hosts}}}
    found = changed({"CHANNEL_LAYERS": own}, REDIS_URL=SENTINELS)["CHANNEL_LAYERS"]
    assert found["default"]["CONFIG"]["hosts"][0]["sentinels"].url == SENTINELS


def test_layers_that_know_the_sentinels_stay():
    own = channel_layers(SENTINELS, "own")
    assert "CHANNEL_LAYERS" not in changed({"CHANNEL_LAYERS": own}, REDIS_URL=SENTINELS)
    host = {"sentinels": [("elsewhere", 26379)], "socket_timeout": 30}
    own = {"default": {"BACKEND": CORE, "CONFIG": {"hosts": [host]}}}
    assert "CHANNEL_LAYERS" not in changed({"CHANNEL_LAYERS": own}, REDIS_URL=SENTINELS)


@pytest.mark.usefixtures("celery")
@pytest.mark.parametrize("own", [{}, {"CELERY_BROKER_URL": SENTINELS, "CELERY_RESULT_BACKEND": SENTINELS}])
def test_celery_is_told_of_the_sentinels_in_its_own_words(own):
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
def test_celery_is_told_to_check_the_certificate_of_a_redis_with_tls(url, wanted):
    assert changed({}, REDIS_URL=url)["CELERY_BROKER_URL"] == wanted
