"""make adopt: what a project installs, and on which Python."""

import pytest
from layouts import PLAIN

from channels_stack.doctor import pythons
from channels_stack_deploy.adopt import interpreter, requirements
from channels_stack_deploy.adopt.proposal import propose

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
                "requirements.txt": "",
                "pyproject.toml": "[project]\ndependencies=['requests']\n[project.optional-dependencies]\n"
                "client=['rich']\nserver=['Django', 'channels']\nsigning=['Django']\ntests=['Django', 'pytest']\n",
            },
            "pyproject.toml[server]",
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
        ("opencv-python==4.9.0.80", "libgl1 libglib2.0-0", None),
        ("opencv-python-headless", None, None),
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
    assert proposal.lines["DB_PACKAGES"].value.split()[0] == "postgresql-17-postgis-3"
    assert "PostGIS (mysite/settings.py:3)" in proposal.lines["DB_PACKAGES"].why
    assert proposal.findings.questions == []


@pytest.mark.parametrize(
    ("engine", "requirement", "packages"),
    [
        (
            "django.contrib.gis.db.backends.spatialite",
            "",
            "postgresql-17-postgis-3 postgresql-17-postgis-3-scripts",
        ),
        ("django.db.backends.postgresql", "pgvector>=0.3", "postgresql-17-pgvector"),
        ("django.db.backends.postgresql", "", None),
    ],
)
def test_extensions_of_the_database(make, engine, requirement, packages):
    source = f'INSTALLED_APPS = []\nROOT_URLCONF = ""\nDATABASES = {{"default": {{"ENGINE": "{engine}"}}}}\n'
    folder = make(PLAIN, {"mysite/settings.py": source, "requirements.txt": f"Django\n{requirement}\n"})
    line = propose(folder).lines.get("DB_PACKAGES")
    assert (line and line.value) == packages
    assert "DB_PACKAGES" not in propose(folder, {"APP_OVERLAY": "-database"}).lines


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


@pytest.mark.parametrize(
    ("lines", "others", "suite"),
    [
        ("Django==4.1.7\nchannels==4.0.0\n", {}, "bookworm"),
        ("Django==4.0.10\nchannels==4.0.0\n", {}, "bullseye"),
        ("Django==4.2.3\ncelery==5.2.7\n", {}, "bookworm"),
        ("Django==4.2.3\ncffi==1.15.1\n", {}, "bookworm"),
        ("Django==4.2.3\ncffi==1.14.6\n", {}, "bullseye"),
        ("-r base.txt\n", {"base.txt": "Django==4.2.3\nnumpy==1.26.4\n"}, "bookworm"),
        ("Django==4.2.3\ncffi==1.16.0\n", {"Dockerfile": "FROM python:3.12\n"}, "bookworm"),
        ("", {"poetry.lock": UV + '\n[[package]]\nname = "pillow"\nversion = "9.5.0"\n'}, "bookworm"),
        ("Django==4.1.4\nhiredis==2.0.0\n", {}, "bullseye"),
        ("Django==4.2\nPyYAML==6.0\n", {}, "bookworm"),
        # Its Django runs on nothing so old: a compiler is what it takes, and the build says so.
        ("Django==5.2\nhiredis==2.0.0\n", {}, None),
        # Near-misses: what 3.13 runs, no pin, and a project that wants a newer Python all the same.
        ("Django==4.2.3\ncffi==1.17.0\nnumpy==2.1.0\ncelery==5.3.0\n", {}, None),
        ("Django>=3.2\ncffi>=1.14\n", {}, None),
        ("Django==5.2\ncffi==1.16.0\n", {"pyproject.toml": "[project]\nrequires-python='>=3.12'\n"}, None),
    ],
)
def test_the_debian_release_that_its_pins_were_made_for(found, lines, others, suite):
    assert found(PLAIN, {"requirements.txt": lines}, others).get("APP_DEBIAN") == suite


def test_the_pin_that_decides_is_named(make):
    folder = make(PLAIN, {"requirements.txt": "Django==4.1.7\ncffi==1.14.6\n"})
    assert "cffi==1.14.6 (requirements.txt:2)" in propose(folder).lines["APP_DEBIAN"].why


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("Django==3.2.5\nchannels==3.0.4\ndaphne==3.0.2\n", "channels==3.0.4 (requirements.txt:2)"),
        ("Django==4.2.3\nchannels==4.0.0\n", ""),
        ("Django==4.2.3\nchannels\n", ""),
        ("Django==4.2.3\ndaphne==3.0.2\n", ""),
    ],
)
def test_channels_3_is_named_before_anything_is_built(make, lines, words):
    too_old = propose(make(PLAIN, {"requirements.txt": lines})).impossible
    assert words in too_old and bool(too_old) == bool(words)
    assert not words or "daphne>=4.0" in too_old


@pytest.mark.parametrize(
    ("path", "source", "words"),
    [
        (
            "chat/consumers.py",
            "from channels.auth import channel_session_user\n",
            "Channels 1 (chat/consumers.py:1",
        ),
        ("mysite/routing.py", "from channels.routing import route\n", "from channels.routing import route"),
        ("chat/views.py", "def f():\n    print 'seen'\n", "Python 2 (chat/views.py:2: Missing parentheses"),
        ("chat/models.py", "try:\n    f()\nexcept A, e:\n    pass\n", "Python 2 (chat/models.py:3"),
        # Near-misses: newer Python, a script, a test, an import that may fail.
        ("chat/views.py", "def f(:\n", ""),
        ("tools/convert.py", "print 'seen'\n", ""),
        ("tests/test_old.py", "from channels import Group\n", ""),
        (
            "chat/compat.py",
            "try:\n    from channels import Group\nexcept ImportError:\n    Group = None\n",
            "",
        ),
        ("channels/__init__.py", "Group = None\nfrom channels import Group\n", ""),
    ],
)
def test_code_that_channels_4_cannot_run_is_named_before_anything_is_built(make, path, source, words):
    pinned = {"requirements.txt": "Django==2.0\nchannels==1.1.8\n"} if words else {}
    impossible = propose(make(PLAIN, {path: source}, pinned)).impossible
    assert words in impossible and bool(impossible) == bool(words)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("chat/old_consumers.py", "from channels import Group\n"),
        ("scripts/py2/models.py", "print 'seen'\n"),
    ],
)
def test_a_file_that_was_left_behind_keeps_no_project_from_being_adopted(make, path, source):
    """The rest is of Channels 4: nothing may import it, and the doctor reports it."""
    assert propose(make(PLAIN, {path: source})).impossible == ""


def test_samples_in_python_2_say_nothing_of_the_project(make):
    folder = make({name: text for name, text in PLAIN.items() if "asgi" not in name})
    (folder / "docs").mkdir()
    (folder / "docs/models.py").write_text("print 'seen'\n")
    assert propose(folder).impossible == ""


def test_what_only_development_locks_asks_for_nothing(make):
    """Celery of a developer's starts no worker, a driver that nobody's extra takes wants no compiler."""
    lock = """
        [[package]]
        name = "mysite"
        source = { virtual = "." }
        dependencies = [{ name = "channels" }, { name = "psycopg", extra = ["pool"] }]
        [package.dev-dependencies]
        dev = [{ name = "celery" }]
        [[package]]
        name = "channels"
        dependencies = [{ name = "django" }]
        [[package]]
        name = "django"
        [[package]]
        name = "psycopg"
        [package.optional-dependencies]
        c = [{ name = "psycopg-c" }]
        pool = [{ name = "psycopg-pool" }]
        [[package]]
        name = "psycopg-c"
        [[package]]
        name = "psycopg-pool"
        [[package]]
        name = "celery"
    """
    worker = {"mysite/celery.py": "from celery import Celery\napp = Celery('mysite')\n"}
    project = "[project]\nname = 'mysite'\n"
    found = propose(make(PLAIN, worker, {"uv.lock": lock, "pyproject.toml": project})).lines
    assert found["APP_REQUIREMENTS"].value == "uv.lock"
    assert not {"APP_COMMANDS", "APP_BUILD_PACKAGES", "APP_PACKAGES"} & found.keys()
    whole = lock.replace('"pool"] }]', '"c"] }, { name = "celery" }]')
    found = propose(make(PLAIN, worker, {"uv.lock": whole, "pyproject.toml": project})).lines
    assert "psycopg-c" in found["APP_BUILD_PACKAGES"].why and "celery" in found["APP_COMMANDS"].value


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        ('groups = ["dev"]', False),
        ('category = "dev"', False),
        ('groups = ["dev", "main"]', True),
        ("", True),
    ],
)
def test_groups_of_poetry_and_pdm_say_what_is_installed(make, entry, wanted):
    lock = f'{UV}\n[[package]]\nname = "mysqlclient"\n{entry}\n'
    found = propose(make(PLAIN, {"poetry.lock": lock})).lines
    assert ("mysqlclient" in found["APP_PACKAGES"].why) is wanted


UV_ABOVE = UV + '\n[[package]]\nname = "tools"\nversion = "1"\nsource = { editable = "../" }\n'


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"uv.lock": UV_ABOVE}, "uv.lock takes tools from ../"),
        ({"requirements.txt": "Django\nchannels\n-e ../tools\n"}, "requirements.txt:3 asks for ../tools"),
        # Near-misses: folders of the project.
        ({"uv.lock": UV_ABOVE.replace("../", "tools")}, ""),
        ({"requirements.txt": "Django\nchannels\n-e ./tools\n"}, ""),
    ],
)
def test_a_requirement_above_the_folder_is_named_with_the_folder_to_adopt(make, files, words):
    folder = make(PLAIN, files)
    impossible = propose(folder).impossible
    assert words in impossible and bool(impossible) == bool(words)
    assert not words or impossible.endswith(f"make adopt P={folder.parent}")


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


def test_every_suite_has_its_libraries():
    assert set(requirements.LDAP) == set(pythons.SUITES.values())
