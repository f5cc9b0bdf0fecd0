"""`make capacity` on a small stack: whose processors are so few that it is known what limits, on a busy machine too."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
import stacks

SMALL = {"HTTP_REPLICAS": "1", "HTTP_PROCESSES": "1", "HTTP_CPUS": "0.2", "WS_REPLICAS": "1"}
"""A fifth of a processor for pages: some 25 a second."""

MOST_SOCKETS = 30
FEW = {"HTTP_REPLICAS": "1", "WS_REPLICAS": "1", "WS_MAX_SOCKETS": str(MOST_SOCKETS)}
"""So few sockets that they limit, however busy the machine is."""

ADMIN = """\
[sign-in admin]
path = /login/
user = admin
password_file = secrets/demo_password
page = /
sign_out = /logout/
"""

VISITS = f"""{ADMIN}
[visit reader]
page = /login/
think = 1
slowest = 0.7

[visit member]
as = admin
page = /
think = 2
socket = /ws/rooms/lobby/
send = {{"type": "message", "text": "$unique", "nonce": "$unique"}}
messages = 6
"""

MEMBERS = f"""{ADMIN}
[visit member]
as = admin
page = /
think = 5
slowest = 10
socket = /ws/rooms/lobby/
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
def few():
    """Another one, whose visitors are patient."""
    with stacks.own("capacity-few", **FEW) as own:
        assert own.folder
        (own.folder / "probes.ini").write_text(MEMBERS)
        yield own


def measured(stack: stacks.Stack, **options: str) -> tuple[str, dict]:
    """`make capacity`: what it says, and what it has found."""
    told = stacks.tool(stack.folder, "capacity", MINUTES="2", **options)
    return told, json.loads((stack.folder / "capacity.json").read_text())


def lines(stack: stacks.Stack) -> list[str]:
    """Of its stack.env."""
    return (stack.folder / "stack.env").read_text().splitlines()


def test_the_knee_of_a_small_stack(small):
    told, found = measured(small)
    assert (found["limit"] or {}).get("service") == "http", told
    assert found["knee"] >= 2 and found["predicted"] and found["predicted_from"], told
    assert any(step["sockets"] and step["message_seconds"]["0.95"] for step in found["steps"]), told
    assert "Knee: " in told and "<polyline" in (small.folder / "capacity.svg").read_text()
    # Everything is closed, everybody is signed out, nothing was changed.
    assert f"{small.project}-capacity" not in stacks.docker("ps", "--all", "--format", "{{.Names}}")
    (edge,) = small.containers("edge")
    stacks.eventually(
        lambda: json.loads(stacks.docker("exec", edge, "edge", "status"))["connections"] <= 1,
        what="no connection is left at the edge",
    )
    assert "HTTP_CPUS=0.2" in lines(small)


def test_what_it_writes_serves_more_visitors(few):
    """A knee, the settings that it writes, `make up`, and a higher knee."""
    told, before = measured(few, APPLY="yes")
    assert (before["limit"] or {}).get("kind") == "sockets" and before["knee"] <= MOST_SOCKETS, told
    assert before["changes"] == {"WS_REPLICAS": "2"} and "WS_REPLICAS=2" in lines(few), told
    stacks.tool(few.folder, "up")
    assert len(few.containers("ws")) == 2
    told, after = measured(few)
    assert 1.4 * before["knee"] < after["knee"] <= 2 * MOST_SOCKETS, told
    assert "WS_REPLICAS=2" in lines(few), "without APPLY=yes nothing is written"


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
