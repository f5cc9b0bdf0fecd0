"""make adopt: where a project's settings and its ASGI application are, and what is no project."""

import pytest
from layouts import ASGI, MANAGE, MYSITE, PLAIN, ROUTER, SETTINGS, SPLIT, below

from channels_stack_deploy.adopt.proposal import propose
from channels_stack_deploy.adopt.tree import pieces
from channels_stack_deploy.console import Failure


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


def test_settings_that_a_line_of_tests_names_are_not_for_production(found):
    other = {"signing/__init__.py": "", "signing/settings.py": SETTINGS}
    makefile = {
        "Makefile": "check:\n\tDJANGO_SETTINGS_MODULE=signing.settings python3 -m coverage run manage.py test\n"
    }
    tox = {"tox.ini": "[testenv]\nsetenv =\n    DJANGO_SETTINGS_MODULE=signing.settings\n"}
    assert found(PLAIN, other, makefile, tox) == MYSITE
    started = {"Procfile": "web: DJANGO_SETTINGS_MODULE=signing.settings daphne mysite.asgi:application\n"}
    assert found(PLAIN, other, started)["APP_SETTINGS"] == "signing.settings"


@pytest.mark.parametrize(
    "source",
    [
        "from .serving import build\nserver = build()\n",
        "from .serving import server\n",
        "from .serving import *\n",
        "class Server: ...\n\nserver: Server = Server()\n",
    ],
)
def test_what_the_project_names_itself_is_served_however_it_is_made(found, source):
    source = "from django.core.asgi import get_asgi_application\npages = get_asgi_application()\n" + source
    asgi = {"mysite/asgi.py": source}
    named = {"mysite/settings.py": SETTINGS + 'ASGI_APPLICATION = "mysite.asgi.server"\n'}
    assert found(PLAIN, asgi, named)["APP_ASGI"] == "mysite.asgi:server"
    started = {"Procfile": "web: daphne -b 0.0.0.0 mysite.asgi:server\n"}
    assert found(PLAIN, asgi, started)["APP_ASGI"] == "mysite.asgi:server"


def test_a_name_that_is_not_there_is_not_served(found):
    named = {"mysite/settings.py": SETTINGS + 'ASGI_APPLICATION = "mysite.asgi.server"\n'}
    assert found(PLAIN, named)["APP_ASGI"] == "mysite.asgi:application"


def test_two_asgi_modules_without_a_difference_are_a_question(make):
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
        (
            "pages = get_asgi_application()\ndef build(): return ProtocolTypeRouter({})\napplication = build()\n",
            "application",
        ),
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


def test_the_project_in_the_examples_of_a_library(make):
    library = {
        "tools/__init__.py": "",
        "tools/models.py": '"""Needs tools among INSTALLED_APPS."""\n',
        "tools/templatetags/__init__.py": "",
        "tools/templatetags/tools.py": "",
        "tests/settings.py": "INSTALLED_APPS = []\n",
    }
    views = {"example/mysite/views.py": "import tools\n"}
    lines = propose(make(below("example", PLAIN), library, views)).lines
    assert lines["APP_SETTINGS"].value == "mysite.settings"
    assert lines["APP_PATH"].value == "example ."
    assert lines["APP_REQUIREMENTS"].value == "example/requirements.txt"


def test_a_member_of_a_workspace_is_adopted_with_what_it_takes_from_there(make):
    def service(name):
        files = {path: text for path, text in PLAIN.items() if path != "requirements.txt"}
        files["celery.py"] = 'from celery import Celery\napp = Celery("x")\n' if name == "shop" else ""
        files["pyproject.toml"] = f'[project]\nname = "{name}"\ndependencies = ["lib"]\n'
        return below(f"services/{name}", files)

    lock = "".join(
        f'[[package]]\nname = "{name}"\n' + (f'dependencies = [{{ name = "{needed}" }}]\n' if needed else "")
        for name, needed in {
            "chat": "lib",
            "shop": "mysqlclient",
            "lib": "django",
            "mysqlclient": "",
            "django": "",
        }.items()
    )
    settings = {"services/chat/mysite/settings.py": "from shared.base import *\n" + SETTINGS}
    folder = make(
        service("chat"),
        service("shop"),
        settings,
        {
            "pyproject.toml": '[tool.uv.workspace]\nmembers = ["services/*", "libs/lib"]\n',
            "uv.lock": lock,
            "libs/lib/pyproject.toml": '[project]\nname = "lib"\ndependencies = ["django"]\n',
            "libs/lib/src/shared/__init__.py": "",
            "libs/lib/src/shared/base.py": "",
        },
    )
    proposal = propose(folder / "services/chat")
    lines = {name: line.value for name, line in proposal.lines.items()}
    assert proposal.folder == folder and lines.pop("APP_DIR").endswith("/project") and not proposal.impossible
    assert lines == MYSITE | {
        "APP_PATH": "services/chat libs/lib/src",
        "APP_REQUIREMENTS": "services/chat/pyproject.toml",
        "APP_RELEASE_COMMANDS": "",
    }
    assert propose(folder / "services/shop").lines["APP_PACKAGES"].value == "libmariadb3"
    with pytest.raises(Failure, match=r"2 Django projects.*P=\S+/services/chat"):
        propose(folder)


def test_a_folder_below_a_member_of_a_workspace_is_none(make):
    """`*` is one folder, for uv and for the build."""
    folder = make(
        below("services/chat/inner", PLAIN),
        {"pyproject.toml": '[tool.uv.workspace]\nmembers = ["services/*"]\n'},
    )
    assert propose(folder / "services/chat/inner").folder == folder / "services/chat/inner"
