"""Three servers with a Redis each: a restore brings the waiting jobs back to all of them; two servers are lost for good."""

from __future__ import annotations

import json

import pytest
from crowd import Crowd
from deployments import Deployment, timed
from hosts import Hosts
from redis_nodes import ALL, ask, hand_over, master, password_of
from stacks import eventually

pytestmark = pytest.mark.more

STACK = "channels-stack"
REDIS = ("redis", "redis-2", "redis-3")
KEPT, LATER = f"{STACK}:kept", f"{STACK}:later"
"""Streams, as waiting jobs are; the application's login may write them."""


@pytest.fixture(scope="module")
def deployment():
    with Hosts(3) as hosts:
        found = Deployment(hosts)
        found.groups = {"edge": ["host1"], "app": ["host1"], "data": ALL}
        few = {"HTTP_REPLICAS": 1, "WS_REPLICAS": 1, "REDIS_NODES": 3}
        found.configure({**few, "BACKUP_REPOSITORY": "/srv/backups", "BACKUP_WAL_SECONDS": 10})
        folder = ("install", "-d", "-o", "999", "-g", "999", "-m", "0700", "/srv/backups")
        hosts.run("host1", *folder)  # the first Redis and the database are there
        found.play("bootstrap.yml", "--tags", "engine,swarm")
        timed("three Redis and backups: first deploy", found.deploy())
        yield found


def lengths(deployment: Deployment, stream: str) -> list[str]:
    """How much of STREAM each of the three has."""
    password = password_of(deployment)
    return [ask(deployment, name, password, "xlen", stream).strip() for name in REDIS]


def write(deployment: Deployment, stream: str, count: int) -> None:
    """COUNT entries, which all three have in the end."""
    for number in range(count):
        words = ("xadd", stream, "*", "number", str(number))
        assert "-" in ask(deployment, master(deployment), password_of(deployment), *words)
    eventually(lambda: lengths(deployment, stream) == [str(count)] * 3, 30, "all three have it")


def talk(deployment: Deployment) -> None:
    """People and the worker do what they always do."""
    crowd = Crowd(deployment.site, sockets=6, rooms=2, readers=1, every=0.3)
    with crowd.gathered():
        crowd.until(sent=6, jobs=1)
    seen = crowd.report()
    assert seen.failures == [] and (seen.lost, seen.doubled, seen.jobs_lost) == (0, 0, 0), str(seen)


def test_what_waited_comes_back_to_all_three(deployment):
    """Another one is the master by then, with what came after the backup."""
    write(deployment, KEPT, 5)
    timed("three Redis: backup", deployment.play("backup.yml"))
    hand_over(deployment)
    eventually(lambda: master(deployment) in REDIS[1:], 60, "another master")
    ask(deployment, master(deployment), password_of(deployment), "del", KEPT)
    write(deployment, LATER, 2)

    timed("three Redis: restore", deployment.play("restore.yml", "-e", f"confirm={STACK}"))

    assert master(deployment) == "redis"
    assert (lengths(deployment, KEPT), lengths(deployment, LATER)) == (["5"] * 3, ["0"] * 3)
    talk(deployment)


def test_the_same_release_again_changes_nothing(deployment):
    before = deployment.running()
    play = deployment.deploy()
    assert play.changed == 0, play.changes
    assert deployment.running() == before


def test_two_of_three_are_lost_for_good(deployment):
    """docs/operations/runbook.md: the one that is left makes a new cluster and takes in others under the lost names."""
    lost = ("host2", "host3")
    for host in lost:
        deployment.hosts.kill(host)
    ask_nodes = ("docker", "node", "ls")
    eventually(
        lambda: deployment.hosts.run("host1", *ask_nodes, check=False).returncode, 60, "there is no leader"
    )
    play = deployment.deploy("--limit", "!host2:!host3", check=False)
    assert play.code != 0 and not play.changed
    assert "the cluster has no leader" in play.text and "--force-new-cluster" in play.text, play.tail(30)

    deployment.docker("swarm", "init", "--force-new-cluster")
    for host in lost:
        deployment.hosts.power_on(host)
        eventually(
            lambda host=host: leave(deployment, host), 120, f"{host} is as one that was installed anew"
        )
    deployment.play("bootstrap.yml", "--tags", "engine,swarm")
    timed("two of three were lost: deploy", deployment.deploy())
    assert {each["Spec"]["Role"] for each in members(deployment)} == {"manager"}
    assert lengths(deployment, KEPT) == ["5"] * 3
    talk(deployment)


def leave(deployment: Deployment, host: str) -> bool:
    """Let HOST forget its cluster; whether it did."""
    return not deployment.hosts.run(host, "docker", "swarm", "leave", "--force", check=False).returncode


def members(deployment: Deployment) -> list[dict]:
    """What the cluster knows of its nodes: three, each of them ready."""
    found = json.loads(deployment.docker("node", "inspect", *deployment.docker("node", "ls", "-q").split()))
    assert [each["Status"]["State"] for each in found] == ["ready"] * 3
    return found
