"""How many idle WebSockets the settings bear: the numbers of the edge and of the sizing page, and what is refused."""

from __future__ import annotations

import importlib.util
import re
import sys

import pytest

from channels_stack_deploy.config import settings, sockets

MIB = 1024**2


@pytest.fixture
def memory(root):
    """images/edge/edge/memory.py, the program that decides in the container."""
    spec = importlib.util.spec_from_file_location("edge_memory", root / "images/edge/edge/memory.py")
    module = sys.modules["edge_memory"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["edge_memory"]


@pytest.mark.parametrize("mebibytes", [256, 384, 1024, 4096])
def test_the_edge_says_the_same(memory, mebibytes):
    carried = memory.carried(mebibytes * MIB, 16 * MIB)
    assert sockets.edge_connections(mebibytes, 16) == pytest.approx(carried, abs=2)
    assert sockets.edge_memory(carried, 16) == pytest.approx(mebibytes, abs=1)


def test_the_defaults_are_bound_by_the_edge():
    first, *_ = sockets.bounds(settings.defaults(), 262_144)
    assert first == sockets.Bound(3760, "EDGE_MAXCONN")
    assert sockets.summary(settings.defaults()).startswith("idle WebSockets: 3,760, bound by EDGE_MAXCONN (")
    assert sockets.summary({**settings.defaults(), "WS_REPLICAS": "0"}) == ""


@pytest.mark.parametrize(
    ("changes", "tracked", "what"),
    [
        ({"EDGE_MEMORY": "256M"}, None, "EDGE_MEMORY"),
        ({"WS_REPLICAS": "1", "WS_MAX_SOCKETS": "1000"}, None, "WS_MAX_SOCKETS x WS_REPLICAS"),
        ({"WS_MEMORY": "128M"}, None, "WS_MEMORY x WS_REPLICAS"),
        ({}, 8000, "nf_conntrack_max"),
    ],
)
def test_what_bounds_them(changes, tracked, what):
    assert sockets.bounds({**settings.defaults(), **changes}, tracked)[0].what == what


def test_twenty_thousand_take_what_the_page_says(root):
    page = (root / "docs/operations/sizing.md").read_text()
    line = next(text for text in page.split("\n\n") if text.startswith("20,000 take"))
    chosen = dict(re.findall(r"`([A-Z_]+)=(\w+)`", line))
    first, *_ = sockets.bounds({**settings.defaults(), **chosen}, None)
    assert len(chosen) == 3 and 20_000 <= first.sockets < 21_000
    descriptors = 2 * int(chosen["EDGE_MAXCONN"]) + 200
    assert f"{descriptors:,} descriptors" in line


def test_a_kernel_that_would_drop_them_is_refused():
    known = {**settings.defaults(), "EDGE_MAXCONN": "20000"}
    ((_, problem, fix),) = sockets.problems(known, 30_000)
    assert "needs 42000" in problem and "nf_conntrack_max=42000" in fix
    assert sockets.problems(known, 42_000) == sockets.problems(known, None) == []
