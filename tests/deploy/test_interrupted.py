"""Ctrl-C and SIGTERM at ten places of a deploy: the next command goes on, says so, and leads to what served before."""

from __future__ import annotations

import signal

import pytest
from deployments import moment
from stacks import eventually

PLACES = (
    "Images |",
    "Files |",
    "Rollout | update credentials in the data stores",
    "Rollout | replace data services",
    "Rollout | release job",
    "Rollout | trial",
    "Rollout | first task",
    "Rollout | replace services",
    "Check |",
    "Prune | make this release",
)
ALWAYS = ("Rollout | trial", "Rollout | replace services")
"""The other places are tried with `-m more`."""


@pytest.fixture(scope="module")
def deployment(server):
    found = server.deployed(stack_trial_seconds=5, stack_update_monitor="5s")
    found.configure({"LOG_LEVEL": "warning"})
    found.deploy()  # so that there are two releases, of which the way back must not take the older one
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize(
    "place", [pytest.param(place, marks=() if place in ALWAYS else pytest.mark.more) for place in PLACES]
)
def test_the_way_back_after_an_interruption(deployment, place, number):
    served = deployment.release()
    try:
        deployment.configure({"WS_THREADS": 7})
        play = deployment.hosts.playbook("deploy.yml", "-e", f"release={moment()}", check=False, wait=False)
        eventually(lambda: f" {place}" in play.text or not play.running, 240, f"the task {place}")
        play.interrupt(number)
        assert play.code != 0
        locked = deployment.locked()
        back = deployment.play("rollback.yml")
        assert not locked or "was killed; going on from there" in back.text, back.tail(30)
        assert deployment.release() == served, "not to what served whole before"
        left = [name for name in deployment.services() if name.startswith(("trial-", "first-"))]
        assert not left and not deployment.locked(), left
    finally:
        deployment.configure({"WS_THREADS": 4})
