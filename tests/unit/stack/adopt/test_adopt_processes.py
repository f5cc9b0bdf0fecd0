"""make adopt: processes, folders, and the variables that settings read."""

import pytest
from layouts import PLAIN, ROUTER, SETTINGS

from channels_stack_deploy.adopt.proposal import propose


def test_worker_channels_by_a_literal_and_by_a_name(found):
    source = (
        "from channels.routing import ChannelNameRouter, ProtocolTypeRouter\nfrom .names import LAST\n"
        'channels = {"thumbs": 1, LAST: 2}\n'
        'application = ProtocolTypeRouter({"channel": ChannelNameRouter(channels)})\n'
    )
    files = {"mysite/asgi.py": source, "mysite/names.py": 'LAST = "last"\n', "tests/routing.py": source}
    assert found(PLAIN, files)["APP_WORKER_CHANNELS"] == "thumbs last"


def test_worker_channels_that_only_running_shows_are_a_question(make):
    source = ROUTER + "workers = ChannelNameRouter({name: 1 for name in load()})\n"
    proposal = propose(make(PLAIN, {"mysite/asgi.py": source}))
    assert any("APP_WORKER_CHANNELS: mysite/asgi.py:3" in each for each in proposal.findings.questions)


CELERY = 'from celery import Celery\n{} = Celery("mysite")\n'


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"mysite/celery.py": CELERY.format("app")},
            "celery: celery -A mysite.celery worker --loglevel INFO",
        ),
        (
            {"mysite/queue.py": CELERY.format("jobs")},
            "celery: celery -A mysite.queue:jobs worker --loglevel INFO",
        ),
        (
            {"tests/celery.py": CELERY.format("app"), "mysite/tasks.py": "from celery import shared_task\n"},
            None,
        ),
        (
            {
                "mysite/celery.py": CELERY.format("app"),
                "mysite/settings.py": SETTINGS + "CELERY_BEAT_SCHEDULE = {'x': 1}\n",
            },
            "celery: celery -A mysite.celery worker --loglevel INFO; "
            "beat: celery -A mysite.celery beat -s /tmp/beat --loglevel INFO",
        ),
        (
            {
                "mysite/celery.py": CELERY.format("app"),
                "mysite/settings.py": SETTINGS + "CELERY_BEAT_SCHEDULE = {}\n",
            },
            "celery: celery -A mysite.celery worker --loglevel INFO",
        ),
        (
            {
                "mysite/celery.py": CELERY.format("app"),
                "mysite/settings.py": SETTINGS + "INSTALLED_APPS += ['django_celery_beat']\n",
            },
            "celery: celery -A mysite.celery worker --loglevel INFO; beat: celery -A mysite.celery beat "
            "--scheduler django_celery_beat.schedulers:DatabaseScheduler --loglevel INFO",
        ),
    ],
)
def test_celery(found, files, expected):
    assert found(PLAIN, files).get("APP_COMMANDS") == expected


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ('CACHES = {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": url}}\n', "cache"),
        ("import redis\nclient = redis.from_url(url)\n", "queue"),
        (
            'import redis\nCACHES = {"x": {"BACKEND": "django.core.cache.backends.redis.RedisCache"}}\n',
            "both",
        ),
        ('CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}\n', None),
        ('CHANNEL_LAYERS = {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer"}}\n', None),
    ],
)
def test_a_redis_of_the_projects_own(found, source, kind):
    assert found(PLAIN, {"mysite/settings.py": source + SETTINGS}).get("APP_REDIS") == kind


@pytest.mark.parametrize(
    ("files", "queues"),
    [
        (
            {
                "mysite/tasks.py": 'from celery import shared_task\n@shared_task(queue="slow")\ndef work(): ...\n'
            },
            "celery,slow",
        ),
        (
            {"mysite/settings.py": SETTINGS + 'CELERY_TASK_ROUTES = {"a.*": {"queue": "mail"}}\n'},
            "celery,mail",
        ),
        (
            {
                "mysite/settings.py": SETTINGS
                + 'CELERY_TASK_DEFAULT_QUEUE = "default"\nCELERY_TASK_ROUTES = {"a.*": {"queue": "mail"}}\n'
            },
            "default,mail",
        ),
        (
            {
                "mysite/celery.py": CELERY.format("app")
                + 'app.conf.task_routes = {"x.*": {"queue": QUEUE}}\nQUEUE = "high"\n',
                "mysite/settings.py": SETTINGS
                + 'CELERY_BEAT_SCHEDULE = {"x": {"task": "x", "options": {"queue": "nightly"}}}\n',
            },
            "celery,high,nightly",
        ),
        (
            {
                "mysite/celery.py": "from kombu import Queue\n"
                + CELERY.format("app")
                + 'app.conf.task_queues = (Queue("urgent", routing_key="u.#"),)\n'
            },
            "celery,urgent",
        ),
        (
            {"Procfile": "worker: celery -A mysite worker -l info -Q default,slow -c 2\n"},
            "celery,default,slow",
        ),
        (
            {
                "docker-compose.yml": 'services:\n  w:\n    command: ["celery", "-A", "mysite", "worker", "--queues", "slow"]\n'
            },
            "celery,slow",
        ),
        # Near-misses: the default one alone, which a worker takes unasked; one of tests; one that only running shows.
        ({"mysite/settings.py": SETTINGS + 'CELERY_TASK_DEFAULT_QUEUE = "default"\n'}, ""),
        ({"tests/test_work.py": 'import celery\nwork.apply_async(queue="slow")\n'}, ""),
        ({"mysite/tasks.py": 'import celery\nwork.apply_async(queue=f"user-{pk}")\n'}, ""),
        ({"mysite/amqp.py": 'channel.basic_consume(queue="hello")\n'}, ""),
    ],
)
def test_the_worker_of_celery_takes_each_queue(found, files, queues):
    (worker, *_) = found(PLAIN, {"mysite/celery.py": CELERY.format("app")}, files)["APP_COMMANDS"].split("; ")
    taken = f" -Q {queues}" if queues else ""
    assert worker == f"celery: celery -A mysite.celery worker{taken} --loglevel INFO"


def test_commands_of_start_scripts_are_questions(make):
    files = {"Procfile": "release: python manage.py migrate && python manage.py loaddata first\n"}
    text = " ".join(propose(make(PLAIN, files)).findings.questions)
    assert "manage.py loaddata first (Procfile:1)" in text and "migrate (" not in text


LOOP = "class Command:\n    def handle(self):\n        while True:\n            step()\n"


@pytest.mark.parametrize(
    ("plan", "source", "command"),
    [
        (
            {"Procfile": "ticker: python manage.py run_ticker --every 5\n"},
            LOOP,
            "run-ticker: python manage.py run_ticker --every 5",
        ),
        (
            {"docker-compose.yml": "services:\n  t:\n    command: poetry run python manage.py run_ticker\n"},
            LOOP,
            "run-ticker: python manage.py run_ticker",
        ),
        # A script without an extension, as images have it, which the shell's line makes one.
        (
            {
                "compose/production/start-ticker": "#!/usr/bin/env bash\nexec python /app/manage.py run_ticker\n"
            },
            "class Command:\n    def handle(self):\n        channel.start_consuming()\n",
            "run-ticker: python manage.py run_ticker",
        ),
        # Questions: it ends; a variable of the shell; a script that is none.
        ({"Procfile": "ticker: python manage.py run_ticker\n"}, LOOP.replace("True", "rows"), None),
        ({"Procfile": "ticker: python manage.py run_ticker $PORT\n"}, LOOP, None),
        ({"compose/notes": "python manage.py run_ticker\n"}, LOOP, None),
    ],
)
def test_a_command_that_runs_for_ever_is_a_process(make, plan, source, command):
    proposal = propose(make(PLAIN, plan, {"mysite/management/commands/run_ticker.py": source}))
    line = proposal.lines.get("APP_COMMANDS")
    assert (line and line.value) == command
    assert any("run_ticker" in each for each in proposal.findings.questions) == (command is None)


def test_processes_of_celery_and_of_the_project(found):
    files = {
        "mysite/celery.py": CELERY.format("app"),
        "Procfile": "a: python manage.py run_ticker\nb: python manage.py run_ticker\nc: python manage.py worker\n",
        "mysite/management/commands/run_ticker.py": LOOP,
        "mysite/management/commands/worker.py": LOOP,
    }
    assert found(PLAIN, files)["APP_COMMANDS"].split("; ")[1:] == [
        "run-ticker: python manage.py run_ticker",
        "worker-job: python manage.py worker",
    ]


def test_folders_that_are_kept_empty_are_volumes(found, make):
    source = SETTINGS + (
        "BASE = 1\nPAPERS = BASE / 'papers'\nLOGS = os.path.join(BASE, 'var', 'log')\nCODE = BASE / 'mysite'\n"
        "MEDIA_ROOT = BASE / 'media'\nTEMPLATES = [{'DIRS': [BASE / 'templates']}]\n"
    )
    empty = {f"{folder}/.gitkeep": "" for folder in ("papers", "var/log", "media", "templates", "unnamed")}
    assert found(PLAIN, {"mysite/settings.py": source}, empty)["APP_VOLUMES"] == "papers var/log"


def test_sqlite_is_reported_and_its_folder_is_a_volume_only_where_it_stays(make):
    source = SETTINGS + (
        "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': BASE / 'data/db.sqlite3'}}\n"
    )
    folder = make(PLAIN, {"mysite/settings.py": source, "data/.gitkeep": ""})
    moved, stays = propose(folder), propose(folder, {"APP_OVERLAY": "-database"})
    assert "APP_VOLUMES" not in moved.lines and stays.lines["APP_VOLUMES"].value == "data"
    assert any(
        "SQLite (mysite/settings.py:3) becomes the stack's PostgreSQL" in note
        for note in moved.findings.notes
    )
    assert not any("SQLite" in note for note in stays.findings.notes)


READS = """
import os
import environ
from decouple import config
env = environ.Env(DEBUG=(bool, False))
SECRET_KEY = os.environ["MY_KEY"]
DEBUG = env("DEBUG")
ALLOWED_HOSTS = env.list("HOSTS")
API = env("API_KEY")
LATER = config("LATER", default="x")
MAYBE = os.environ.get("MAYBE")
MAIL = env("MAIL_KEY")
DATABASES = {"default": {"NAME": os.environ["DB_NAME"], "PORT": int(os.environ["DB_PORT"])}}
CACHES = {"default": env.cache()}
OURS = [os.environ["DATABASE_URL"], os.environ["REDIS_URL"], os.environ["DOMAINS"], env.db()]
if DEBUG:
    TOOLBAR = os.environ["ONLY_IN_DEVELOPMENT"]
try:
    GUARDED = os.environ["GUARDED"]
except KeyError:
    pass
def not_a_setting():
    return os.environ["IN_A_FUNCTION"]
"""


@pytest.mark.parametrize(
    ("source", "volumes"),
    [
        ('LOGS = BASE_DIR / "logs"\nLOGS.mkdir(exist_ok=True)\n', "logs"),
        ('LOGS = BASE_DIR / "var" / "logs"\nos.makedirs(str(LOGS), exist_ok=True)\n', "var/logs"),
        (
            'if not os.path.exists(os.path.join(HERE, "static")):\n    os.makedirs(os.path.join(HERE, "static"))\n',
            "static",
        ),
        ('(BASE_DIR / "a" / "b").mkdir(parents=True)\n', "a/b"),
        # Near-misses: it is there already, it is made elsewhere, it is made later.
        ('(BASE_DIR / "mysite").mkdir(exist_ok=True)\n', None),
        ('os.makedirs("/var/cache/mysite", exist_ok=True)\n', None),
        ('def make():\n    (BASE_DIR / "later").mkdir()\n', None),
        ("os.makedirs(LOGS)\n", None),
    ],
)
def test_folders_that_the_settings_make_are_volumes(found, source, volumes):
    head = "import os\nfrom pathlib import Path\nBASE_DIR = Path(__file__).resolve().parent.parent\nHERE = str(BASE_DIR)\n"
    assert found(PLAIN, {"mysite/settings.py": head + SETTINGS + source}).get("APP_VOLUMES") == volumes


def test_the_variables_that_settings_read(make):
    folder = make(
        PLAIN,
        {
            "mysite/settings.py": SETTINGS + READS,
            ".env": "API_KEY=of-a-developer\n",
            ".env.production": 'MAIL_KEY="a b"\nAPP_UNREAD=1\nDB_NAME=shop\n',
        },
    )
    variables = {each.name: each for each in propose(folder, {"DOMAINS": "a.example b.example"}).variables}
    made = variables.pop("MY_KEY")
    assert made.required and len(made.value) > 50 and made.place == "mysite/settings.py:8"
    assert {name: (each.required, each.value) for name, each in variables.items()} == {
        "HOSTS": (True, "a.example,b.example"),
        "DEBUG": (False, None),
        "API_KEY": (True, None),
        "LATER": (False, None),
        "MAYBE": (False, None),
        "MAIL_KEY": (True, "a b"),
        "DB_NAME": (True, "app"),
        "DB_PORT": (True, "5432"),
        "CACHE_URL": (True, None),
        "GUARDED": (False, None),
    }
    assert variables["API_KEY"].source == "a value for development: .env:1"
    without = {each.name: each.value for each in propose(folder, {"APP_OVERLAY": "-database"}).variables}
    assert (without["DB_NAME"], without["DB_PORT"]) == ("shop", None)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        # A switch of development is off: as an empty text, where any other one is on.
        ('is_dev = os.environ["IS_DEV_ENV"]\nDEBUG = is_dev\nPROFILER = is_dev\n', {"IS_DEV_ENV": ""}),
        ('DEBUG = int(os.environ["DJANGO_DEBUG"])\nPROFILER = DEBUG\n', {"DJANGO_DEBUG": "0"}),
        ('DEV = os.environ["DEV_MODE"] == "True"\nDEBUG = DEV\nPROFILER = DEV\n', {"DEV_MODE": "False"}),
        # One that is on by default would leave what the settings derive from it as in development.
        ('DEBUG = os.environ.get("DEBUG", "True") == "True"\n', {"DEBUG": "False"}),
        ('DEBUG = os.getenv("DEBUG", True)\n', {"DEBUG": ""}),
        ('DEBUG = bool(int(os.getenv("DEBUG", "1")))\n', {"DEBUG": "0"}),
        ('DEBUG = os.environ.get("DEBUG", "") == "True"\n', {"DEBUG": None}),
        ('DEBUG = True\nKEY = os.getenv("SECRET")\nSECRET_KEY = KEY or "x"\n', {"SECRET": None}),
        (
            "def env_bool(name, default):\n    return os.getenv(name, str(default)) == 'True'\n"
            "def need(name):\n    return os.environ[name]\n"
            'DEBUG = env_bool("DJANGO_DEBUG", True)\nHOSTS = os.getenv("MY_HOSTS", "")\nALLOWED_HOSTS = HOSTS.split(",")\n'
            'API = need("MY_API")\nMAYBE = env_bool("MAYBE", False)\n',
            {"DJANGO_DEBUG": "False", "MY_HOSTS": "localhost", "MY_API": None, "MAYBE": None},
        ),
        ('STAGE = os.environ["STAGE"]\nDEBUG = STAGE == "dev"\nFLAGS = STAGE\n', {"STAGE": None}),
        ('API = os.environ["DEV_API"]\n', {"DEV_API": None}),
        # The host of a Redis that all move away from, in each form of an address.
        (
            'CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache",'
            " \"LOCATION\": f\"redis://{os.environ['MY_REDIS']}:{os.environ['MY_PORT']}\"}}\n"
            'CHANNEL_LAYERS = {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer",'
            ' "CONFIG": {"hosts": [(os.environ["MY_REDIS"], os.environ["MY_PORT"])]}}}\n'
            "CELERY_BROKER_URL = f\"redis://{os.environ['MY_REDIS']}\"\n",
            {"MY_REDIS": "localhost", "MY_PORT": "6379"},
        ),
        (
            'CACHES = {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": os.environ["MY_CACHE"]}}\n',
            {"MY_CACHE": "redis://localhost:6379/0"},
        ),
        (
            'CACHES = {"default": {"BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache",'
            ' "LOCATION": os.environ["MY_CACHE"]}}\n',
            {"MY_CACHE": None},
        ),
        # Front ends: an origin, or the host of one.
        ('CORS_ALLOWED_ORIGINS = [os.environ["FRONT"]]\n', {"FRONT": "https://localhost"}),
        ("CORS_ALLOWED_ORIGINS = [f\"https://{os.environ['FRONT']}\"]\n", {"FRONT": "localhost"}),
    ],
)
def test_variables_of_a_known_meaning_have_a_value(make, source, expected):
    folder = make(PLAIN, {"mysite/settings.py": SETTINGS + "import os\n" + source})
    assert {each.name: each.value for each in propose(folder).variables} == expected


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        ("django.db.backends.mysql", "MySQL (mysite/settings.py:3) becomes the stack's PostgreSQL"),
        ("django.db.backends.sqlite3", "SQLite (mysite/settings.py:3) becomes the stack's PostgreSQL"),
        ("django.db.backends.postgresql", ""),
    ],
)
def test_a_database_of_another_kind_is_said_to_be_exchanged(make, engine, words):
    source = SETTINGS + f'DATABASES = {{"default": {{"ENGINE": "{engine}"}}}}\n'
    notes = " ".join(propose(make(PLAIN, {"mysite/settings.py": source})).findings.notes)
    assert words in notes and ("becomes" in notes) == bool(words)


@pytest.mark.parametrize(
    ("app", "more", "command"),
    [
        ("django_q", "", "tasks: python manage.py qcluster"),
        ("huey.contrib.djhuey", "", "tasks: python manage.py run_huey"),
        ("django_rq", "", "tasks: python manage.py rqworker default"),
        ("django_rq", 'RQ_QUEUES = {"high": {}, "low": {}}', "tasks: python manage.py rqworker high low"),
        ("django_tasks.backends.database", "", "tasks: python manage.py db_worker"),
        ("django_filters", "", None),
    ],
)
def test_a_queue_other_than_celery_has_a_process(found, app, more, command):
    source = f'INSTALLED_APPS = ["django.contrib.auth", "{app}"]\nROOT_URLCONF = "mysite.urls"\n{more}\n'
    assert found(PLAIN, {"mysite/settings.py": source}).get("APP_COMMANDS") == command


@pytest.mark.parametrize(
    ("apps", "commands"),
    [
        (
            '"django_rq", "django_q"',
            "tasks: python manage.py rqworker default; tasks-2: python manage.py qcluster",
        ),
        ('"django_tasks.backends.database", "django_tasks_db"', "tasks: python manage.py db_worker"),
    ],
)
def test_two_queues_have_names_of_their_own(found, apps, commands):
    source = f'INSTALLED_APPS = [{apps}]\nROOT_URLCONF = "mysite.urls"\n'
    assert found(PLAIN, {"mysite/settings.py": source})["APP_COMMANDS"] == commands


def test_another_queue_next_to_celery(found):
    source = 'INSTALLED_APPS = ["django_q"]\nROOT_URLCONF = "mysite.urls"\n'
    celery = "from celery import Celery\napp = Celery('mysite')\n"
    value = found(PLAIN, {"mysite/settings.py": source, "mysite/celery.py": celery})["APP_COMMANDS"]
    assert value == "celery: celery -A mysite.celery worker --loglevel INFO; tasks: python manage.py qcluster"


COMMAND = "from django.core.management.base import BaseCommand\nclass Command(BaseCommand):\n    def handle(self, **options):\n"


@pytest.mark.parametrize(
    "body",
    [
        "        client.loop_forever()\n",
        "        while True:\n            read()\n",
        "        while 1:\n            read()\n",
        "        while True:\n            read()\n            if options['once']:\n                break\n",
        "        asyncio.get_event_loop().run_forever()\n",
        "        self.client.on_message = read\n        channel.start_consuming()\n",
    ],
)
def test_a_command_that_runs_for_ever_is_a_question_with_its_line(make, body):
    """A listener of MQTT, of a serial port: nothing starts it, and the pages stay empty."""
    proposal = propose(make(PLAIN, {"iot/management/commands/listen.py": COMMAND + body}))
    (question,) = [each for each in proposal.findings.questions if "listen" in each]
    assert question.startswith(
        "APP_COMMANDS: manage.py listen runs until it is stopped (iot/management/commands/listen.py:"
    )
    assert "APP_COMMANDS=listen: python manage.py listen" in question


@pytest.mark.parametrize(
    "body",
    [
        "        for row in rows:\n            read(row)\n",
        "        while True:\n            if done():\n                break\n",
        "        while True:\n            if done():\n                return\n",
        "        while rows:\n            read(rows.pop())\n",
    ],
)
def test_a_command_that_ends_is_none(make, body):
    proposal = propose(make(PLAIN, {"iot/management/commands/listen.py": COMMAND + body}))
    assert not [each for each in proposal.findings.questions if "listen" in each]


def test_a_command_that_runs_for_ever_is_asked_once_and_not_where_stack_env_runs_it(make):
    files = {
        "iot/management/commands/listen.py": COMMAND + "        client.loop_forever()\n",
        "start.sh": "python manage.py listen $TOPIC &\npython manage.py loadfirst\n",
    }
    folder = make(PLAIN, files)
    questions = propose(folder).findings.questions
    assert len([each for each in questions if "listen" in each]) == 1
    assert len([each for each in questions if "loadfirst" in each]) == 1
    given = {"APP_COMMANDS": "feed: python manage.py listen --topic x"}
    assert not [each for each in propose(folder, given).findings.questions if "listen" in each]


def test_settings_that_find_development_switched_off_have_a_key(make):
    source = 'import os\nDEBUG = os.environ.get("DEBUG", "1") == "1"\nSECRET_KEY = os.getenv("MY_KEY") or DEBUG and "x"\n'
    folder = make(PLAIN, {"mysite/settings.py": SETTINGS + source})
    variables = {each.name: each for each in propose(folder).variables}
    assert variables["DEBUG"].value == "False" and len(variables["MY_KEY"].value) > 50


@pytest.mark.parametrize(
    ("name", "settings", "value"),
    [
        ("FRONTEND_URL", "CSRF_TRUSTED_ORIGINS = [FRONTEND_URL]\n", "https://a.example"),
        ("FRONTEND_URL", "ALLOWED_HOSTS = [urlsplit(FRONTEND_URL).hostname]\n", "https://a.example"),
        ("BROKER_ADDRESS_URL", "CELERY_BROKER_URL = BROKER_ADDRESS_URL\n", "redis://localhost:6379/0"),
    ],
)
def test_an_address_that_stands_in_is_of_the_kind_that_is_wanted(make, name, settings, value):
    """The project's own code reads it too: links in mails went to a Redis."""
    source = (
        SETTINGS + f"import os\nfrom urllib.parse import urlsplit\n{name} = os.environ['{name}']\n{settings}"
    )
    proposal = propose(make(PLAIN, {"mysite/settings.py": source}), {"DOMAINS": "a.example b.example"})
    (variable,) = [each for each in proposal.variables if each.name == name]
    assert variable.value == value
