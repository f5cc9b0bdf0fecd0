"""SSH connections that break in the middle of a deploy: they are made again, and the deploy goes on."""

from __future__ import annotations

import pytest
from deployments import moment
from stacks import eventually

pytestmark = pytest.mark.more

PLACES = ("Files |", "Rollout | replace services", "Check |", "Prune |")


@pytest.fixture(scope="module")
def deployment(server):
    return server.deployed(stack_trial_seconds=5, stack_update_monitor="5s")


def test_a_connection_that_breaks_ends_no_deploy(deployment):
    deployment.configure({"WS_THREADS": 7})
    release = moment()
    play = deployment.hosts.playbook("deploy.yml", "-e", f"release={release}", check=False, wait=False)
    broken = 0
    for place in PLACES:
        eventually(lambda place=place: f" {place}" in play.text or not play.running, 480, f"the task {place}")
        # Each process of a session, not the server itself; the shell that runs this is one of docker exec.
        command = "pkill -c -f '^sshd.*: admin' || true"
        broken += int(deployment.hosts.run("host1", "sh", "-c", command).stdout)
    play.wait()
    assert broken >= len(PLACES), "there was no connection to break"
    assert play.code == 0, play.tail(40)
    assert deployment.release() == release and not deployment.locked()
