"""`make adopt`: what is found in projects of many shapes, near-misses planted beside it, and how it is written down."""

import os

import pytest

from channels_stack_deploy.adopt import command, interpreter, lines
from channels_stack_deploy.adopt.found import Line
from channels_stack_deploy.adopt.proposal import NAMES, propose
from channels_stack_deploy.adopt.tree import pieces
from channels_stack_deploy.config import settings
from channels_stack_deploy.console import Failure
from channels_stack_deploy.paths import EXAMPLE

SETTINGS = 'INSTALLED_APPS = ["django.contrib.auth"]\nROOT_URLCONF = "mysite.urls"\n'
MANAGE = 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "{}")\n'
ASGI = (
    "import os\nfrom django.core.asgi import get_asgi_application\n"
    'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "{}")\napplication = get_asgi_application()\n'
)
ROUTER = (
    "from channels.routing import ChannelNameRouter, ProtocolTypeRouter\n"
    "application = ProtocolTypeRouter({})\n"
)
PLAIN = {
    "manage.py": MANAGE.format("mysite.settings"),
    "mysite/__init__.py": "",
    "mysite/settings.py": SETTINGS,
    "mysite/asgi.py": ASGI.format("mysite.settings"),
    "requirements.txt": "Django\nchannels\n",
}
"""What `django-admin startproject mysite` writes, as far as it matters, and a requirements file."""

SPLIT = {
    "manage.py": MANAGE.format("config.settings.local"),
    "config/settings/__init__.py": "",
    "config/settings/base.py": SETTINGS,
    "config/settings/local.py": "from .base import *\n",
    "config/settings/production.py": "from .base import *\n",
    "config/settings/test.py": "from .base import *\n",
    "config/asgi.py": ASGI.format("config.settings.production"),
    "requirements/base.txt": "Django\nchannels\n",
    "requirements/local.txt": "-r base.txt\nsphinx\n",
    "requirements/production.txt": "-r base.txt\nuwsgi\n",
}
"""cookiecutter-django's layout."""


@pytest.fixture
def make(tmp_path):
    """Write a project's files, by path; its folder."""

    def make(*parts, **others):
        folder = tmp_path / "project"
        for path, text in {name: text for part in (*parts, others) for name, text in part.items()}.items():
            whole = folder / path
            whole.parent.mkdir(parents=True, exist_ok=True)
            whole.write_bytes(text) if isinstance(text, bytes) else whole.write_text(text)
        return folder

    return make


@pytest.fixture
def found(make):
    """The proposed values of a project, by setting, but for those that are the same for all of these."""

    def found(*parts):
        values = {name: line.value for name, line in propose(make(*parts)).lines.items()}
        for name in ("APP_DIR", "APP_RELEASE_COMMANDS"):
            del values[name]
        defaults = {name: value for name, value in settings.defaults().items() if name not in lines.EXPLICIT}
        return {name: value for name, value in values.items() if value != defaults.get(name)}

    return found


MYSITE = {"APP_SETTINGS": "mysite.settings", "APP_ASGI": "mysite.asgi:application", "APP_WORKER_CHANNELS": ""}


def below(folder, files):
    """FILES in a FOLDER."""
    return {f"{folder}/{path}": text for path, text in files.items()}


# --- Settings, ASGI module, path ---------------------------------------------------------------------


def test_a_project_as_startproject_writes_it(found):
    assert found(PLAIN) == MYSITE


@pytest.mark.parametrize(
    "near_miss",
    [
        {"tests/settings.py": SETTINGS, "tests/asgi.py": ROUTER},
        {"examples/settings.py": SETTINGS, "examples/manage.py": MANAGE.format("settings")},
        {"docs/requirements.txt": "sphinx\n", "docs/conf.py": SETTINGS},
        {"frontend/node_modules/gyp/settings.py": SETTINGS},
        {"env/lib/python3.11/site-packages/thing/settings.py": SETTINGS},
        {"env/pyvenv.cfg": "", "env/thing/settings.py": SETTINGS, "env/thing/asgi.py": ROUTER},
        {"mysite/settings_example.py": SETTINGS, "mysite/settings_test.py": SETTINGS},
        {"mysite/settings_local.py": "from .settings import *\n"},
        {"mysite/tests/test_cache.py": "import redis\n"},
        {"mysite/conf/parts.py": 'DATABASES = {}\nSECRET_KEY = ""\n'},
    ],
    ids=lambda files: next(iter(files)),
)
def test_what_looks_like_it_and_is_not_changes_nothing(found, near_miss):
    assert found(PLAIN, near_miss) == MYSITE


def test_settings_by_environment_and_requirements_by_environment(found):
    assert found(SPLIT) == {
        "APP_SETTINGS": "config.settings.production",
        "APP_ASGI": "config.asgi:application",
        "APP_REQUIREMENTS": "requirements/production.txt",
        "APP_BUILD_PACKAGES": "gcc python3-dev",
        "APP_WORKER_CHANNELS": "",
    }


def test_what_starts_the_project_counts_more_than_a_name(found):
    plan = {"Dockerfile": "FROM python:3.13\nENV DJANGO_SETTINGS_MODULE=config.settings.heroku\n"}
    more = {"config/settings/heroku.py": "from .base import *\n"}
    assert found(SPLIT, plan, more)["APP_SETTINGS"] == "config.settings.heroku"
    of_ci = {"Dockerfile": "FROM python:3.13\nENV DJANGO_SETTINGS_MODULE=config.settings.test\n"}
    assert found(SPLIT, of_ci)["APP_SETTINGS"] == "config.settings.production"


def test_settings_that_only_their_package_imports_are_no_settings(found):
    parts = {
        "mysite/settings.py": "",
        "mysite/settings/__init__.py": "from .base import *\nfrom .production import *\n",
        "mysite/settings/base.py": SETTINGS,
        "mysite/settings/production.py": "DATABASES = {}\n",
    }
    files = {name: text for name, text in (PLAIN | parts).items() if name != "mysite/settings.py"}
    assert found(files)["APP_SETTINGS"] == "mysite.settings"


def test_settings_that_include_their_parts_are_one(found):
    """django-split-settings: what is included is no settings of its own, whatever it is called."""
    parts = {
        "manage.py": MANAGE.format("server.settings"),
        "server/__init__.py": "",
        "server/settings/__init__.py": "from split_settings.tools import include\n"
        'include("components/common.py", f"environments/{ENV}.py")\n',
        "server/settings/components/common.py": SETTINGS,
        "server/settings/environments/production.py": SETTINGS + "DEBUG = False\n",
        "server/settings/environments/development.py": SETTINGS + "DEBUG = True\n",
        "server/asgi.py": ASGI.format("server.settings"),
        "requirements.txt": "Django\nchannels\ndjango-split-settings\n",
    }
    values = found(parts)
    assert (values["APP_SETTINGS"], values["APP_ASGI"]) == ("server.settings", "server.asgi:application")
    assert "APP_PATH" not in values


def test_settings_for_development_alone_are_taken_and_that_is_said(make):
    files = {name: text for name, text in SPLIT.items() if "production" not in name} | {
        "config/asgi.py": ASGI.format("config.settings.local"),
        "requirements/production.txt": SPLIT["requirements/production.txt"],
    }
    proposal = propose(make(files))
    assert proposal.lines["APP_SETTINGS"].value == "config.settings.local"
    assert any("for development by its name" in line for line in proposal.findings.questions)


def test_only_an_example_of_settings_is_refused_with_its_name(make):
    files = {name: text for name, text in PLAIN.items() if name != "mysite/settings.py"}
    with pytest.raises(Failure, match=r"mysite/settings_example\.py; copy it"):
        propose(make(files, {"mysite/settings_example.py": SETTINGS}))


def test_a_src_layout(found):
    inside = {name: text for name, text in PLAIN.items() if name.startswith("mysite")}
    outside = {name: text for name, text in PLAIN.items() if not name.startswith("mysite")}
    outside["manage.py"] = (
        "import os, sys\nsys.path.insert(0, os.path.join(os.path.dirname(__file__), 'src'))\n"
    )
    outside["manage.py"] += MANAGE.format("mysite.settings")
    assert found(below("src", inside), outside) == MYSITE | {"APP_PATH": ". src"}


def test_a_monorepo(found):
    other = {"frontend/package.json": "{}", "frontend/settings.py": "COLOURS = 1\n"}
    expected = MYSITE | {"APP_PATH": "backend", "APP_REQUIREMENTS": "backend/requirements.txt"}
    assert found(below("backend", PLAIN), other) == expected


def test_a_second_root_is_found_by_what_is_imported_from_it(found):
    shared = {"shared/words/__init__.py": "", "shared/words/lists.py": "", "other/thing/__init__.py": ""}
    files = below("server", PLAIN) | {
        "server/mysite/views.py": "import json\nfrom words.lists import WORDS\n"
    }
    assert found(files, shared)["APP_PATH"] == "server shared"


def test_two_asgi_modules_of_which_one_is_named_or_routes(found, make):
    second = {"mysite/asgi_dev.py": ASGI.format("mysite.settings"), "mysite/routing.py": ROUTER}
    assert found(PLAIN, second) == MYSITE
    named = {"mysite/settings.py": SETTINGS + 'ASGI_APPLICATION = "mysite.routing.application"\n'}
    assert found(PLAIN, second, named)["APP_ASGI"] == "mysite.routing:application"
    started = {"Procfile": "web: daphne -b 0.0.0.0 mysite.asgi:application\n"}
    assert found(PLAIN, second, named, started)["APP_ASGI"] == "mysite.asgi:application"


def test_two_asgi_modules_that_nothing_tells_apart_are_a_question(make):
    proposal = propose(make(PLAIN, {"mysite/asgi.py": ROUTER, "chat/asgi.py": "\n" + ROUTER}))
    assert "APP_ASGI" not in proposal.lines and proposal.lacking == ["APP_ASGI"]
    (question,) = proposal.findings.questions
    assert "chat/asgi.py:3 and mysite/asgi.py:2" in question and "APP_ASGI=chat.asgi:application" in question


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (ROUTER.replace("application =", "game_server ="), "game_server"),
        (
            "django = get_asgi_application()\nasync def application(scope, receive, send): ...\n",
            "application",
        ),
        ("inner = ProtocolTypeRouter({})\napplication = Sentry(inner)\n", "application"),
        ("pages = get_asgi_application()\nouter: ASGI = Wrapped(pages)\n", "outer"),
        ("from .routing import application\n", "application"),
        (
            "pages = get_asgi_application()\ntry:\n    application = ProtocolTypeRouter({})\nexcept E: ...\n",
            "application",
        ),
        ("import channels.routing\napp = channels.routing.ProtocolTypeRouter({})\n", "app"),
    ],
)
def test_the_application_of_an_asgi_module(found, source, name):
    source = (
        "from django.core.asgi import get_asgi_application\nfrom channels.routing import ProtocolTypeRouter\n"
        + source
    )
    assert found(PLAIN, {"mysite/asgi.py": source})["APP_ASGI"] == f"mysite.asgi:{name}"


def test_a_project_without_an_asgi_module_gets_a_question(make):
    proposal = propose(make({name: text for name, text in PLAIN.items() if "asgi" not in name}))
    assert proposal.lacking == ["APP_ASGI"]
    assert "no module makes an ASGI application" in proposal.findings.questions[0]


def test_syntax_that_this_python_does_not_read_hides_nothing_else(found, make):
    newer = "from __future__ import braces_and_more\nmatch = 1\ntype = = 3\n\ndef broken(:\n    pass\n\n"
    files = {"mysite/settings.py": newer + SETTINGS, "mysite/asgi.py": newer + ASGI.format("mysite.settings")}
    assert found(PLAIN, files) == MYSITE
    notes = propose(make(PLAIN, files)).findings.notes
    assert any("mysite/settings.py:" in note and "newer syntax" in note for note in notes)


def test_pieces_keep_their_lines():
    tree = pieces('A = """\nB = 1\n"""\nclass = 3\n\nif A:\n    C = 1\nelse:\n    C = 2\nD = (\n    1,\n)\n')
    assert [(type(node).__name__, node.lineno) for node in tree.body] == [
        ("Assign", 1),
        ("If", 6),
        ("Assign", 10),
    ]


def test_settings_in_classes(found):
    classes = "from configurations import Configuration\n" + "".join(
        f"class {name}({base}):\n    INSTALLED_APPS = []\n"
        for name, base in (("Base", "Configuration"), ("Development", "Base"), ("Production", "Base"))
    )
    assert found(PLAIN, {"mysite/settings.py": classes}) == MYSITE | {
        "APP_SETTINGS": "mysite.settings:Production"
    }


# --- What is no project ------------------------------------------------------------------------------


def test_what_cannot_be_adopted_is_one_line(make, tmp_path):
    with pytest.raises(Failure, match="does not exist"):
        propose(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(Failure, match=rf"is a file: .*make adopt P={tmp_path}$"):
        propose(tmp_path / "file")
    with pytest.raises(Failure, match=r"holds no Django project .*INSTALLED_APPS"):
        propose(make({"app.py": "print(1)\n"}))


def test_two_projects_in_one_tree_are_named(make):
    folder = make(below("shop", PLAIN), below("blog", PLAIN))
    with pytest.raises(Failure) as refused:
        propose(folder)
    text = str(refused.value)
    assert "\n" not in text and "2 Django projects" in text
    assert (
        f"make adopt P={folder}/blog (blog/manage.py) or make adopt P={folder}/shop (shop/manage.py)" in text
    )


def test_a_folder_that_is_itself_called_tests_is_a_project(make):
    assert propose(make(below("tests", PLAIN))).lines["APP_PATH"].value == "tests"


# --- Requirements ------------------------------------------------------------------------------------

UV = '[[package]]\nname = "django"\nversion = "5.2"\n\n[[package]]\nname = "psycopg2"\nversion = "2.9"\n'


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"requirements.txt": "Django\nchannels\n"}, None),
        ({"requirements.txt": "\ufeffDjango\r\n".encode("utf-16")}, None),
        (
            {
                "requirements.txt": "",
                "requirements/prod.txt": "-r base.txt",
                "requirements/base.txt": "django",
            },
            "requirements/prod.txt",
        ),
        (
            {"requirements.txt": "-r requirements/production.txt", "requirements/production.txt": "django"},
            "requirements/production.txt",
        ),
        ({"requirements.txt": "pytest", "requirements-prod.txt": "Django==5"}, "requirements-prod.txt"),
        ({"requirements.txt": "-e .", "setup.cfg": "[options]\ninstall_requires =\n    Django\n"}, None),
        ({"requirements.txt": "", "setup.py": "setup(install_requires=['django>=4'])"}, "setup.py"),
        ({"requirements.txt": "", "uv.lock": UV, "pyproject.toml": "[project]\nname='x'\n"}, "uv.lock"),
        ({"requirements.txt": "django", "poetry.lock": UV}, "poetry.lock"),
        ({"requirements.txt": "", "pdm.lock": UV}, "pdm.lock"),
        (
            {"requirements.txt": "", "Pipfile.lock": '{"default": {"django": {"version": "==5"}}}'},
            "Pipfile.lock",
        ),
        (
            {"requirements.txt": "", "pyproject.toml": "[project]\ndependencies=['Django']\n"},
            "pyproject.toml",
        ),
        (
            {
                "requirements.txt": "",
                "pyproject.toml": "[tool.poetry.dependencies]\npython='^3.11'\ndjango='^5'\n",
            },
            "pyproject.toml",
        ),
        (
            {
                "requirements.txt": "",
                "pyproject.toml": "[project]\ndependencies=['Django']\n[dependency-groups]\nprod=['x']\n",
            },
            "pyproject.toml[prod]",
        ),
        (
            {
                "requirements/base.txt": "django",
                "requirements/live.txt": "django",
                "Dockerfile": "RUN pip install -r requirements/base.txt",
            },
            "requirements/base.txt",
        ),
        # Near-misses: a list for the documentation, a lock of another language, settings of tools alone.
        ({"docs/requirements.txt": "django", "yarn.lock": "", "pyproject.toml": "[tool.ruff]\n"}, None),
    ],
)
def test_the_file_that_says_what_to_install(found, files, expected):
    assert found(PLAIN, files).get("APP_REQUIREMENTS") == expected


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("environment.yml", "dependencies:\n  - django=5\n", "environment.yml is conda's"),
        ("Pipfile", "[packages]\ndjango='*'\n", "pipenv lock"),
        ("README", "", "write a requirements.txt"),
        ("setup.cfg", "[options]\ninstall_requires =\n    flask\n", "setup.cfg asks for neither"),
    ],
)
def test_no_file_that_says_it_is_a_question(make, name, text, words):
    files = {path: content for path, content in PLAIN.items() if path != "requirements.txt"}
    proposal = propose(make(files, {name: text}))
    assert proposal.lacking == ["APP_REQUIREMENTS"]
    assert words in " ".join(proposal.findings.questions)


@pytest.mark.parametrize(
    ("line", "run", "build"),
    [
        ("Pillow", None, None),
        ("psycopg2-binary", None, None),
        ("psycopg[binary]", None, None),
        ("psycopg2==2.9", "libpq5", "gcc python3-dev libpq-dev"),
        ("psycopg[c,pool]", "libpq5", "gcc python3-dev libpq-dev"),
        ("mysqlclient", "libmariadb3", "gcc python3-dev libmariadb-dev pkg-config"),
        ("python-magic", "libmagic1", None),
        ("thing @ git+https://example.org/thing", None, "git"),
        ("git+https://example.org/thing#egg=thing", None, "git"),
    ],
)
def test_the_debian_packages_of_a_requirement(found, line, run, build):
    values = found(PLAIN, {"requirements.txt": f"Django\n{line}\n"})
    assert (values.get("APP_PACKAGES"), values.get("APP_BUILD_PACKAGES")) == (run, build)


def test_geodjango(make):
    gis = 'INSTALLED_APPS = ["django.contrib.gis"]\nROOT_URLCONF = ""\n'
    gis += 'DATABASES = {"default": {"ENGINE": "django.contrib.gis.db.backends.postgis"}}\n'
    proposal = propose(make(PLAIN, {"mysite/settings.py": gis}))
    assert proposal.lines["APP_PACKAGES"].value == "binutils gdal-bin libproj-dev"
    assert "mysite/settings.py:1" in proposal.lines["APP_PACKAGES"].why
    assert "PostGIS (mysite/settings.py:3)" in " ".join(proposal.findings.questions)


# --- Python ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "suite"),
    [
        ({}, None),
        ({"pyproject.toml": "[project]\nrequires-python='>=3.10'\n"}, None),
        ({"pyproject.toml": "[project]\nrequires-python='>=3.14'\n"}, "forky"),
        ({"pyproject.toml": "[project]\nrequires-python='>=3.9,<3.13'\n"}, "bookworm"),
        ({"pyproject.toml": "[tool.poetry.dependencies]\npython='^3.11'\n"}, None),
        ({"pyproject.toml": "[tool.poetry.dependencies]\npython='~3.11'\n"}, "bookworm"),
        ({"setup.cfg": "[options]\npython_requires = >=3.8, <3.10\n"}, "bullseye"),
        ({"setup.py": "setup(\n  python_requires='<3.12',\n)\n"}, "bookworm"),
        ({"runtime.txt": "python-3.11.9\n"}, "bookworm"),
        ({".python-version": "3.12.4\n"}, None),
        ({".python-version": "3.10\n"}, "bookworm"),
        ({"Pipfile": '[requires]\npython_version = "3.9"\n'}, "bullseye"),
        ({"Dockerfile": "FROM docker.io/python:3.11-slim AS base\n"}, "bookworm"),
        ({"Dockerfile": "ARG PYTHON_VERSION=3.14\nFROM python:${PYTHON_VERSION}\n"}, "forky"),
        # Near-misses: other images, the tests' own, a folder that is none of the project's.
        ({"Dockerfile": "FROM node:20\n", "compose/local/Dockerfile": "FROM python:3.9\n"}, None),
        ({"tests/Dockerfile": "FROM python:3.9\n", "docs/runtime.txt": "python-3.9\n"}, None),
    ],
)
def test_the_debian_release_that_has_its_python(found, files, suite):
    assert found(PLAIN, files).get("APP_DEBIAN") == suite


def test_a_python_that_no_debian_has_is_a_question(make):
    proposal = propose(make(PLAIN, {"pyproject.toml": "[project]\n\nrequires-python = '==3.12.*'\n"}))
    assert "APP_DEBIAN" not in proposal.lines
    assert any("==3.12.* (pyproject.toml:3)" in question for question in proposal.findings.questions)


@pytest.mark.parametrize(
    ("words", "fits"),
    [
        (">=3.9", "3.9 3.11 3.13 3.14"),
        (">3.11", "3.13 3.14"),
        (">=3.9,!=3.11.*", "3.9 3.13 3.14"),
        ("~=3.11", "3.11 3.13 3.14"),
        ("~=3.11.2", "3.11"),
        ("==3.13.*", "3.13"),
        ("^3.9 || ^4.0", "3.9 3.11 3.13 3.14"),
        ("<=3.11", "3.9 3.11"),
        ("3.11.*", "3.11"),
        (">= 3.11, < 3.14", "3.11 3.13"),
        ("<3.13.2", "3.9 3.11 3.13"),
        ("<4", "3.9 3.11 3.13 3.14"),
    ],
)
def test_specifiers_of_a_python(words, fits):
    found = [interpreter.number(each) for each in interpreter.SUITES if interpreter.satisfies(each, words)]
    assert " ".join(found) == fits


# --- Processes, folders ------------------------------------------------------------------------------


def test_worker_channels_by_a_literal_and_by_a_name(found):
    source = (
        "from channels.routing import ChannelNameRouter, ProtocolTypeRouter\nfrom .names import LAST\n"
        'channels = {"thumbs": 1, LAST: 2}\n'
        'application = ProtocolTypeRouter({"channel": ChannelNameRouter(channels)})\n'
    )
    files = {"mysite/asgi.py": source, "mysite/names.py": 'LAST = "last"\n', "tests/routing.py": source}
    assert found(PLAIN, files)["APP_WORKER_CHANNELS"] == "thumbs last"


def test_worker_channels_that_only_running_tells_are_a_question(make):
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


def test_queues_and_commands_of_start_scripts_are_questions(make):
    files = {
        "mysite/celery.py": CELERY.format("app") + '\n@app.task(queue="slow")\ndef work(): ...\n',
        "Procfile": "release: python manage.py migrate && python manage.py loaddata first\n",
    }
    text = " ".join(propose(make(PLAIN, files)).findings.questions)
    assert "slow: mysite/celery.py:4" in text and "-Q celery,slow" in text
    assert "manage.py loaddata first (Procfile:1)" in text and "migrate (" not in text


def test_folders_that_are_kept_empty_are_volumes(found, make):
    source = SETTINGS + (
        "BASE = 1\nPAPERS = BASE / 'papers'\nLOGS = os.path.join(BASE, 'var', 'log')\nCODE = BASE / 'mysite'\n"
        "MEDIA_ROOT = BASE / 'media'\nTEMPLATES = [{'DIRS': [BASE / 'templates']}]\n"
    )
    empty = {f"{folder}/.gitkeep": "" for folder in ("papers", "var/log", "media", "templates", "unnamed")}
    assert found(PLAIN, {"mysite/settings.py": source}, empty)["APP_VOLUMES"] == "papers var/log"


def test_sqlite_is_told_and_its_folder_is_a_volume_only_where_it_stays(make):
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


# --- Variables ---------------------------------------------------------------------------------------

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


# --- Writing -----------------------------------------------------------------------------------------


def wanted(**values):
    return {
        name: Line(name, value, "mysite/x.py:1") for name, value in {"APP_DIR": "../../p", **values}.items()
    }


@pytest.mark.parametrize(
    ("names", "value"), [(("development", "production"), "production"), (("one", "two"), None)]
)
def test_the_variable_that_chooses_the_files_of_settings(make, names, value):
    """django-split-settings: its default is a developer's, and the files tell what production is called."""
    folder = make(
        PLAIN,
        {
            "mysite/settings.py": "from os import environ\nfrom split_settings.tools import include, optional\n"
            'environ.setdefault("SITE_ENV", "development")\nENV = environ["SITE_ENV"]\n'
            'include("parts/common.py", optional(f"environments/{ENV}.py"))\n',
            "mysite/parts/common.py": SETTINGS,
            **{f"mysite/environments/{name}.py": "DEBUG = False\n" for name in names},
        },
    )
    (variable,) = propose(folder).variables
    assert (variable.name, variable.value) == ("SITE_ENV", value)


def test_lines_are_written_where_the_example_has_them_and_once():
    example = EXAMPLE.read_text()
    first = lines.merge(
        example, example, wanted(APP_SETTINGS="a.b", APP_DEBIAN="trixie", APP_RELEASE_COMMANDS=""), NAMES
    )
    assert (
        "\n#APP_SETTINGS=config.settings\n# make adopt wrote APP_SETTINGS=a.b: mysite/x.py:1\nAPP_SETTINGS=a.b\n"
        in first.text
    )
    assert "\nAPP_DEBIAN" not in first.text, "what is the default needs no line"
    assert "APP_RELEASE_COMMANDS=demo" not in first.text and "\nAPP_RELEASE_COMMANDS=\n" in first.text
    again = lines.merge(first.text, example, wanted(APP_SETTINGS="a.b", APP_RELEASE_COMMANDS=""), NAMES)
    assert again.text == first.text and again.changed == [] and again.kept == []


def test_what_adopt_wrote_follows_the_project_and_is_said():
    example = EXAMPLE.read_text()
    first = lines.merge(example, example, wanted(APP_SETTINGS="a.b", APP_PACKAGES="libpq5"), NAMES)
    then = lines.merge(first.text, example, wanted(APP_SETTINGS="a.c"), NAMES)
    assert "APP_SETTINGS=a.b" not in then.text and "\nAPP_SETTINGS=a.c\n" in then.text
    assert "\nAPP_PACKAGES=" not in then.text
    assert "was APP_SETTINGS=a.b" in then.changed[0] and "APP_PACKAGES=libpq5 is gone" in then.changed[1]


def test_an_operators_own_lines_stay_and_that_is_said():
    example = EXAMPLE.read_text()
    own = example + "\nDOMAINS=a.example\nAPP_SETTINGS=mine\nAPP_PACKAGES=ffmpeg\n"
    merged = lines.merge(own, example, wanted(APP_SETTINGS="a.b", APP_PACKAGES="ffmpeg"), NAMES)
    assert merged.text.endswith("\nDOMAINS=a.example\nAPP_SETTINGS=mine\nAPP_PACKAGES=ffmpeg\n")
    (kept,) = merged.kept
    assert kept.startswith("APP_SETTINGS=mine is yours and stays; adopt would write APP_SETTINGS=a.b")
    # So is one that adopt wrote and an operator changed.
    written = lines.merge(example, example, wanted(APP_SETTINGS="a.b"), NAMES).text
    edited = written.replace("\nAPP_SETTINGS=a.b\n", "\nAPP_SETTINGS=mine\n")
    assert "\nAPP_SETTINGS=mine\n" in lines.merge(edited, example, wanted(APP_SETTINGS="a.b"), NAMES).text


def test_lines_of_another_project_are_not_mixed_with_this_one():
    example = EXAMPLE.read_text()
    own = example + "\nAPP_DIR=../../other\nAPP_SETTINGS=other.settings\n"
    with pytest.raises(Failure, match=r"describes \.\./\.\./other: remove its lines APP_SETTINGS"):
        lines.merge(own, example, wanted(APP_SETTINGS="a.b"), NAMES)
    moved = lines.merge(
        example, example, wanted(APP_SETTINGS="other.settings", APP_DIR="../../other"), NAMES
    ).text
    merged = lines.merge(moved, example, wanted(APP_SETTINGS="a.b"), NAMES)
    assert (
        "was APP_DIR=../../other" in merged.changed[0]
        and "was APP_SETTINGS=other.settings" in merged.changed[1]
    )


def test_adopt_writes_both_files_once_and_prints_no_secret(make, deployment, capfd):
    source = (
        SETTINGS + 'import os\nSECRET_KEY = os.environ["KEY"]\nAPI = os.environ["API"]\nB = os.environ["B"]\n'
    )
    folder = make(PLAIN, {"mysite/settings.py": source, ".env.production": "API=topsecret $1\n"})
    command.adopt(deployment, str(folder))
    said = capfd.readouterr().out
    text = deployment.application.read_text()
    assert "\nAPI='topsecret $1'\n" in text and "\n#B=\n" in text and "mysite/settings.py:5, required" in text
    assert "topsecret" not in said and "API    (mysite/settings.py:5; .env.production:1)" in said
    assert (
        "B: mysite/settings.py:6 wants this variable" in said and "channels-stack doctor" in said
    ) or "doctor" in said
    assert deployment.application.stat().st_mode & 0o77 == 0
    before = deployment.settings.read_text(), text
    deployment.application.write_text(text.replace("#B=", "B=1"))
    command.adopt(deployment, str(folder))
    said = capfd.readouterr().out
    assert (
        deployment.settings.read_text(),
        deployment.application.read_text().replace("B=1", "#B="),
    ) == before
    assert "wants this variable" not in said and "says all that was found already" in said


def test_adopt_ends_with_what_a_person_has_to_write(make, deployment, capfd):
    folder = make({name: text for name, text in PLAIN.items() if "asgi" not in name})
    with pytest.raises(Failure, match="APP_ASGI could not be determined"):
        command.adopt(deployment, str(folder))
    with deployment.settings.open("a") as file:
        file.write("APP_ASGI=mysite.wsgi:application\n")
    command.adopt(deployment, str(folder))


def test_up_says_in_one_line_what_adopt_would_write(make, deployment):
    folder = make(PLAIN)
    deployment.folder.mkdir()
    deployment.settings.write_text(f"APP_DIR={folder}\n")
    with pytest.raises(Failure) as refused:
        command.undescribed(deployment, settings.load(deployment.settings))
    text = str(refused.value)
    assert "\n" not in text and f"make adopt P={folder}" in text
    assert "APP_SETTINGS=mysite.settings, APP_ASGI=mysite.asgi:application" in text
    deployment.settings.write_text(f"APP_DIR={folder}\nAPP_SETTINGS=a\nAPP_ASGI=b:c\n")
    command.undescribed(deployment, settings.load(deployment.settings))
    deployment.settings.write_text("DOMAINS=localhost\n")
    command.undescribed(deployment, settings.load(deployment.settings))


def test_the_doctor_takes_the_lines_of_stack_env_or_those_that_adopt_finds(make, deployment, capfd):
    folder = make(
        below("server", SPLIT) | {"server/config/settings/heroku.py": "from .base import *\nDEBUG = True\n"}
    )
    command.doctor(deployment, str(folder))
    assert "server/config/settings/production.py" in capfd.readouterr().out
    deployment.folder.mkdir()
    deployment.settings.write_text(
        f"APP_DIR={folder}\nAPP_PATH=server\nAPP_SETTINGS=config.settings.heroku\nAPP_ASGI=x:y\n"
    )
    for path in ("", str(folder), os.path.relpath(folder)):
        command.doctor(deployment, path)
        assert "server/config/settings/heroku.py" in capfd.readouterr().out


def test_the_doctor_leaves_out_what_the_stack_sets_unless_the_overlay_is_off(make, deployment, capfd):
    folder = make(PLAIN, {"mysite/settings.py": SETTINGS + "ALLOWED_HOSTS = []\n"})
    command.doctor(deployment, str(folder))
    said = capfd.readouterr().out
    assert "E509" not in said and "left out, which the stack itself sets right" in said
    deployment.folder.mkdir()
    deployment.settings.write_text(f"APP_DIR={folder}\nAPP_SETTINGS=mysite.settings\nAPP_OVERLAY=-hosts\n")
    command.doctor(deployment, "")
    assert "E509 ALLOWED_HOSTS is empty" in capfd.readouterr().out
