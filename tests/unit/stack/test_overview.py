"""The picture in the README: drawn by docs/overview.py, true to compose.yml."""

import re
import runpy
from pathlib import Path

import pytest


@pytest.fixture
def overview(root: Path) -> dict:
    """The names of docs/overview.py."""
    return runpy.run_path(str(root / "docs/overview.py"))


def test_the_picture_is_what_its_program_draws(root, overview):
    assert (root / "docs/overview.svg").read_text() == overview["draw"](), "run: python3 docs/overview.py"


def test_services_and_networks_are_those_of_compose(root, overview):
    text = (root / "compose/compose.yml").read_text()
    found = re.findall(r"^  ([a-z]+):\n(?:(?:    .*)?\n)*?    networks: \[(.+)\]$", text, re.M)
    assert {name: set(networks.split(", ")) for name, networks in found} == overview["NETWORKS"]
    assert {name for name, *_ in overview["BOXES"]} == {*overview["NETWORKS"], "release"}
