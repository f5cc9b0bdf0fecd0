"""Channels' hop to the thread before each message: made where it does something, and nowhere else."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from processes import HERE, RUNTIME, Postgres


@pytest.fixture(scope="module")
def states(tmp_path_factory):
    with Postgres() as postgres:
        environment = {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(RUNTIME),
            "TEST_POSTGRES_PORT": str(postgres.port),
        }
        command = [sys.executable, str(HERE / "hops.py")]
        folder = tmp_path_factory.mktemp("hops")
        ran = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)


def test_a_hop_that_would_change_something_is_never_left_out(states):
    assert {state for state, (said, changes) in states.items() if changes and not said} == set()


def test_a_hop_that_changes_nothing_is_left_out(states):
    needless = {state for state, (said, changes) in states.items() if said and not changes}
    assert needless <= {"a lent thread"}  # whose connections are not known


def test_both_kinds_are_among_the_states(states):
    assert states["nothing"] == [False, False]
    assert states["default: used"] == [True, True]
    assert states["kept: used"] == [False, False]
    assert states["healthy: used"] == [True, True]
    assert states["healthy: looked at since"] == [False, False]
    assert states["postgres: too old"] == [True, True]
    assert states["another's thread"] == [False, False]
