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


def row(text, *words):
    """The cells of the one row of a table that begins with WORDS, behind them."""
    found = [line for line in text.splitlines() if line.startswith(f"| {' | '.join(words)} | ")]
    assert len(found) == 1, (words, found)
    return [cell.strip() for cell in found[0].split("|")[len(words) + 1 : -1]]


def section(text, title):
    """What is between the heading TITLE and the next one."""
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def view(text, name):
    """The table of pages for the view NAME."""
    return text.partition(f"| {name} view | requests/s")[2].partition("\n\n")[0]


def test_goals_repeat_the_figures_of_their_tables(root):
    page = (root / "docs/reference/performance.md").read_text()
    goals = section(page, "Goals of pages, the edge and an idle stack")
    for goal, name, handler in (
        ("a sync view, pages a second compared with Daphne", "sync", "one-hop"),
        ("an async view, the same", "async", "one-hop"),
        ("a sync view with one query, the same", "query", "pooled"),
    ):
        ratio = row(view(page, name), handler)[2].split()[0]
        assert float(row(goals, goal)[1].split()[0]) == pytest.approx(float(ratio), abs=0.051)
    processor, memory = row(section(page, "What an idle stack costs"), "all")
    assert row(goals, "processor time of an idle stack a minute")[1] == f"{processor} s"
    assert row(goals, "memory of an idle stack (PSS)")[1] == f"{memory} MiB"
    edge = row(goals, "pages through the edge, with TLS, compared with direct")[1].split()[0]
    assert f"edge / direct is {edge}" in section(page, "What the edge costs")
    tls = row(goals, "an idle WebSocket over TLS, memory of the edge")[1]
    assert (
        f"An idle WebSocket over TLS takes {tls} of the edge"
        in (root / "docs/operations/sizing.md").read_text()
    )
    traced = row(goals, "an echo with `TRACING_PERCENT=1`, CPU compared with off")[1]
    assert f"an echo that does nothing else {traced}" in (root / "docs/how-to/tracing.md").read_text()


def test_each_goal_says_whether_it_was_reached(root):
    page = (root / "docs/reference/performance.md").read_text()
    for title in ("Goals of the groups", "Goals of pages, the edge and an idle stack"):
        rows = [line for line in section(page, title).splitlines() if line.startswith("| ")][1:]
        verdicts = {line.split("|")[-2].strip().split(",")[0] for line in rows}
        assert len(rows) > 8 and verdicts <= {"reached", "missed", "stretch", "not measured"}
