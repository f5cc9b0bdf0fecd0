"""The sample projects: other people's code, each of another shape, and what their stack.env says of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import checks
import stacks


@dataclass(frozen=True)
class Sample:
    """One project below this folder, as `stack.env` describes it and as its visitors see it."""

    name: str
    settings: dict[str, str]
    page: str
    """Path of a page that names a static file."""
    shows: str
    """Words of that page."""
    socket: str = ""
    """Path of its websocket; empty: it has none."""
    subprotocol: str | None = None
    opening: tuple[dict, dict] | None = None
    """What a client says first, and the answer."""
    says: Callable[[str], dict] = lambda text: {"message": text}
    """A message as the project writes it; everybody on the socket hears the same fields again."""
    overridden: tuple[str, ...] = ()
    """Settings that the release must say it has set."""
    told: tuple[str, ...] = ()
    """Other words of the build and the release."""
    adopted: bool = False
    """Its stack.env is what `make adopt` writes, and nothing by hand."""
    checks: tuple[Callable, ...] = field(default=())
    """What only this project has; called with a checks.Visit while the sockets are silent."""


TUTORIAL_PORT = stacks.free_port()

SAMPLES = (
    Sample(
        "tutorial",  # unpinned requirements; SQLite, DEBUG, no hosts, Redis on 127.0.0.1; ws:// in the page
        {
            "APP_SETTINGS": "mysite.settings",
            "APP_ASGI": "mysite.asgi:application",
            # A browser visits it at the usual ports, as `make up` prints them.
            "DOMAINS": "localhost rooms.example.org",
            "HTTPS_PORT": str(TUTORIAL_PORT),
            "ALLOWED_ORIGINS": f"https://localhost:{TUTORIAL_PORT} https://localhost https://rooms.example.org",
        },
        page="/chat/lobby/",
        shows="Chat Room",
        socket="/ws/chat/lobby/",
        overridden=(
            "DEBUG",
            "SECRET_KEY",
            "ALLOWED_HOSTS",
            "CSRF_TRUSTED_ORIGINS",
            "SECURE_PROXY_SSL_HEADER",
            "DATABASES",
            "CHANNEL_LAYERS",
            "STATIC_ROOT",
            "STORAGES",
            "MEDIA_ROOT",
        ),
        checks=(checks.page_with_ws_works_behind_https, checks.any_management_command),
    ),
    Sample(
        "games",  # a sub-folder of a repository; asgi.py imports models first; another name; one layer for jobs; a log file
        {
            "APP_PATH": "backend",
            "APP_SETTINGS": "settings",
            "APP_ASGI": "asgi:game_server",
            "APP_REQUIREMENTS": "backend/requirements.txt",
            "APP_WORKER_CHANNELS": "scores",
        },
        page="/",
        shows="High scores",
        socket="/play",
        overridden=("SECRET_KEY", "TOKENS", "CHANNEL_LAYERS", "LOGGING"),
    ),
    Sample(
        "feed",  # no layer, no socket; server-sent events, uploads, SQLite in the source tree on a volume
        {
            "APP_SETTINGS": "feed.settings",
            "APP_ASGI": "feed.asgi:application",
            "APP_OVERLAY": "-database",
            "APP_VOLUMES": "data",
        },
        page="/",
        shows="Feed, visit",
        overridden=("SECRET_KEY", "MEDIA_ROOT"),
        checks=(checks.events_arrive_at_once_and_outlive_a_minute, checks.uploads_reach_every_replica),
    ),
    Sample(
        "clinic",  # uv.lock, a src layout, settings three packages deep, PostgreSQL and Redis on localhost
        {
            "APP_PATH": "src",
            "APP_SETTINGS": "clinic.config.settings.local",
            "APP_ASGI": "clinic.config.asgi:application",
            "APP_REQUIREMENTS": "uv.lock",
        },
        page="/board/",
        shows="0 on duty",
        socket="/board/a/",
        overridden=("DATABASES", "CHANNEL_LAYERS"),
    ),
    Sample(
        "notes",  # reads the environment itself, overlay off; an extra of pyproject.toml; a layer of its own; old websockets
        {
            "APP_SETTINGS": "notes.settings",
            "APP_ASGI": "notes.asgi:application",
            "APP_REQUIREMENTS": "pyproject.toml[production]",
            "APP_OVERLAY": "off",
        },
        page="/",
        shows="Notes",
        socket="/pad/",
        told=("websockets 10.4 leaves uvicorn its older",),
    ),
    Sample(
        "api",  # two roots on the path, constraints, a subprotocol, a consumer that never answers; Daphne for sockets
        {
            "APP_PATH": "server shared",
            "APP_SETTINGS": "api.settings",
            "APP_ASGI": "api.asgi:application",
            "APP_CONSTRAINTS": "requirements/constraints.txt",
            "EDGE_HANDSHAKE_TIMEOUT": "5s",
            "SERVER_WS": "daphne",
        },
        page="/admin/login/",
        shows="Django administration",
        socket="/graphql",
        subprotocol="graphql-transport-ws",
        opening=({"type": "connection_init"}, {"type": "connection_ack"}),
        says=lambda text: {"type": "next", "payload": {"data": text}},
        overridden=("DATABASES", "CHANNEL_LAYERS"),
        checks=(checks.handshake_without_an_answer_is_cut,),
    ),
    Sample(
        "shop",  # pins of its own for what the stack has as well, some too old; django-dotenv; whitenoise
        {"APP_SETTINGS": "shop.settings", "APP_ASGI": "shop.asgi:application"},
        page="/shop/",
        shows="Shop",
        socket="/shop/stock/",
        # It reads SECRET_KEY and REDIS_URL itself, as variables.
        overridden=("DATABASES", "CHANNEL_LAYERS", "STATIC_ROOT"),
        told=(
            "CHANNEL_LAYERS: the project's own",
            "django 5.2.3 lacks security fixes",
            "daphne 4.1.2 ",
            "uvicorn 0.30.6 ",
        ),
        checks=(checks.pins_of_the_project_are_what_runs,),
    ),
    Sample(
        "office",  # a Celery worker and its beat beside the services, a data folder that all share, a fixture at each release
        {
            "APP_SETTINGS": "office.settings",
            "APP_ASGI": "office.asgi:application",
            "APP_VOLUMES": "papers",
            "APP_RELEASE_COMMANDS": "loaddata first",
            "APP_COMMANDS": "celery: celery -A office worker --pool solo --loglevel INFO; "
            "beat: celery -A office beat --schedule /tmp/beat",
        },
        page="/",
        shows="Office",
        socket="/desk",
        overridden=("DATABASES", "CHANNEL_LAYERS", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"),
        told=("loaddata first: done",),
        checks=(checks.commands_run_beside,),
    ),
    Sample(
        "forum",  # a Redis of its own: two caches, sessions in one, clients made at import, queues of django-rq, REDIS_URL
        {
            "APP_SETTINGS": "forum.settings",
            "APP_ASGI": "forum.asgi:application",
            "APP_REDIS": "both",
            "APP_COMMANDS": "rq: python manage.py rqworker default",
        },
        page="/",
        shows="Forum",
        socket="/thread/",
        overridden=("DATABASES", "CHANNEL_LAYERS", "CACHES"),
        told=(
            "CACHES: APP_REDIS; 'default' was at 127.0.0.1, the container itself, "
            "'pages' was at redis, the Redis of the channel layers",
            "RQ_QUEUES['default']['HOST']: clients of localhost reach the application's Redis, redis-app",
            "forum/presence.py:6: prizes is a client of Redis at localhost: it reaches the application's Redis, redis-app",
        ),
        checks=(checks.sessions_and_clients_have_a_redis,),
    ),
    Sample(
        "radio",  # no Channels at all: pages and event streams, by Poetry's lock
        {
            "APP_SETTINGS": "radio.settings",
            "APP_ASGI": "radio.asgi:application",
            "APP_REQUIREMENTS": "poetry.lock",
            "WS_REPLICAS": "0",
        },
        page="/",
        shows="On air",
        overridden=("SECRET_KEY",),
        told=("radio.asgi:application routes no websockets: WS_REPLICAS=0",),
        checks=(checks.events_arrive_one_by_one, checks.no_process_waits_for_websockets),
    ),
    Sample(
        "museum",  # of Channels 3: setup.cfg, websockets only in asgi.py, sessions in LocMemCache, servers of 2022 and 2023
        {
            "APP_SETTINGS": "museum.settings",
            "APP_ASGI": "museum.asgi:application",
            "APP_REQUIREMENTS": "setup.cfg",
            "APP_DEBIAN": "bookworm",
        },
        page="/",
        shows="Visit ",
        socket="/guide",
        overridden=("SESSION_ENGINE", "DATABASES", "CHANNEL_LAYERS"),
        told=("museum.asgi:application routes no http", "uvicorn 0.17.6 ", "gunicorn 21.2.0 "),
        checks=(
            checks.sessions_are_seen_by_every_replica,
            checks.an_old_uvicorn_serves_without_what_it_lacks,
        ),
    ),
    Sample(
        "archive",  # UTF-16 requirements with `-e .`, a folder that is a link, a service file, large downloads, größe.css
        {
            "APP_PATH": "src",
            "APP_SETTINGS": "archive.settings",
            "APP_ASGI": "archive.asgi:application",
        },
        page="/",
        shows="Reading room",
        socket="/desk/",
        overridden=("DATABASES", "CHANNEL_LAYERS"),
        checks=(checks.downloads_of_synchronous_views_arrive_as_they_are_made,),
    ),
    Sample(
        "studio",  # Pipenv's lock, something to do before serving (lifespan), a layer in memory
        {
            "APP_SETTINGS": "studio.settings",
            "APP_ASGI": "studio.asgi:application",
            "APP_REQUIREMENTS": "Pipfile.lock",
        },
        page="/",
        shows="The piano is tuned",
        socket="/stage/",
        overridden=("DATABASES", "CHANNEL_LAYERS"),
    ),
    Sample(
        "legacy",  # pins that have no wheels for Python 3.13, one that is compiled, one for Windows; Channels 4.0 on its Daphne
        {
            "APP_SETTINGS": "legacy.settings",
            "APP_ASGI": "legacy.asgi:application",
            "APP_DEBIAN": "bookworm",
            "APP_PACKAGES": "libmagic1 libpq5",
            "APP_BUILD_PACKAGES": "gcc python3-dev libpq-dev",
            "SERVER_HTTP": "daphne",
            "SERVER_WS": "daphne",
        },
        page="/",
        shows="Python with image/png",
        socket="/echo",
        overridden=("DATABASES", "CHANNEL_LAYERS"),
        told=(
            "django 4.2.11 lacks security fixes",
            "daphne 4.0.0 takes messages of any size",
            "twisted-iocpsupport==1.0.2",
        ),
    ),
    Sample(
        "bakery",  # cookiecutter-django's layout: settings by environment, requirements/ with -r, Celery, .envs/.production
        {},
        adopted=True,
        page="/",
        shows="Orders of the day",
        socket="/ws/orders/",
        overridden=("ALLOWED_HOSTS", "STATIC_ROOT"),
        checks=(checks.celery_is_there,),
    ),
    Sample(
        "harbour",  # a src layout; every variable required, none given; a worker's channel behind a name; not for Python 3.13
        {},
        adopted=True,
        page="/",
        shows="Ships at the quay",
        socket="/quay/",
        overridden=("SECRET_KEY", "DATABASES", "CHANNEL_LAYERS"),
    ),
    Sample(
        "theatre",  # settings in classes (django-configurations), also in manage.py; a setting that is a property
        {},
        adopted=True,
        page="/",
        shows="Tonight, premiere",
        socket="/stage/",
        overridden=("ALLOWED_HOSTS", "DATABASES", "CHANNEL_LAYERS"),
        checks=(checks.manage_py_has_the_class_of_production,),
    ),
    Sample(
        "market",  # a monorepo: backend/ beside frontend/; a folder that is written to; a driver that is compiled
        {},
        adopted=True,
        page="/",
        shows="Prices at the stalls",
        socket="/ws/stalls/",
        overridden=("ALLOWED_HOSTS", "CHANNEL_LAYERS"),
    ),
    Sample(
        "ledger",  # variables as fields of classes (pydantic-settings); a router in a router; a pin that kombu does not fit
        {},
        adopted=True,
        page="/",
        shows="Entries of the year",
        socket="/ws/books/7/",
        overridden=("SECRET_KEY", "DATABASES", "CHANNEL_LAYERS"),
        told=("was taken, because kombu",),
        checks=(checks.a_missing_field_is_named_without_the_others,),
    ),
)
