"""The picture of docs/reference/performance.md: drawn from the page's own table."""

import json
import runpy

import pytest


@pytest.fixture
def plot(root):
    """The names of the program that draws it."""
    return runpy.run_path(str(root / "tests/bench/realtime/plot.py"))


def test_the_picture_shows_the_table(root, plot):
    page = root / "docs/reference/performance.md"
    marks = plot["of_page"](page.read_text())
    assert {mark.side for mark in marks} >= {"uvicorn", "daphne", "ours", "limit"}
    found = (root / "docs/reference/performance.svg").read_text()
    again = f"python3 tests/bench/realtime/plot.py {page.relative_to(root)} docs/reference/performance.svg"
    assert found == plot["svg"](marks), f"run: {again}"


def test_a_side_that_did_not_finish_has_no_mark(plot):
    line = {"measure": "echo", "side": "ours", "ratio": 2.0, "lowest": 1.5, "highest": 2.5}
    lost = line | {"side": "daphne", "ratio": float("nan")}
    assert plot["of_json"](json.dumps({"lines": [line, lost]})) == [("echo", "ours", 2.0, 1.5, 2.5)]
