"""Two runs at once, and runs that are killed: one deploy at a time, and none that blocks the next for ever."""

from __future__ import annotations

import re
import shutil

import pytest
from stacks import eventually

LEVELS = {"Files |": "info", "Rollout | release job": "error", "Rollout | replace services": "debug"}
"""Where a run is killed, and by which LOG_LEVEL its release differs from the one before."""

ALWAYS = "Rollout | release job"


@pytest.fixture(scope="module")
def deployment(server):
    return server.deployed(stack_trial_seconds=0, stack_update_monitor="5s")


def begun(deployment, task: str, user: str = ""):
    """A deploy that has come to TASK."""
    play = deployment.hosts.playbook("deploy.yml", check=False, wait=False, user=user)
    eventually(lambda: task in play.text or not play.running, 240, f"the task {task}")
    assert play.running, play.tail(30)
    return play


def test_the_second_of_two_runs_stops_and_names_the_first(deployment):
    """Also where it comes from another controller, whose inventory and secrets lie elsewhere."""
    hosts = deployment.hosts
    deployment.configure({"LOG_LEVEL": "warning"})
    other = hosts.folder / "other/inventory"
    shutil.copytree(hosts.folder / "inventory", other)
    first = begun(deployment, "Rollout | replace services", user="anna")
    for controller in ({}, {"inventory": other, "user": "berta"}):
        second = hosts.playbook("deploy.yml", check=False, **controller)
        assert second.code != 0 and second.changed == 0
        assert re.search(r"locked by anna@\S+ since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", second.text), (
            second.tail(20)
        )
    assert first.wait().code == 0, first.tail(30)
    assert not deployment.locked()


def test_a_lock_that_another_controller_left_behind(deployment):
    """Nobody here can know whether its holder lives: a person says so."""
    since = "2026-01-31 08:15:00 UTC"
    known = {
        "who": "carla@elsewhere",
        "machine": "another/elsewhere",
        "pid": "7",
        "began": "1",
        "since": since,
    }
    labels = [
        word for key, value in known.items() for word in ("--label", f"channels-stack.lock.{key}={value}")
    ]
    deployment.hosts.run(
        "host1", "docker", "config", "create", *labels, "channels-stack_lock", "-", stdin="lock"
    )
    play = deployment.deploy(check=False)
    assert play.code != 0
    assert f"locked by carla@elsewhere since {since}" in play.text and f"-e unlock='{since}'" in play.text
    assert deployment.locked(), "a run that did not hold the lock released it"
    deployment.deploy("-e", f"unlock='{since}'")
    assert not deployment.locked()


@pytest.mark.parametrize(
    "task",
    [pytest.param(task, marks=() if task == ALWAYS else pytest.mark.more) for task in LEVELS],
)
def test_a_run_that_is_killed_is_healed_by_the_next(deployment, task):
    deployment.configure({"LOG_LEVEL": LEVELS[task]})
    begun(deployment, task).kill()
    assert deployment.locked()
    play = deployment.deploy()
    assert "was killed; going on from there" in play.text
    assert not deployment.locked() and deployment.release()
    assert deployment.deploy().changed == 0
