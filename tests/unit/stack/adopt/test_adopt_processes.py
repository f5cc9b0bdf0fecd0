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
        # Sessions that are in a cache alone are kept; those in the database as well need no more than a cache.
        (
            'CACHES = {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": url}}\n'
            'SESSION_ENGINE = "django.contrib.sessions.backends.cache"\n',
            "both",
        ),
        (
            'CACHES = {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": url}}\n'
            'SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"\n',
            "cache",
        ),
        ('SESSION_ENGINE = "django.contrib.sessions.backends.cache"\n', None),
        ('CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}\n', None),
        ('CHANNEL_LAYERS = {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer"}}\n', None),
    ],
)
def test_a_redis_of_the_projects_own(found, source, kind):
    assert found(PLAIN, {"mysite/settings.py": source + SETTINGS}).get("APP_REDIS") == kind


@pytest.mark.parametrize(
    ("call", "caches", "kind"),
    [
        ("cache.set(name, True)", "", "cache"),
        (
            "cache.incr(name)",
            '"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}',
            "cache",
        ),
        ("await cache.aset(name, True)", "", "cache"),
        # Near-misses: only read, another cache, one that all share already.
        ("cache.get(name)", "", None),
        ("own.set(name, True)", "", None),
        (
            "cache.set(name, True)",
            '"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache"}',
            None,
        ),
    ],
)
def test_what_is_kept_in_the_memory_of_one_process_gets_a_cache_that_all_share(found, call, caches, kind):
    consumer = f"from django.core.cache import cache\nasync def online(name):\n    {call}\n"
    settings = SETTINGS + (f"CACHES = {{{caches}}}\n" if caches else "")
    assert (
        found(PLAIN, {"chat/consumers.py": consumer, "mysite/settings.py": settings}).get("APP_REDIS") == kind
    )


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
        (
            {
                "mysite/celery.py": CELERY.format("app") + 'app.conf.task_default_queue = "jobs"\n',
                "mysite/tasks.py": 'from celery import shared_task\n@shared_task(queue="mail")\ndef work(): ...\n',
            },
            "jobs,mail",
        ),
        (
            {
                "mysite/celery.py": CELERY.format("app") + 'app.conf.update(task_default_queue="jobs")\n',
                "start.sh": "exec celery -A mysite worker \\\n  -Q mail\n",
            },
            "jobs,mail",
        ),
        (
            {
                "mysite/celery.py": CELERY.format("app")
                + 'app.config_from_object("django.conf:settings", namespace="JOBS")\n',
                "mysite/settings.py": SETTINGS
                + 'JOBS_TASK_DEFAULT_QUEUE = "jobs"\nJOBS_TASK_ROUTES = {"a": {"queue": "mail"}}\n',
            },
            "jobs,mail",
        ),
        (
            {
                "mysite/settings.py": SETTINGS + 'MAILQ = "mail"\n',
                "mysite/tasks.py": "import celery\nfrom django.conf import settings\nwork.apply_async(queue=settings.MAILQ)\n",
            },
            "celery,mail",
        ),
        ({"Procfile": "worker: celery -A mysite worker\ncopy: rsync -Q x\n"}, ""),
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


TASK = {"mysite/tasks.py": 'from celery import shared_task\n@shared_task(queue="mail")\ndef work(): ...\n'}


@pytest.mark.parametrize(
    ("files", "place"),
    [
        (
            TASK
            | {
                "mysite/settings.py": SETTINGS
                + 'import os\nCELERY_TASK_DEFAULT_QUEUE = os.environ["QUEUE"]\n'
            },
            "mysite/settings.py:4",
        ),
        (
            TASK | {"mysite/celery.py": CELERY.format("app") + "app.conf.task_default_queue = name()\n"},
            "mysite/celery.py:3",
        ),
        (
            TASK
            | {
                "mysite/settings.py": SETTINGS + 'CELERY_TASK_DEFAULT_QUEUE = "one"\n',
                "mysite/celery.py": CELERY.format("app") + 'app.conf["task_default_queue"] = "two"\n',
            },
            "one, two",
        ),
        ({"mysite/tasks.py": 'import celery\nwork.apply_async(queue=f"user-{pk}")\n'}, "mysite/tasks.py:2"),
        (
            {
                "mysite/tasks.py": "import celery\nfrom django.conf import settings\nsend(queue=settings.MAILQ)\n"
            },
            "mysite/tasks.py:3",
        ),
        ({"Procfile": "worker: celery -A mysite worker -Q $QUEUES\n"}, "Procfile:1"),
    ],
)
def test_queues_of_celery_that_are_not_certain_are_a_question(make, files, place):
    """A list without the default queue leaves its tasks waiting for ever."""
    proposal = propose(make(PLAIN, {"mysite/celery.py": CELERY.format("app")}, files))
    assert proposal.lines["APP_COMMANDS"].value == "celery: celery -A mysite.celery worker --loglevel INFO"
    (question,) = [each for each in proposal.findings.questions if "-Q" in each]
    assert place in question


def test_a_default_queue_that_is_not_certain_is_no_question_where_it_is_the_only_one(make):
    source = SETTINGS + 'import os\nCELERY_TASK_DEFAULT_QUEUE = os.environ["QUEUE"]\n'
    files = {"mysite/celery.py": CELERY.format("app"), "mysite/settings.py": source}
    assert not [each for each in propose(make(PLAIN, files)).findings.questions if "-Q" in each]


def test_commands_of_start_scripts_are_questions(make):
    files = {"Procfile": "release: python manage.py migrate && python manage.py loaddata first\n"}
    text = " ".join(propose(make(PLAIN, files)).findings.questions)
    assert "manage.py loaddata first (Procfile:1)" in text and "migrate (" not in text


RUN_TICKER = {"Procfile": "ticker: python manage.py run_ticker\n"}
READ_ALL = "def handle():\n    while True:\n        try:\n            next(rows)\n        except {}:\n            break\n"
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
        ({"start.sh": 'echo "then run python manage.py run_ticker"\n'}, LOOP, None),
        # It may end: by an error, in a handler, or it is not the command's own loop.
        (RUN_TICKER, LOOP + "            if lost():\n                raise CommandError\n", None),
        (RUN_TICKER, READ_ALL.format("StopIteration"), None),
        (
            RUN_TICKER,
            "def handle():\n    try:\n        while True:\n            next(rows)\n    except StopIteration:\n        pass\n",
            None,
        ),
        (
            RUN_TICKER,
            "def handle():\n    def read():\n        while True:\n            step()\n    read()\n",
            None,
        ),
        (RUN_TICKER, "def handle():\n    while True:\n        yield 1\n", None),
        # It ends; this is of each release, or of none.
        (
            RUN_TICKER,
            "while True:\n    try:\n        connect()\n        sys.exit(0)\n    except Error:\n        pass\n",
            None,
        ),
        # It does not: it is told to stop, or what ends is something in it.
        (
            RUN_TICKER,
            READ_ALL.format("(KeyboardInterrupt, asyncio.CancelledError)"),
            "run-ticker: python manage.py run_ticker",
        ),
        (
            RUN_TICKER,
            LOOP
            + "            for row in rows:\n                break\n            def done():\n                return 1\n",
            "run-ticker: python manage.py run_ticker",
        ),
    ],
)
def test_a_command_that_runs_for_ever_is_a_process(make, plan, source, command):
    proposal = propose(make(PLAIN, plan, {"mysite/management/commands/run_ticker.py": source}))
    line = proposal.lines.get("APP_COMMANDS")
    assert (line and line.value) == command
    assert any("run_ticker" in each for each in proposal.findings.questions) == (command is None)


@pytest.mark.parametrize("secret", ["--token s3cr3t", "--broker amqp://me:s3cr3t@mq", "--api-key=s3cr3t"])
@pytest.mark.parametrize("source", [LOOP, "class Command:\n    pass\n"])
def test_a_secret_of_a_start_script_is_neither_written_nor_shown(make, secret, source):
    files = {
        "Procfile": f"ticker: python manage.py run_ticker {secret}\n",
        "mysite/management/commands/run_ticker.py": source,
    }
    proposal = propose(make(PLAIN, files))
    assert "APP_COMMANDS" not in proposal.lines and "s3cr3t" not in str(proposal)
    assert [each for each in proposal.findings.questions if "run_ticker" in each and "Procfile:1" in each]


def test_a_command_whose_name_is_of_a_secret_is_written(found):
    files = {
        "Procfile": "tokens: python manage.py watch_tokens\n",
        "mysite/management/commands/watch_tokens.py": LOOP,
    }
    assert found(PLAIN, files)["APP_COMMANDS"] == "watch-tokens: python manage.py watch_tokens"


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
if not DEBUG:
    MAIL_TOKEN = os.environ["MAIL_TOKEN"]
else:
    MAIL_TOKEN = os.environ["ONLY_IN_DEVELOPMENT"]
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
        "MAIL_TOKEN": (True, None),
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
        ('DEBUG = os.environ.get("DEBUG", "1") or False\n', {"DEBUG": ""}),
        ('DEBUG = json.loads(os.environ.get("DEBUG", "true"))\n', {"DEBUG": "0"}),
        ('DEBUG = os.environ.get("DEBUG", "1") != "0"\n', {"DEBUG": "0"}),
        ('DEBUG = os.environ.get("DEBUG", "1").lower() not in ("no", "n")\n', {"DEBUG": "no"}),
        # One of the opposite meaning, which would turn it on.
        ('DEBUG = os.environ.get("DISABLE_DEBUG", "1") != "1"\n', {"DISABLE_DEBUG": None}),
        ('DEBUG = not env.bool("NO_DEBUG", True)\n', {"NO_DEBUG": None}),
        ('DEBUG = not env.bool("HIDE_DEBUG", True)\n', {"HIDE_DEBUG": None}),
        ('HIDE = env.bool("HIDE_DEBUG", True)\nDEBUG = not HIDE\n', {"HIDE_DEBUG": None}),
        ('DEBUG = os.environ.get("HIDE_DEBUG", "1") == "0"\n', {"HIDE_DEBUG": None}),
        ('DEBUG = False if env.bool("HIDE_DEBUG", True) else True\n', {"HIDE_DEBUG": None}),
        ('DEBUG = choose(env.bool("DEBUG_DISABLED", True))\n', {"DEBUG_DISABLED": None}),
        ('DEBUG = choose(env.bool("DEBUG_OFF", True))\n', {"DEBUG_OFF": None}),
        ('DEBUG = os.environ["NO_DEBUG"] != "1"\n', {"NO_DEBUG": None}),
        ('DEBUG = env.bool("DEBUG", True)\nPROD = not DEBUG\n', {"DEBUG": "False"}),
        ('DEBUG = True\nKEY = os.getenv("SECRET")\nSECRET_KEY = KEY or "x"\n', {"SECRET": None}),
        (
            "def env_bool(name, default):\n    return os.getenv(name, str(default)) == 'True'\n"
            "def need(name):\n    return os.environ[name]\n"
            'DEBUG = env_bool("DJANGO_DEBUG", True)\nHOSTS = os.getenv("MY_HOSTS", "")\nALLOWED_HOSTS = HOSTS.split(",")\n'
            'API = need("MY_API")\nMAYBE = env_bool("MAYBE", False)\n',
            {"DJANGO_DEBUG": "False", "MY_HOSTS": "localhost", "MY_API": None, "MAYBE": None},
        ),
        ('STAGE = os.environ["STAGE"]\nDEBUG = STAGE == "dev"\nFLAGS = STAGE\n', {"STAGE": None}),
        # The default of a scheme, and a switch of development for something else than DEBUG.
        ('env = environ.Env(DEBUG=(bool, True))\nDEBUG = env("DEBUG")\nFAST = DEBUG\n', {"DEBUG": "False"}),
        (
            'env = environ.Env(VITE_DEV=(bool, True))\nVITE = {"default": {"dev_mode": env("VITE_DEV")}}\n',
            {"VITE_DEV": "False"},
        ),
        ('BAR = env.bool("DEBUG_TOOLBAR", default=True)\n', {"DEBUG_TOOLBAR": "False"}),
        ('BAR = env.bool("NO_DEBUG_TOOLBAR", default=True)\n', {"NO_DEBUG_TOOLBAR": None}),
        # A number is none: "False" would keep the settings from being imported.
        ('env = environ.Env(DEBUG_LEVEL=(int, 1))\nLEVEL = env("DEBUG_LEVEL")\n', {"DEBUG_LEVEL": None}),
        ('LEVEL = env.int("DEBUG_LEVEL", default=1)\n', {"DEBUG_LEVEL": None}),
        # The environment that the settings themselves call production.
        ('DEBUG = os.environ["ENVIRONMENT"] != "production"\nFAST = DEBUG\n', {"ENVIRONMENT": "production"}),
        (
            'STAGE = os.environ["STAGE"].lower()\nif STAGE in ("prod", "live"):\n    X = 1\n',
            {"STAGE": "prod"},
        ),
        (
            'STAGE = config("STAGE", default="dev")\nIS_PROD = "production" == STAGE\n',
            {"STAGE": "production"},
        ),
        ('STAGE = config("STAGE", default="production")\nDEBUG = STAGE != "production"\n', {"STAGE": None}),
        ('MODE = config("PAY_MODE", default="test")\nLIVE = MODE == "production"\n', {"PAY_MODE": None}),
        ('MODE = config("MY_MODE", default="x")\nDEBUG = MODE != "prod"\n', {"MY_MODE": "prod"}),
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
        ("django_tasks.backends.database", "", "tasks: python manage.py db_worker --queue-name '*'"),
        ("django_filters", "", None),
    ],
)
def test_a_queue_other_than_celery_has_a_process(found, app, more, command):
    source = f'INSTALLED_APPS = ["django.contrib.auth", "{app}"]\nROOT_URLCONF = "mysite.urls"\n{more}\n'
    assert found(PLAIN, {"mysite/settings.py": source}).get("APP_COMMANDS") == command


@pytest.mark.parametrize(
    ("app", "scripts", "command"),
    [
        (
            "django_dramatiq",
            {"Procfile": "worker: python manage.py rundramatiq --processes 2 --threads 4\n"},
            "tasks: python manage.py rundramatiq --processes 2 --threads 4",
        ),
        (
            "django_tasks_db",
            {"compose.yml": 'command: ["python", "manage.py", "db_worker", "--queue-name", "a,b"]\n'},
            "tasks: python manage.py db_worker --queue-name a,b",
        ),
        (
            "django_tasks_db",
            {"compose.yml": "command: sh -c \"uv run manage.py db_worker --queue-name '*'\"\n"},
            "tasks: python manage.py db_worker --queue-name '*'",
        ),
        (
            "django_rq",
            {"Procfile": "a: python manage.py rqworker high\nb: python manage.py rqworker low  # slow\n"},
            "tasks: python manage.py rqworker high; tasks-2: python manage.py rqworker low",
        ),
        # Options on lines of their own.
        (
            "django_rq",
            {"start.sh": "#!/bin/sh\npython manage.py rqworker \\\n  high \\\n  low\necho done\n"},
            "tasks: python manage.py rqworker high low",
        ),
        (
            "django_rq",
            {
                "compose.yml": "a:\n  command: >-\n    python manage.py rqworker\n    high low\n  ports:\n    - 80\n"
                "b:\n  command: python manage.py rqworker\n    other\n  image: x\n"
            },
            "tasks: python manage.py rqworker high low; tasks-2: python manage.py rqworker other",
        ),
        (
            "django_rq",
            {"compose.yml": "command: |\n  python manage.py rqworker low\n  echo done\nimage: x\n"},
            "tasks: python manage.py rqworker low",
        ),
        # Of two descriptions of the same processes one is taken, and that for production.
        (
            "huey.contrib.djhuey",
            {
                "docker-compose.yml": "command: python manage.py run_huey\n",
                "docker-compose.prod.yml": "command: python manage.py run_huey --workers 3\n",
            },
            "tasks: python manage.py run_huey --workers 3",
        ),
        (
            "django_q",
            {"start.sh": 'echo "python manage.py qcluster -v 3"\n'},
            "tasks: python manage.py qcluster",
        ),
        (
            "procrastinate.contrib.django",
            {"Procfile": "w: python manage.py procrastinate worker -q mail && true\n"},
            "tasks: python manage.py procrastinate worker -q mail",
        ),
    ],
)
def test_a_queue_has_the_options_that_start_scripts_give_it(found, app, scripts, command):
    source = f'INSTALLED_APPS = ["django.contrib.auth", "{app}"]\nROOT_URLCONF = "mysite.urls"\n'
    assert found(PLAIN, scripts, {"mysite/settings.py": source})["APP_COMMANDS"] == command


def test_options_of_a_queue_that_only_a_shell_knows_are_a_question(make):
    source = 'INSTALLED_APPS = ["django_rq"]\nROOT_URLCONF = "mysite.urls"\n'
    script = {"Procfile": "w: python manage.py rqworker $QUEUES\n", "mysite/settings.py": source}
    proposal = propose(make(PLAIN, script))
    assert proposal.lines["APP_COMMANDS"].value == "tasks: python manage.py rqworker default"
    assert "Procfile:1 starts rqworker with options" in " ".join(proposal.findings.questions)


@pytest.mark.parametrize("option", ["--burst", "-b", "--duration=60"])
def test_a_worker_that_a_script_lets_end_is_no_process(make, option):
    """It would end and start again for ever."""
    source = 'INSTALLED_APPS = ["django_rq"]\nROOT_URLCONF = "mysite.urls"\n'
    script = {"compose.yml": f"command: python manage.py rqworker {option} low\n"}
    proposal = propose(make(PLAIN, script, {"mysite/settings.py": source}))
    assert proposal.lines["APP_COMMANDS"].value == "tasks: python manage.py rqworker default"
    assert f"compose.yml:1 starts rqworker with {option.partition('=')[0]}, which ends it" in " ".join(
        proposal.findings.questions
    )


@pytest.mark.parametrize(
    ("apps", "commands"),
    [
        (
            '"django_rq", "django_q"',
            "tasks: python manage.py rqworker default; tasks-2: python manage.py qcluster",
        ),
        (
            '"django_tasks.backends.database", "django_tasks_db"',
            "tasks: python manage.py db_worker --queue-name '*'",
        ),
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


@pytest.mark.parametrize(
    "source", ["CSRF_TRUSTED_ORIGINS = [FRONT_URL]\n", "ALLOWED_HOSTS = [f'a.{FRONT_URL}']\n"]
)
def test_no_domain_yet_is_the_default_one(make, source):
    source = SETTINGS + f"import os\nFRONT_URL = os.environ['FRONT_URL']\n{source}"
    (variable,) = propose(make(PLAIN, {"mysite/settings.py": source}), {"DOMAINS": ""}).variables
    assert variable.value == "https://localhost"


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


def test_applications_as_django_tenants_puts_them_together(make):
    source = (
        'SHARED_APPS = ["django_tenants", "django.contrib.contenttypes"]\n'
        'TENANT_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django_q"]\n'
        "INSTALLED_APPS = SHARED_APPS + [app for app in TENANT_APPS if app not in SHARED_APPS]\n"
        'ROOT_URLCONF = "mysite.urls"\n'
    )
    script = "python manage.py migrate_schemas --shared\n"
    proposal = propose(make(PLAIN, {"mysite/settings.py": source, "start.sh": script}))
    assert proposal.has_users and proposal.lines["APP_COMMANDS"].value == "tasks: python manage.py qcluster"
    # The release migrates all schemas.
    assert proposal.findings.questions == []
