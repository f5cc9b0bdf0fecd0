"""README says what is true: its settings, its verbs, its length."""

import itertools
import re

import pytest

from stack import settings


@pytest.fixture
def readme(root):
    return (root / "README.md").read_text()


def test_the_settings_table_is_the_example(readme):
    told = dict(re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \| `?([^|`]*?)`? \|", readme, re.M))
    assert {name: value.strip() for name, value in told.items()} == settings.defaults()


def test_every_verb_it_names_exists(readme, root):
    verbs = set(re.findall(r"^([a-z]+):", (root / "Makefile").read_text(), re.M))
    assert set(re.findall(r"`make ([a-z]+)", readme)) - verbs == set()


def test_every_verb_has_a_line_of_help(root):
    lines = (root / "Makefile").read_text().splitlines()
    bare = [
        line
        for before, line in itertools.pairwise(lines)
        if re.match(r"[a-z]+:", line) and not before.startswith("## ")
    ]
    assert bare == []


def test_every_file_it_names_exists_or_is_made(readme, root):
    made = ("compose/stack.env", "compose/app.env", "compose/secrets", "compose/tls")
    paths = set(re.findall(r"`((?:app|compose|images|tests)/[\w./-]*)`", readme))
    assert [path for path in sorted(paths) if not path.startswith(made) and not (root / path).exists()] == []


def test_it_stays_readable(readme):
    assert len(readme.splitlines()) <= 200
