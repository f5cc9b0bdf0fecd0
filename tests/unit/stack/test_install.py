"""images/app/install.py: which versions it warns of, and what it makes of pip's words."""

import install
import pytest


@pytest.mark.parametrize(
    ("package", "version", "told"),
    [
        ("daphne", "4.2.1", True),
        ("daphne", "4.2.2", False),
        ("autobahn", "25.9.1", True),
        ("autobahn", "25.10.1", False),
        ("django", "5.2.3", True),
        ("django", "6.0", False),
    ],
)
def test_a_version_below_the_floor_is_reported_with_the_fix(package, version, told):
    said = install.notices({package: version}, "/srv/app/requirements.txt")
    assert len(said) == told
    assert all(line.startswith(f"{package} {version} ") and "requirements.txt" in line for line in said)


@pytest.mark.parametrize(
    ("text", "numbers"), [("4.3.2", (4, 3, 2)), ("5.0rc1", (5, 0)), ("1.2.post1", (1, 2))]
)
def test_the_numbers_of_a_version(text, numbers):
    assert install.version(text) == numbers


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("ERROR: Failed building wheel for cffi\nFailed to build cffi", "no wheel of cffi for Python 3"),
        ("Collecting psycopg2==2.9\nerror: metadata-generation-failed", "no wheel of psycopg2==2.9 for"),
        (
            "Collecting psycopg-c==3.2.4\ncouldn't run 'pg_config'\nerror: metadata-generation-failed",
            "(gcc python3-dev libpq-dev, and libpq5 in APP_PACKAGES)",
        ),
        ("ERROR: No matching distribution found for djangoo==5", "there is no djangoo==5 for Python 3"),
        (
            "ERROR: Ignored the following versions that require a different python version: 6.0 Requires-Python >=3.12; "
            "9.1 Requires-Python >=3.14\nERROR: No matching distribution found for Django==9.1",
            "requires Python >=3.14: correct it in APP_REQUIREMENTS, or set APP_DEBIAN=forky (Python 3.14)",
        ),
        ("ERROR: ResolutionImpossible: for help", "contradict each other"),
        ("ERROR: Invalid requirement: 'a==': Expected", "APP_REQUIREMENTS: Invalid requirement: 'a=='"),
        ("Killed", "pip could not install"),
        (
            "ERROR: Distributions from PyPI cannot declare direct URL dependencies.\n"
            "autobahn depends on web3[ipfs] @ git+https://github.com/ethereum/web3.py.git ; extra == 'all'\n",
            "ask for a newer autobahn",
        ),
    ],
)
def test_what_pip_says_becomes_one_line(output, words):
    said = install.why(output)
    assert words in said and "\n" not in said


@pytest.mark.parametrize(
    ("wanted", "here", "refused", "told"),
    [
        (
            ">=3.14",
            "3.13",
            "requires Python >=3.14, and this image has 3.13: set APP_DEBIAN=forky (Python 3.14)",
            "",
        ),
        (">=3.10,<3.13", "3.9", "set APP_DEBIAN=bookworm (Python 3.11)", ""),
        (">=3.12", "3.11", "set APP_DEBIAN=trixie (Python 3.13)", ""),
        (
            ">=3.20",
            "3.13",
            "no Debian release has that (trixie 3.13, forky 3.14, bookworm 3.11, bullseye 3.9)",
            "",
        ),
        (
            ">=3.10,<3.13",
            "3.13",
            "",
            "where that is more than caution, set APP_DEBIAN=bookworm (Python 3.11)",
        ),
        ("==3.12.*", "3.13", "", "no Debian release has that"),
        (">=3.13.2", "3.13", "", ""),
        (">=3.11", "3.13", "", ""),
        ("whatever", "3.13", "", ""),
    ],
)
def test_the_python_that_a_project_wants_is_compared(capsys, wanted, here, refused, told):
    if refused:
        with pytest.raises(SystemExit) as end:
            install.refuse_python("pyproject.toml:4", wanted, here)
        assert refused in str(end.value) and "pyproject.toml:4" in str(end.value)
    else:
        install.refuse_python("pyproject.toml:4", wanted, here)
    said = capsys.readouterr().out
    assert (told in said) if told else ("requires" not in said)


def test_it_is_compared_before_anything_is_installed(tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        "[project]\nname = 'x'\nrequires-python = '>=3.39'\ndependencies = []\n"
    )
    with pytest.raises(SystemExit, match=r"pyproject\.toml:3 requires Python >=3\.39"):
        install.install_application(None, tmp_path, "pyproject.toml", "")


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("pyproject.toml", "[project]\nrequires-python = '>=3.14'\n", [("app/pyproject.toml:2", ">=3.14")]),
        (
            "pyproject.toml",
            "[tool.poetry.dependencies]\npython = '^3.11 || ^4'\n",
            [("app/pyproject.toml:2", ">=3.11,<4")],
        ),
        ("setup.cfg", "[options]\npython_requires = >=3.8\n", [("app/setup.cfg:2", ">=3.8")]),
        ("pyproject.toml", "[tool.black]\n", []),
    ],
)
def test_where_a_project_says_its_python(tmp_path, name, text, found):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / name).write_text(text)
    assert list(install.wanted_pythons(tmp_path, tmp_path / "app/requirements.txt")) == found


def test_adopt_and_the_build_know_the_same_pythons():
    from channels_stack_deploy.adopt import interpreter

    known = {suite: interpreter.number(python) for python, suite in interpreter.SUITES.items()}
    assert known == install.PYTHONS


@pytest.mark.parametrize(
    ("present", "words"),
    [
        ({"django": "5.2.19", "channels": "4.0.0"}, ""),
        ({"django": "5.2.19"}, ""),
        ({"sphinx": "9.0"}, "does not ask for Django: is it the right APP_REQUIREMENTS?"),
        ({"django": "3.2", "channels": "3.0.5"}, "asks for channels 3.0.5, which is too old"),
    ],
)
def test_what_cannot_be_an_application_is_refused(present, words):
    assert install.unfit(present).startswith(words) and bool(install.unfit(present)) == bool(words)


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("rest_framework_simplejwt/__init__.py", "from pkg_resources import get_distribution\n", True),
        ("old/plugins.py", "import os\nimport pkg_resources\n", True),
        # Near-misses: it does without, its tests, setuptools itself.
        ("zope/__init__.py", "try:\n    import pkg_resources\nexcept ImportError:\n    pass\n", False),
        ("old/tests/test_plugins.py", "import pkg_resources\n", False),
        ("twisted/__main__.py", "from pkg_resources import load_entry_point\n", False),
        ("pkg_resources/__init__.py", "import pkg_resources\n", False),
    ],
)
def test_a_package_that_imports_pkg_resources_is_found(tmp_path, path, text, found):
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(text)
    assert install.importer_of_pkg_resources(tmp_path) == (path if found else "")
