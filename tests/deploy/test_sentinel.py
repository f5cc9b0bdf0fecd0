"""Redis on three servers with Sentinel: the host of the master is lost while people talk."""

from __future__ import annotations

import time

import pytest
from crowd import Crowd
from deployments import Deployment, timed
from hosts import Hosts
from stacks import eventually

pytestmark = pytest.mark.more

ALL = ["host1", "host2", "host3"]
FAILOVER_SECONDS = 60  # usually 8 to 12; three servers share this machine with others
RECOVERY_SECONDS = 240


@pytest.fixture(scope="module")
def deployment():
    with Hosts(3) as hosts:
        found = Deployment(hosts)
        found.groups = {"edge": ["host1"], "app": ALL, "data": ALL}
        # The first master stands beside neither the edge nor PostgreSQL.
        found.configure(
            {"REDIS_NODES": 3}, stack_redis_host="host2", stack_trial_seconds=5, stack_update_monitor="5s"
        )
        timed("three Redis: bootstrap", found.play("bootstrap.yml"))
        timed("three Redis: first deploy", found.deploy())
        yield found


def master(deployment: Deployment) -> str:
    """The service that a Sentinel on host1 or host3 names as the master."""
    password = (deployment.folder / "secrets/redis_url").read_text().partition("app:")[2].partition("@")[0]
    for host in ("host1", "host3"):
        form = ("--filter", "name=channels-stack_sentinel", "--format", "{{.Names}}")
        for name in deployment.hosts.run(host, "docker", "ps", *form).stdout.split():
            words = ("sentinel", "get-master-addr-by-name", "redis")
            login = ("redis-cli", "-p", "26379", "--no-auth-warning", "--user", "app", "--pass", password)
            said = deployment.hosts.run(host, "docker", "exec", name, *login, *words, check=False).stdout
            if said.split():
                return said.split()[0]
    return ""


def test_each_host_has_one_redis_and_its_sentinel(deployment):
    for kind in ("redis", "sentinel"):
        found = [deployment.places(f"{kind}{number}") for number in ("", "-2", "-3")]
        assert found == [["host2"], ["host1"], ["host3"]]
    assert master(deployment) == "redis"


def test_the_same_again_changes_and_restarts_nothing(deployment):
    before = deployment.running()
    play = deployment.deploy()
    assert play.changed == 0, play.changes
    assert deployment.running() == before


def test_the_host_of_the_master_vanishes_while_people_talk(deployment):
    """No packet comes any more, not even those of a kernel that closes sockets."""
    crowd = Crowd(deployment.site, sockets=40, rooms=4, readers=2)
    with crowd.gathered():
        since = time.monotonic()
        deployment.hosts.disconnect("host2")
        deployment.hosts.kill("host2")
        eventually(lambda: master(deployment) not in ("", "redis"), FAILOVER_SECONDS, "another master")
        print(f"figure: three Redis: another master after {time.monotonic() - since:.0f} s", flush=True)
        crowd.until(sent=sum(crowd.sent.values()) + 40, jobs=0, seconds=120)
        eventually(
            lambda: all(each.here and time.monotonic() - each.heard < 5 for each in crowd.members),
            60,
            "everybody hears again",
        )
        print(f"figure: three Redis: all hear again after {time.monotonic() - since:.0f} s", flush=True)
        deployment.hosts.connect("host2")
        deployment.hosts.power_on("host2")
        eventually(
            lambda: deployment.places("redis") == ["host2"], RECOVERY_SECONDS, "the first Redis runs again"
        )
        assert master(deployment) != "redis"
    seen = crowd.report()
    print(f"figure: three Redis: the master's host vanishes: {seen}", flush=True)
    assert (seen.lost, seen.doubled) == (0, 0), str(seen)
