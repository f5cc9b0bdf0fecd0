"""The application's own Redis: by whatever a project reads, or looks for, it comes there, and nothing else does."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import redis as redis_py
from processes import RUNTIME, Redis, free_port, until

from channels_stack.config import app_redis
from channels_stack.config.settings import Settings
from channels_stack.lifecycle import startup_checks
from channels_stack.project import caches, clients, elsewhere, parts

IMAGE = pathlib.Path(__file__).resolve().parents[3] / "images/redis"
PASSWORD = "only-for-tests"
HOOK = "import channels_stack.entry_points, os\n"
CACHE = "django.core.cache.backends.redis.RedisCache"


class Own:
    """A Redis as `redis-app` is, and an environment like that of a container with APP_REDIS."""

    def __init__(self, folder: pathlib.Path, layers: Redis) -> None:
        self.folder, self.port = folder, free_port()
        (folder / "acl").write_text((IMAGE / "app.acl.template").read_text().replace("{password}", PASSWORD))
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"
        (folder / "own").write_text(self.url + "\n")
        (folder / "layers").write_text(f"redis://127.0.0.1:{layers.port}/0\n")
        command = ["redis-server", "--port", str(self.port), "--aclfile", str(folder / "acl"), "--save", ""]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self.client = redis_py.Redis(port=self.port, password=PASSWORD, decode_responses=True)
        until(self.answers, 20, "redis answers")

    def answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis_py.ConnectionError:
            return False

    def run(self, program: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """PROGRAM, where the interpreter has begun as in the image."""
        given = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(RUNTIME),
            "DJANGO_SETTINGS_MODULE": "channels_stack.overlay",
            "APP_SETTINGS": "shop.settings",
            "REDIS_URL_FILE": str(self.folder / "layers"),
            "APP_REDIS_URL_FILE": str(self.folder / "own"),
            **environment,
        }
        command = [sys.executable, "-c", HOOK + program]
        return subprocess.run(command, env=given, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory, redis: Redis) -> Iterator[Own]:
    made = Own(tmp_path_factory.mktemp("own"), redis)
    yield made
    made.process.kill()
    made.process.wait()


@pytest.fixture(autouse=True)
def empty(own: Own) -> None:
    own.client.flushall()


@pytest.mark.parametrize(
    "client",
    [
        "redis.Redis()",
        "redis.Redis(host='localhost', port=6379)",
        "redis.Redis(host='127.0.0.1', port=6390)",
        "redis.Redis(host='localhost', password='of-development')",
        "redis.StrictRedis.from_url('redis://localhost')",
        "redis.from_url('redis://user:secret@127.0.0.1:6379')",
        "redis.Redis(host='redis')",
        "redis.from_url('redis://redis:6379/0')",
        "redis.Redis(connection_pool=redis.BlockingConnectionPool(host='localhost'))",
        "redis.from_url(os.environ['REDIS_URL'])",
        "redis.from_url(os.getenv('CACHE_URL', 'redis://elsewhere.example'))",
        "redis.Redis(os.environ['REDIS_HOST'], int(os.environ['REDIS_PORT']), password=os.environ['REDIS_PASSWORD'])",
        "redis.Redis(os.environ['REDIS_HOST'], os.environ['REDIS_PORT'])",
    ],
)
def test_a_client_of_the_project_is_served(own, client):
    """Made at import, before anything of Django is."""
    done = own.run(
        f"import redis\nclient = {client}\nclient.sadd('s', 'a')\nprint(client.spop('s'), client.flushdb())"
    )
    assert (done.returncode, done.stdout) == (0, "b'a' True\n"), done.stderr


def test_an_asynchronous_client_is_served(own):
    program = (
        "import asyncio, redis.asyncio as aio\n"
        "async def main():\n"
        "    client = aio.from_url('redis://localhost:6379/3')\n"
        "    print(await client.set('k', 'v'))\n"
        "    listener = aio.Redis().pubsub()\n"
        "    await listener.subscribe('c')\n"
        "    print((await listener.get_message(timeout=10))['type'])\n"
        "asyncio.run(main())"
    )
    done = own.run(program)
    assert done.stdout == "True\nsubscribe\n", done.stderr
    assert redis_py.Redis(port=own.port, password=PASSWORD, db=3).get("k") == b"v", (
        "its database keeps its number"
    )


def test_the_layers_redis_is_reached_by_its_own_address_alone(own, redis):
    """With a login as in the stack: what has it goes there, what has not is the project's."""
    login = f"redis://app:of-the-layers@127.0.0.1:{redis.port}/0"
    (own.folder / "with-login").write_text(login)
    program = (
        "import redis\n"
        f"known = redis.from_url('{login}').connection_pool.make_connection()\n"
        f"other = redis.Redis(port={redis.port}).connection_pool.make_connection()\n"
        "from channels_stack.patches.redis_clients import turn\n"
        "turn(known); turn(other)\n"
        "print(known.port, known.password, other.port)"
    )
    done = own.run(program, REDIS_URL_FILE=str(own.folder / "with-login"))
    assert done.stdout.split() == [str(redis.port), "of-the-layers", str(own.port)], done.stderr


def test_behind_sentinels_the_layers_reach_whoever_is_the_master(own):
    (own.folder / "behind").write_text(
        "redis+sentinel://app:of-the-layers@sentinel:26379,sentinel-2:26379/redis/0"
    )
    program = (
        "import redis\nfrom channels_stack.patches.redis_clients import turn\n"
        "for password in ('of-the-layers', None):\n"
        "    connection = redis.Redis(host='redis-2', password=password).connection_pool.make_connection()\n"
        "    turn(connection); print(connection.host)"
    )
    done = own.run(program, REDIS_URL_FILE=str(own.folder / "behind"))
    assert done.stdout.split() == ["redis-2", "127.0.0.1"], done.stderr


def test_another_server_and_another_login_are_left_alone(own):
    program = (
        "import redis\nfrom channels_stack.patches.redis_clients import turn\n"
        "for url in ('redis://:p@cache.example.org:6379/0', 'rediss://localhost:6379/0'):\n"
        "    connection = redis.from_url(url).connection_pool.make_connection()\n"
        "    try:\n"
        "        connection.connect()\n"
        "    except redis.RedisError: pass\n"
        "    print(connection.host, connection.port, connection.password)"
    )
    done = own.run(program)
    assert done.stdout == "cache.example.org 6379 p\nlocalhost 6379 None\n", done.stderr


def test_no_environment_holds_an_answer(own):
    program = (
        "import subprocess, sys\n"
        "print('REDIS_URL' in os.environ, 'REDIS_URL' in list(os.environ), 'REDIS_PASSWORD' in dict(os.environ))\n"
        "print(os.environ.setdefault('REDIS_URL', 'x') == os.environ['CACHE_URL'])\n"
        "sys.stdout.flush()\n"
        "subprocess.run('env', env=None); subprocess.run('env', env=os.environ.copy())"
    )
    done = own.run(program)
    assert done.stdout.startswith("True False False\nTrue\n"), done.stderr
    assert PASSWORD not in done.stdout


@pytest.mark.parametrize("given", ["REDIS_HOST", "CACHE_URL"])
def test_who_names_another_redis_is_not_given_our_password(own, given):
    done = own.run(
        "print(os.environ.get('REDIS_PASSWORD'), os.environ.get('REDIS_HOST'))", **{given: "elsewhere"}
    )
    assert PASSWORD not in done.stdout


def test_the_stack_itself_reads_the_address_of_the_layers(own, redis):
    program = (
        "from channels_stack.environment import Environment\n"
        "env = Environment(); print(env.secret('REDIS_URL')); env.check()"
    )
    done = own.run(program)
    assert done.stdout == f"redis://127.0.0.1:{redis.port}/0\n", done.stderr


@pytest.mark.parametrize("overlay", ["off", "on -redis"])
def test_the_part_can_be_left_alone(own, overlay):
    program = (
        "import redis\nclient = redis.Redis(port=1)\n"
        "try:\n    client.ping()\nexcept redis.ConnectionError as error: print(error)"
    )
    assert "localhost:1" in own.run(program, APP_OVERLAY=overlay).stdout


def test_without_one_nothing_is_imported():
    program = (
        "import channels_stack.entry_points, sys; "
        "print('channels_stack.patches.redis_clients' in sys.modules, 'urllib' in sys.modules)"
    )
    environment = {"PYTHONPATH": str(RUNTIME), "DJANGO_SETTINGS_MODULE": "channels_stack.overlay"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False False\n"


def test_settings_find_it_as_they_are_imported(own, tmp_path):
    """And CACHES that are on localhost, layers that are on it, Celery's results: each comes where it belongs."""
    (tmp_path / "mine.py").write_text(
        "import os\nSECRET_KEY = 'x'\nINSTALLED_APPS = []\nREDIS = os.environ['REDIS_URL']\n"
        f"CACHES = {{'default': {{'BACKEND': '{CACHE}', 'LOCATION': 'redis://localhost:6379/2'}}}}\n"
        "CHANNEL_LAYERS = {'default': {'BACKEND': 'channels_redis.core.RedisChannelLayer', 'CONFIG': {'hosts': [REDIS]}}}\n"
    )
    program = (
        "import django; django.setup()\n"
        "from django.conf import settings\nfrom django.core.cache import cache\n"
        "cache.set('k', 1); print(cache.get('k'), cache.clear(), settings.REDIS == os.environ['REDIS_URL'])\n"
        "print(settings.CHANNEL_LAYERS['default']['CONFIG']['hosts'][0]['address'])"
    )
    done = own.run(
        program,
        APP_SETTINGS="mine",
        PYTHONPATH=f"{RUNTIME}:{tmp_path}",
        SECRET_KEY="k" * 25 + "0123456789abcdefghijklmnopqrstuvwxyz",
        DATABASE_URL="sqlite://:memory:",
    )
    assert done.stdout.splitlines() == ["1 True True", (own.folder / "layers").read_text().strip()], (
        done.stderr
    )


def test_a_login_that_it_refuses_is_reported_before_anything_serves(own):
    """And one that is away is not: not every page uses it."""
    for url, refused in (
        (own.url, False),
        (own.url.replace(PASSWORD, "of-yesterday"), True),
        ("redis://:p@127.0.0.1:1", False),
    ):
        settings = Settings.from_environment({**REQUIRED, "APP_REDIS_URL": url})
        problems = [str(each) for each in startup_checks.app_redis_problems(settings)]
        assert bool(problems) is refused
        assert not refused or (
            "refuses its user or password" in problems[0] and "yesterday" not in problems[0]
        )


# What the overlay moves

REQUIRED = {
    "SECRET_KEY": "k3y-" + "0123456789abcdefghijklmnopqrstuvwxyz" * 2,
    "DATABASE_URL": "postgresql://app:p@db:5432/app",
    "REDIS_URL": "redis://app:hunter2@redis:6379/0",
    "APP_REDIS_URL": "redis://:pw@redis-app:6379/0",
    "APP_WORKER_CHANNELS": "",
}


def changed(project: dict[str, Any], *chosen: str, **environ: str) -> dict[str, Any]:
    """Name -> value of what the CHOSEN parts of the overlay set."""
    settings = Settings.from_environment({**REQUIRED, **environ})
    return {each.name: each.value for each in parts.find(project, settings, chosen)}


@pytest.mark.parametrize(
    ("location", "moved"),
    [
        ("redis://127.0.0.1:6379", "redis://:pw@redis-app:6379/0"),
        ("redis://:old@localhost:6379/5", "redis://:pw@redis-app:6379/5"),
        ("redis://redis:6379/1", "redis://:pw@redis-app:6379/1"),
        ("redis://app:hunter2@redis:6379/0", "redis://:pw@redis-app:6379/0"),
        ("localhost:6379:3", "redis://:pw@redis-app:6379/3"),
        ("unix:///run/redis.sock?db=4", "redis://:pw@redis-app:6379/4"),
        (["redis://localhost:6379/1", "redis://localhost:6380/1"], "redis://:pw@redis-app:6379/1"),
        ("", "redis://:pw@redis-app:6379/0"),
    ],
)
def test_a_cache_moves_with_its_options_and_without_its_login(location, moved):
    cache = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": location, "KEY_PREFIX": "a"}
    cache["OPTIONS"] = {"PASSWORD": "old", "CLIENT_CLASS": "django_redis.client.DefaultClient"}
    found = changed({"CACHES": {"default": cache}}, "redis")["CACHES"]["default"]
    assert found.pop("OPTIONS") == {"CLIENT_CLASS": "django_redis.client.DefaultClient"}
    assert found == {"BACKEND": cache["BACKEND"], "KEY_PREFIX": "a", "LOCATION": moved}


@pytest.mark.parametrize(
    "cache",
    [
        {"BACKEND": CACHE, "LOCATION": "redis://cache.example.org:6379"},
        {"BACKEND": CACHE, "LOCATION": "redis://:pw@redis-app:6379/3"},
        {"BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache", "LOCATION": "localhost:11211"},
        {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    ],
)
def test_every_other_cache_stays(cache):
    assert changed({"CACHES": {"default": cache}}, "redis") == {}


LOCMEM = "django.core.cache.backends.locmem.LocMemCache"


@pytest.mark.parametrize(
    ("before", "kind", "wanted"),
    [
        ({}, "cache", {"BACKEND": CACHE}),
        (
            {"default": {"BACKEND": LOCMEM, "TIMEOUT": 9, "LOCATION": "x", "OPTIONS": {"MAX_ENTRIES": 5}}},
            "both",
            {"BACKEND": CACHE, "TIMEOUT": 9},
        ),
        ({}, "queue", None),
        ({"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}, "cache", None),
    ],
)
def test_a_cache_in_the_memory_of_each_process_moves_to_one_that_all_share(monkeypatch, before, kind, wanted):
    """What a page keeps there, a socket or another replica did not see."""
    monkeypatch.setenv("APP_REDIS", kind)
    found = changed({"CACHES": before} if before else {}, "redis").get("CACHES")
    if wanted is None:
        assert found is None
    else:
        assert found["default"].pop("LOCATION").startswith("redis://:pw@redis-app:6379/")
        assert found["default"] == wanted


def test_a_layer_and_a_broker_on_it_move_to_the_redis_of_the_layers(tmp_path, monkeypatch):
    """It may throw away what they have to keep."""
    (tmp_path / "celery.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    url = REQUIRED["APP_REDIS_URL"]
    backend = "channels_redis.pubsub.RedisPubSubChannelLayer"
    project = {
        "CHANNEL_LAYERS": {"default": {"BACKEND": backend, "CONFIG": {"hosts": [("redis-app", 6379)]}}},
        "CELERY_BROKER_URL": url,
        "CELERY_RESULT_BACKEND": "redis://localhost:6379/1",
    }
    found = changed(project, "layers", "celery")
    (host,) = found["CHANNEL_LAYERS"]["default"]["CONFIG"]["hosts"]
    assert host["address"] == found["CELERY_BROKER_URL"] == REQUIRED["REDIS_URL"]
    assert found["CELERY_RESULT_BACKEND"] == url


# What the release says


@pytest.mark.parametrize(
    ("project", "words"),
    [
        (
            {"CACHES": {"default": {"BACKEND": CACHE, "LOCATION": "redis://localhost:6379"}}},
            "CACHES['default'] is at localhost, the container itself: nothing listens there; APP_REDIS=cache",
        ),
        (
            {
                "CACHES": {"default": {"BACKEND": CACHE, "LOCATION": "redis://redis:6379"}},
                "SESSION_ENGINE": "django.contrib.sessions.backends.cache",
            },
            "and what fills it stops the layers; APP_REDIS=both",
        ),
        (
            {"RQ_QUEUES": {"default": {"HOST": "localhost", "PORT": 6379, "DB": 0}}},
            "RQ_QUEUES['default']['HOST']: ",
        ),
        (
            {"CACHEOPS_REDIS": "redis://localhost:6379/1"},
            "CACHEOPS_REDIS: localhost is the container itself, where no Redis",
        ),
        (
            {"CONSTANCE_REDIS_CONNECTION": {"host": "127.0.0.1", "port": 6379}},
            "CONSTANCE_REDIS_CONNECTION['host']: ",
        ),
        (
            {"REDIS_HOST": "localhost", "REDIS_PORT": 6379},
            "a client of the project's own finds no Redis; APP_REDIS=",
        ),
        (
            {"HAYSTACK_CONNECTIONS": {"default": {"URL": "http://127.0.0.1:9200/", "INDEX_NAME": "x"}}},
            "HAYSTACK_CONNECTIONS['default']['URL']: 127.0.0.1 is the container itself, where no Elasticsearch listens",
        ),
        ({"ELASTICSEARCH_DSL": {"default": {"hosts": "localhost:9200"}}}, "where no Elasticsearch listens;"),
        ({"HAYSTACK_CONNECTIONS": {"a": {"URL": "http://localhost:8983/solr"}}}, "where no Solr listens;"),
        (
            {"RABBITMQ_HOST": "localhost"},
            "RABBITMQ_HOST: localhost is the container itself, where no RabbitMQ",
        ),
        (
            {"MQTT_BROKER": "localhost", "MQTT_PORT": 1883},
            "MQTT_BROKER: localhost is the container itself, where no MQTT",
        ),
        ({"EVENTS": "amqp://guest@localhost:5672//"}, "where no RabbitMQ listens;"),
        ({"MONGO_URI": "mongodb://localhost/shop"}, "where no MongoDB listens;"),
        ({"AWS_S3_ENDPOINT_URL": "http://localhost:9000"}, "where no object store listens"),
        ({"KAFKA": {"bootstrap.servers": "localhost:9092"}}, "where no Kafka listens;"),
        ({"AUTH_LDAP_SERVER_URI": "ldap://localhost"}, "where no LDAP listens;"),
    ],
)
def test_what_is_served_nowhere_is_one_line_with_the_name_of_the_setting(project, words):
    (line,) = parts.risks(project)
    assert words in line


@pytest.mark.parametrize(
    "project",
    [
        {
            "SITE_URL": "http://localhost:8000",
            "FRONTEND_URL": "http://localhost:3000",
            "INTERNAL_IPS": ["127.0.0.1"],
        },
        {"CORS_ALLOWED_ORIGINS": ["http://localhost:9200"], "ALLOWED_HOSTS": ["localhost"]},
        {"SEARCH": "http://search.example.org:9200", "REDIS_HOST": "cache.example.org"},
        {
            "DB_HOST": "localhost",
            "DB_PORT": 5432,
            "BASE": "file:///srv/x",
            "NAME": "localhost",
            "GREETING": "redis",
        },
        {"CELERY_BROKER_URL": "amqp://localhost", "EMAIL_HOST": "localhost"},
    ],
)
def test_what_is_no_server_of_that_kind_is_not_named(project):
    assert list(elsewhere.found(project)) == []


def test_with_one_of_its_own_the_release_says_what_reaches_it(monkeypatch):
    queues = {"RQ_QUEUES": {"default": {"HOST": "localhost", "PORT": 6379}}}
    assert elsewhere.reached(queues) == []
    monkeypatch.setenv(app_redis.NAME, REQUIRED["APP_REDIS_URL"].replace("redis:", "rediss:"))
    assert elsewhere.reached(queues) == []
    assert "speaks TLS: give it REDIS_URL" in elsewhere.risks(queues)[0]
    monkeypatch.setenv(app_redis.NAME, REQUIRED["APP_REDIS_URL"])
    assert elsewhere.risks(queues) == []
    assert elsewhere.reached(queues) == [
        "RQ_QUEUES['default']['HOST']: clients of localhost reach the application's Redis, redis-app"
    ]
    assert len(elsewhere.risks({"RABBITMQ_HOST": "localhost"})) == 1


def test_a_layer_that_is_left_on_it_is_reported(monkeypatch):
    """APP_OVERLAY=-layers, and settings that make their layer from REDIS_URL."""
    monkeypatch.setenv(app_redis.NAME, REQUIRED["APP_REDIS_URL"])
    backend = "channels_redis.pubsub.RedisPubSubChannelLayer"
    for host, lines in ((REQUIRED["APP_REDIS_URL"], 1), (REQUIRED["REDIS_URL"], 0)):
        layers = {"default": {"BACKEND": backend, "CONFIG": {"hosts": [host]}}}
        told = parts.risks({"CHANNEL_LAYERS": layers})
        assert len(told) == lines and all("take -layers out of APP_OVERLAY" in line for line in told)


def test_sessions_in_a_cache_that_forgets_are_reported(monkeypatch):
    monkeypatch.setenv(app_redis.NAME, REQUIRED["APP_REDIS_URL"])
    monkeypatch.setenv("APP_REDIS", "cache")
    cached = {"default": {"BACKEND": CACHE, "LOCATION": REQUIRED["APP_REDIS_URL"]}}
    engine = "django.contrib.sessions.backends"
    (line,) = caches.risks({"CACHES": cached, "SESSION_ENGINE": f"{engine}.cache"})
    assert "APP_REDIS=both keeps them" in line
    assert caches.risks({"CACHES": cached, "SESSION_ENGINE": f"{engine}.cached_db"}) == []
    monkeypatch.setenv("APP_REDIS", "both")
    assert caches.risks({"CACHES": cached, "SESSION_ENGINE": f"{engine}.cache"}) == []


def test_a_client_made_at_import_is_named_by_its_place(tmp_path, monkeypatch):
    (tmp_path / "presence_of_this_test.py").write_text(
        "import redis\n\nclient = redis.Redis(host='localhost')\nelsewhere = redis.Redis(host='cache.example.org')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    __import__("presence_of_this_test")
    (line,) = [line for reached, line in clients.lines() if "presence" in line]
    assert line.startswith(
        "presence_of_this_test.py:3: client is a client of Redis at localhost, where it finds none; APP_REDIS"
    )
    monkeypatch.setenv(app_redis.NAME, REQUIRED["APP_REDIS_URL"])
    (line,) = [line for reached, line in clients.lines() if reached and "presence" in line]
    assert line.endswith("it reaches the application's Redis, redis-app")
