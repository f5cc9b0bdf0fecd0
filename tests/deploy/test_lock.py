"""Two runs at once, and runs that are killed: one deploy at a time, and none that blocks the next for ever."""

from __future__ import annotations

import re

import pytest
from deployments import Deployment
from hosts import Hosts
from stacks import eventually


@pytest.fixture(scope="module")
def deployment():
    with Hosts(1) as hosts:
        found = Deployment(hosts)
        found.configure(stack_trial_seconds=0, stack_update_monitor="5s")
        found.play("bootstrap.yml")
        found.deploy()
        yield found


def begun(deployment, task: str, **settings: object):
    """A deploy that has come to TASK."""
    deployment.configure(settings)
    play = deployment.hosts.playbook("deploy.yml", check=False, wait=False)
    eventually(lambda: task in play.text or not play.running, 240, f"the task {task}")
    assert play.running, play.tail(30)
    return play


def test_the_second_of_two_runs_stops_and_names_the_first(deployment):
    first = begun(deployment, "Rollout | services", LOG_LEVEL="warning")
    second = deployment.deploy(check=False)
    assert second.code != 0
    assert re.search(r"locked by \S+@\S+ since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", second.text), second.tail(
        20
    )
    assert first.wait().code == 0, first.tail(30)
    assert not deployment.locked()


@pytest.mark.parametrize("task", ["Secrets and settings", "Rollout | release job", "Rollout | services"])
def test_a_run_that_is_killed_is_healed_by_the_next(deployment, task):
    level = {"Secrets and settings": "info", "Rollout | release job": "error", "Rollout | services": "debug"}[
        task
    ]
    begun(deployment, {"Secrets and settings": "Files |"}.get(task, task), LOG_LEVEL=level).kill()
    assert deployment.locked()
    play = deployment.deploy()
    assert "was killed; going on from there" in play.text
    assert not deployment.locked() and deployment.release()
    assert deployment.deploy().changed == 0
