"""A host is taken out of three for good, while people talk: what it runs moves, and it keeps nothing of the stack."""

from __future__ import annotations

import time

import pytest
from crowd import Crowd, Front
from deployments import timed

pytestmark = pytest.mark.more


@pytest.fixture(scope="module")
def deployment(servers):
    found = servers.bootstrapped()
    found.deploy()
    return found


def nodes(deployment) -> list[str]:
    """Host names of the nodes of the cluster."""
    return sorted(deployment.docker("node", "ls", "--format", "{{.Hostname}}").split())


def retire(deployment, host: str, *more: str):
    return deployment.play("retire.yml", "-e", f"node={deployment.name_of(host)}", *more, check=False)


def test_one_that_holds_data_stays(deployment):
    before = deployment.running()
    play = retire(deployment, "host1")
    text = " ".join(play.text.split())
    assert play.code and play.changed == 0, play.tail(30)
    assert (
        "holds the data of channels-stack_db, channels-stack_redis" in text and "Nothing was changed" in text
    )
    assert deployment.running() == before and len(nodes(deployment)) == 3


def test_one_that_holds_uploads_stays(deployment):
    path = "/var/lib/docker/volumes/channels-stack_media/_data/cat.jpg"
    deployment.hosts.run("host2", "touch", path)
    play = retire(deployment, "host2")
    assert play.code and play.changed == 0
    assert "holds channels-stack_media (files: 1): copy them" in " ".join(play.text.split()), play.tail(30)
    deployment.hosts.run("host2", "rm", path)


def test_an_edge_and_app_host_goes_and_no_visitor_notices(deployment):
    with Front(deployment.site.addresses) as front:
        crowd = Crowd(deployment.site, sockets=60, rooms=6, readers=4, front=front)
        with crowd.gathered():
            since = time.monotonic()
            done = deployment.make("retire", f"HOST={deployment.name_of('host2')}")
            print(f"figure: three hosts: retire: {time.monotonic() - since:.0f} s", flush=True)
            assert done.returncode == 0, done.stdout + done.stderr
    seen = crowd.report()
    print(f"figure: three hosts: retire: {seen}", flush=True)
    assert seen.failures == [] and (seen.lost, seen.doubled, seen.jobs_lost) == (0, 0, 0), str(seen)
    assert set(seen.codes) == {1012}, str(seen)
    assert nodes(deployment) == ["host1", "host3"]
    assert set(deployment.places("http") + deployment.places("ws")) == {"host1", "host3"}
    left = deployment.hosts.run("host2", "docker", "ps", "--quiet").stdout
    assert deployment.hosts.run("host2", "docker", "volume", "ls", "--quiet").stdout == ""
    assert left == "" and deployment.hosts.run("host2", "ls", "/srv").stdout.split() == []


def test_again_it_changes_nothing(deployment):
    play = retire(deployment, "host2")
    timed("three hosts: retire, again", play)
    assert play.code == 0 and play.changed == 0, play.tail(30)


def test_one_of_pages_alone_goes_too(deployment):
    """The second manager of two: the one that is left has the majority."""
    play = retire(deployment, "host3")
    assert play.code == 0, play.tail(30)
    assert nodes(deployment) == ["host1"]


def test_it_may_come_back(deployment):
    deployment.play("bootstrap.yml")
    deployment.deploy()
    assert nodes(deployment) == ["host1", "host2", "host3"]
    assert sorted(deployment.places("edge")) == ["host1", "host2"]
