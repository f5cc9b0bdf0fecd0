"""docs/versions.md has the rows and the cases of the matrix, whenever it was written."""

import importlib
import re
import sys

import pytest


@pytest.fixture
def matrix(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "tests/versions"))
    yield importlib.import_module("matrix")
    del sys.modules["matrix"]


def rows(page: str, first: str) -> list[list[str]]:
    """The cells of the table whose head begins with the column FIRST, the head among them."""
    table = page[page.index(f"| {first} |") :].partition("\n\n")[0]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return [line for line in lines if set(line[0]) != {"-"}]


@pytest.fixture
def page(root):
    return (root / "docs/versions.md").read_text()


def test_each_row_of_the_matrix_has_its_versions(matrix, page):
    _, *told = rows(page, "Debian")
    assert len(told) == len(matrix.ROWS)
    for row, cells in zip(matrix.ROWS, told, strict=True):
        pins = " ".join(f"`{package}{version}`" for package, version in row.pins.items()) or "the newest"
        assert (cells[0], cells[1], cells[-2:]) == (row.debian, pins, [row.http, row.ws])
        assert cells[2].startswith(f"{row.python}."), f"{row.name} is meant for Python {row.python}"


def test_each_row_of_the_matrix_has_its_cases(matrix, page):
    head, *told = rows(page, "row")
    assert head[1 : 1 + len(matrix.CASES)] == list(matrix.CASES)
    for row, cells in zip(matrix.ROWS, told, strict=True):
        assert cells[0] == row.name
        assert [case for case, mark in zip(matrix.CASES, cells[1:], strict=False) if mark == "no"] == [
            case for case in matrix.CASES if case in row.cannot
        ]


def test_every_case_has_a_test_and_every_lack_its_reason(matrix, page, root):
    tests = set(
        re.findall(r"^def test_(\w+)\(row", (root / "tests/versions/test_versions.py").read_text(), re.M)
    )
    assert tests == set(matrix.CASES)
    assert all(
        f"{row.name}, {case}: {lack.why}." in page for row in matrix.ROWS for case, lack in row.cannot.items()
    )
