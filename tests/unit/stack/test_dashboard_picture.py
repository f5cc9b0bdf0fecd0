"""docs/how-to/dashboard.svg and what draws it: tests/monitoring/picture.py, with answers of a real Prometheus."""

import json
import runpy
import xml.etree.ElementTree as ElementTree

import pytest

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def picture(root):
    """The names of the module that draws it."""
    return runpy.run_path(str(root / "tests/monitoring/picture.py"))


def panel(unit="s"):
    place = {"x": 0, "y": 0, "w": 8, "h": 7}
    return {"title": "Lag & load", "gridPos": place, "fieldConfig": {"defaults": {"unit": unit}}}


def test_the_committed_one_shows_each_panel_with_data(root):
    panels = json.loads((root / "images/monitoring/dashboard.json").read_text())["panels"]
    drawn = ElementTree.parse(root / "docs/how-to/dashboard.svg").getroot()
    texts = {each.text for each in drawn.iter(f"{SVG}text")}
    assert texts >= {each["title"] for each in panels}, (
        "run make test-monitoring, copy tests/.artifacts/dashboard.svg"
    )
    assert len([each for each in drawn.iter(f"{SVG}path") if each.get("d")]) >= len(panels)


def test_a_value_that_is_none_is_a_gap(picture):
    answer = [
        {"metric": {"le": "1", "__name__": "x"}, "values": [[0, "1"], [5, "NaN"], [10, "2"], [15, "1"]]}
    ]
    [(name, points)] = picture["series_of"](answer, None)
    drawn = ElementTree.fromstring(picture["svg"]([(panel(), [(name, points)])], 0, 15))
    [path] = drawn.iter(f"{SVG}path")
    assert name == "1" and (path.get("d").count("M"), path.get("d").count("L")) == (2, 1)
    assert {each.text for each in drawn.iter(f"{SVG}text")} >= {"Lag & load", "0", "1 s", "2 s"}


def test_the_legend_names_labels(picture):
    answer = [{"metric": {"nodename": "host1", "instance": "a"}, "values": []}]
    assert picture["series_of"](answer, "{{nodename}}") == [("host1", [])]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "s", "0"),
        (0.0025, "s", "2.5 ms"),
        (0.05, "percentunit", "5 %"),
        (50 * 2**20, "bytes", "50 MiB"),
        (2.5, "reqps", "2.5 /s"),
        (12, "short", "12"),
    ],
)
def test_values_have_a_unit(picture, value, unit, text):
    assert picture["shown"](value, unit) == text
