"""From a bare machine that reaches only the controller to rooms that talk, on Debian 12 and 13.

With a mirror: test_bootstrap.py and test_mixed.py. Ubuntu hosts cannot be made here: their base comes from Ubuntu's archive,
which no test asks.
"""

from __future__ import annotations

import pytest
from crowd import Crowd
from deployments import Deployment, timed
from hosts import Hosts

pytestmark = pytest.mark.more


@pytest.fixture(scope="module", params=["trixie", "bookworm"])
def deployment(request):
    with Hosts(1, flavour="bare", suite=request.param, internal=True) as hosts:
        found = Deployment(hosts)
        found.configure(packages_from_controller=True)
        yield found


def test_the_host_reaches_no_mirror(deployment):
    done = deployment.hosts.run("host1", "apt-get", "--error-on=any", "update", check=False)
    assert done.returncode != 0, done.stdout


def test_a_check_run_names_packages_and_sends_none(deployment):
    play = deployment.play("bootstrap.yml", "--check", "--diff")
    assert play.changed > 0
    assert deployment.hosts.run("host1", "sh", "-c", "command -v docker", check=False).stdout == ""


def test_bootstrap(deployment):
    timed("bootstrap of a bare host", deployment.play("bootstrap.yml"))
    assert deployment.docker("node", "ls", "--format", "{{.Status}}").split() == ["Ready"]


def test_the_same_again_changes_nothing(deployment):
    play = deployment.play("bootstrap.yml")
    assert play.changed == 0, play.changes


def test_a_deploy_and_rooms_that_talk(deployment):
    timed("first deploy", deployment.deploy())
    crowd = Crowd(deployment.site, sockets=6, rooms=2, readers=1, every=0.3)
    with crowd.gathered():
        crowd.until(sent=6, jobs=0)
    seen = crowd.report()
    assert seen.failures == [] and (seen.lost, seen.doubled, seen.jobs_lost) == (0, 0, 0)
