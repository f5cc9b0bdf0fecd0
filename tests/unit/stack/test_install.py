"""images/app/install.py: which versions it warns of, and what it makes of pip's words."""

import importlib.util
import sys

import pytest


@pytest.fixture
def install(root):
    sys.path.insert(0, str(root / "images/app"))  # as Python does for the program that it runs
    spec = importlib.util.spec_from_file_location("install", root / "images/app/install.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path.pop(0)
    return module


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
def test_a_version_below_the_floor_is_told_with_the_way_out(install, package, version, told):
    said = install.notices({package: version}, "/src/project/requirements.txt")
    assert len(said) == told
    assert all(line.startswith(f"{package} {version} ") and "requirements.txt" in line for line in said)


@pytest.mark.parametrize(
    ("text", "numbers"), [("4.3.2", (4, 3, 2)), ("5.0rc1", (5, 0)), ("1.2.post1", (1, 2))]
)
def test_the_numbers_of_a_version(install, text, numbers):
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
        ("ERROR: ResolutionImpossible: for help", "contradict each other"),
        ("ERROR: Invalid requirement: 'a==': Expected", "APP_REQUIREMENTS: Invalid requirement: 'a=='"),
        ("Killed", "pip could not install"),
    ],
)
def test_what_pip_says_becomes_one_line(install, output, words):
    said = install.why(output)
    assert words in said and "\n" not in said
