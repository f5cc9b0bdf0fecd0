"""`make capacity` on a small stack: whose processors are so few that it is known what limits, on a busy machine too."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
import stacks

SMALL = {"HTTP_REPLICAS": "1", "HTTP_PROCESSES": "1", "HTTP_CPUS": "0.2", "WS_REPLICAS": "1"}
"""A fifth of a processor for pages: some 25 a second."""

VISITS = """\
[sign-in admin]
path = /login/
user = admin
password_file = secrets/demo_password
page = /
sign_out = /logout/

[visit reader]
page = /login/
think = 1
slowest = 0.7

[visit member]
as = admin
page = /
think = 2
socket = /ws/rooms/lobby/
send = {"type": "message", "text": "$unique", "nonce": "$unique"}
messages = 6
"""


@pytest.fixture(scope="module")
def small():
    """A stack of our own, with a visit."""
    stacks.remove_stale()
    with stacks.own("capacity", **SMALL) as own:
        assert own.folder
        (own.folder / "probes.ini").write_text(VISITS)
        yield own


@pytest.fixture(scope="module")
def first(small):
    """A run that writes the settings that it would change: what it says, and what it has found."""
    told = stacks.tool(small.folder, "capacity", MINUTES="2", APPLY="yes")
    return told, json.loads((small.folder / "capacity.json").read_text())


def lines(stack) -> list[str]:
    """Of its stack.env."""
    return (stack.folder / "stack.env").read_text().splitlines()


def test_the_knee_of_a_small_stack(small, first):
    told, found = first
    assert (found["limit"] or {}).get("service") == "http", told
    assert found["knee"] >= 2 and found["predicted"] and found["predicted_from"] <= found["knee"], told
    assert any(step["sockets"] and step["message_seconds"]["0.95"] for step in found["steps"]), told
    assert "Knee: " in told and "<polyline" in (small.folder / "capacity.svg").read_text()
    # Everything is closed, and everybody is signed out.
    assert f"{small.project}-capacity" not in stacks.docker("ps", "--all", "--format", "{{.Names}}")
    (edge,) = small.containers("edge")
    stacks.eventually(
        lambda: json.loads(stacks.docker("exec", edge, "edge", "status"))["connections"] <= 1,
        what="no connection is left at the edge",
    )
    assert "HTTP_CPUS=0.2" in lines(small)


def test_what_it_writes_serves_more_visitors(small, first):
    _, found = first
    if "HTTP_REPLICAS" not in found["changes"]:
        pytest.skip(f"other programs left no half processor for a second replica: {found['limit']['text']}")
    replicas = found["changes"]["HTTP_REPLICAS"]
    assert f"HTTP_REPLICAS={replicas}" in lines(small)
    stacks.tool(small.folder, "up")
    assert len(small.containers("http")) == int(replicas)
    before = lines(small)
    told = stacks.tool(small.folder, "capacity", MINUTES="2")
    after = json.loads((small.folder / "capacity.json").read_text())
    assert after["knee"] > 1.3 * found["knee"], told
    assert lines(small) == before, "without APPLY=yes nothing is written"


def test_servers_and_addresses_are_refused(small):
    for verb in (("ENV=production",), (f"TARGET={small.url}",)):
        done = subprocess.run(
            ["make", "capacity", *verb],
            cwd=stacks.ROOT,
            env={**stacks.outside_make(), "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode and "make capacity loads its own machine" in done.stderr
