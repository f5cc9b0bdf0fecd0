"""docs/reference/versions.md has the rows and the cases of the matrix, whenever it was written."""

import importlib
import re
import sys

import pytest


@pytest.fixture
def table(root, monkeypatch, tmp_path):
    """The module that writes the page; it keeps results in a folder of this test's."""
    monkeypatch.syspath_prepend(str(root / "tests/versions"))
    module = importlib.import_module("table")
    monkeypatch.setattr(module, "KEPT", tmp_path / "kept/versions.json")
    yield module
    for name in ("table", "matrix"):
        del sys.modules[name]


@pytest.fixture
def matrix(table):
    return sys.modules["matrix"]


def rows(page: str, first: str) -> list[list[str]]:
    """The cells of the table whose head begins with the column FIRST, the head among them."""
    table = page[page.index(f"| {first} |") :].partition("\n\n")[0]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return [line for line in lines if set(line[0]) != {"-"}]


@pytest.fixture
def page(root):
    return (root / "docs/reference/versions.md").read_text()


def test_each_row_of_the_matrix_has_its_versions(matrix, page):
    _, *told = rows(page, "Debian")
    assert len(told) == len(matrix.ROWS)
    for row, cells in zip(matrix.ROWS, told, strict=True):
        pins = " ".join(f"`{package}{version}`" for package, version in row.pins.items()) or "the newest"
        assert (cells[0], cells[1], cells[-2:]) == (row.debian, pins, [row.http, row.ws])
        assert cells[2] == "–" or cells[2].startswith(f"{row.python}."), (
            f"{row.name} wants Python {row.python}"
        )


def test_each_row_of_the_matrix_has_its_cases(table, matrix, page):
    head, *told = rows(page, "row")
    assert head[1 : 1 + len(matrix.CASES)] == list(matrix.CASES)
    for row, cells in zip(matrix.ROWS, told, strict=True):
        assert cells[0] == row.name
        marks = dict(zip(matrix.CASES, cells[1:], strict=False))
        wanted = {case: "no" if case in row.cannot else "yes" for case in matrix.CASES}
        assert marks == wanted or (set(marks.values()) == {"–"} and cells[-1] == table.NOT_YET)


def test_every_case_has_a_test_and_every_lack_its_reason(matrix, page, root):
    tests = set(
        re.findall(r"^def test_(\w+)\(row", (root / "tests/versions/test_versions.py").read_text(), re.M)
    )
    assert tests == set(matrix.CASES)
    assert all(
        f"{row.name}, {case}: {lack.why}." in page for row in matrix.ROWS for case, lack in row.cannot.items()
    )


def seen(table, row, **outcomes: str):
    """A run that has seen ROW, where all went well but for these OUTCOMES."""
    run = table.Run()
    cases = {case: "skipped" if case in row.cannot else "passed" for case in table.CASES}
    run.results[row.name] = table.Result({**cases, **outcomes}, {}, row.pins, "2026-11-22", 1, 2)
    return run


def test_the_page_is_complete_when_each_row_was_seen_once(table, matrix):
    first, *others = matrix.ROWS
    assert seen(table, first).keep() == [row.name for row in others]
    for row in others:
        run = seen(table, row)
        missing = run.keep()
    assert missing == [] and all(f"| {row.name} |" in table.text(run) for row in matrix.ROWS)


def test_a_row_that_went_wrong_or_was_changed_is_not_kept(table, matrix):
    row = matrix.ROWS[0]
    assert row.name in seen(table, row, worker="failed").keep()
    run = seen(table, row)
    run.results[row.name].pins = {"Django": "==1.0"}
    assert row.name in run.keep()
