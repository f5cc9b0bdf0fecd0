"""docs/reference/bad-input.md names tests that there are."""

import re

import pytest


@pytest.fixture
def named(root):
    text = (root / "docs/reference/bad-input.md").read_text()
    return re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text), re.findall(r"^\| (?!input|---).*\|$", text, re.M)


def test_each_row_has_a_test(named):
    tests, rows = named
    assert len(tests) == len(rows) > 40


def test_each_of_them_exists(named, root):
    tests, _ = named
    assert [
        f"{path}::{name}"
        for path, name in tests
        if not re.search(rf"^\s*(async )?(def|class) {name}\b", (root / path).read_text(), re.M)
    ] == []
