"""Redis on three servers with Sentinel, while people talk: new passwords, another release, the loss of the master's host."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from crowd import Crowd
from deployments import Deployment, timed
from hosts import Hosts
from redis_nodes import ALL, ask, containers, hand_over, known, master, password_of
from stacks import eventually

pytestmark = pytest.mark.more

PROMISED_SECONDS = 15
"""docs/how-to/data-stores.md: another master serves, and all hear again."""

FAILOVER_SECONDS = 60  # usually 8 to 12; three servers share this machine with others
RECOVERY_SECONDS = 240


@pytest.fixture(scope="module")
def deployment():
    with Hosts(3) as hosts:
        found = Deployment(hosts)
        # The first master stands alone: what is seen when its host is lost is the loss of a Redis, and of nothing else.
        found.groups = {"edge": ["host1"], "app": ["host1", "host3"], "data": ALL}
        found.configure(
            {"REDIS_NODES": 3}, stack_redis_host="host2", stack_trial_seconds=5, stack_update_monitor="5s"
        )
        timed("three Redis: bootstrap", found.play("bootstrap.yml"))
        timed("three Redis: first deploy", found.deploy())
        yield found


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


def test_new_passwords_although_the_first_run_is_killed(deployment):
    """Nobody notices, nothing is restarted, and then the old ones are refused by all six."""
    old, before = password_of(deployment), containers(deployment, ".*redis.*|.*sentinel.*|db")
    nodes = (deployment.folder / "secrets/redis_nodes").read_text()
    crowd = Crowd(deployment.site, sockets=20, rooms=4, readers=2)
    with crowd.gathered():
        play = deployment.hosts.playbook("rotate-secrets.yml", "-e", "what=redis", check=False, wait=False)
        # Some of them know of the new ones by then.
        eventually(
            lambda: (
                "=> (item=redis-2)" in play.text.partition("Stores | users of Redis")[2] or not play.running
            ),
            600,
            "the second Redis is told",
        )
        assert play.running, play.tail(30)
        play.kill()
        begun = deployment.folder / "rotation.json"
        assert begun.exists()
        play = deployment.play("rotate-secrets.yml")
    timed("three Redis: the rest of a rotation", play)
    seen, new = crowd.report(), password_of(deployment)
    print(f"figure: three Redis: a rotation that was killed and gone on with: {seen}", flush=True)
    assert "going on with: redis" in play.text and not begun.exists() and new != old
    assert seen.failures == [] and set(seen.codes) <= {1012} and seen.most_closes <= 1, str(seen)
    assert (seen.lost, seen.doubled, seen.jobs_lost) == (0, 0, 0), str(seen)
    assert containers(deployment, ".*redis.*|.*sentinel.*|db") == before
    said = {
        name: (ask(deployment, name, old, "ping"), ask(deployment, name, new, "ping"))
        for name in containers(deployment)
    }
    assert len(said) == 6 and all("PONG" not in was and "PONG" in now for was, now in said.values()), said
    among = (deployment.folder / "secrets/redis_nodes").read_text()
    assert len(among.split()) == 1 and among != nodes
    play = deployment.deploy()
    assert play.changed == 0, play.changes


def lifetime(deployment: Deployment, host: str, identity: str) -> tuple[str, str]:
    """When a container began and, where it did, ended."""
    form = "[{{json .State.StartedAt}}, {{json .State.FinishedAt}}]"
    said = deployment.hosts.run(host, "docker", "inspect", "--format", form, identity).stdout
    began, ended = json.loads(said)
    return began, ended


def test_another_limit_replaces_them_one_after_the_other(deployment):
    before, db, was = containers(deployment), containers(deployment, "db"), known(deployment)
    deployment.play("scale.yml", "-e", "worker=2")
    deployment.configure({"REDIS_MAXMEMORY": "200mb"})
    crowd = Crowd(deployment.site, sockets=40, rooms=4, readers=2)
    with crowd.gathered():
        play = deployment.deploy()
        timed("three Redis: another limit", play)
        crowd.until(sent=sum(crowd.sent.values()) + 20, jobs=0, seconds=60)
    assert "worker: 2 tasks run, WORKER_REPLICAS is 1: it is scaled to 1" in play.text
    seen, after, now = crowd.report(), containers(deployment), known(deployment)
    print(f"figure: three Redis: one after the other: {seen}", flush=True)
    replaced = [name for name in before if before[name] != after[name]]
    assert sorted(name for name in replaced if name.startswith("redis")) == ["redis", "redis-2", "redis-3"]
    assert containers(deployment, "db") == db
    assert now["ip"] != was["ip"] and int(now["config-epoch"]) == int(was["config-epoch"]) + 1, (
        "one failover, on purpose"
    )
    # The next one stops when the last one runs again.
    gaps = sorted(
        (lifetime(deployment, *before[name])[1], lifetime(deployment, *after[name])[0], name)
        for name in before
        if name.startswith("redis")
    )
    assert gaps[-1][2] == was["ip"], f"the master was not the last one: {gaps}"
    assert gaps[0][1] < gaps[1][0] and gaps[1][1] < gaps[2][0], f"two were away at a time: {gaps}"
    assert (seen.lost, seen.doubled, seen.jobs_lost) == (0, 0, 0), str(seen)
    assert seen.failures == [] and set(seen.codes) <= {1012}, str(seen)
    assert seen.quiet < PROMISED_SECONDS, str(seen)


def test_the_host_of_the_master_vanishes_while_people_talk(deployment):
    """No packet comes any more, not even those of a kernel that closes sockets."""
    if master(deployment) != "redis":  # the first one is preferred where there is a choice
        print(hand_over(deployment))
    lost, host = "redis", "host2"
    assert master(deployment) == lost and containers(deployment)[lost][0] == host
    crowd = Crowd(deployment.site, sockets=40, rooms=4, readers=2)
    with crowd.gathered():
        since = time.monotonic()
        deployment.hosts.disconnect(host)
        deployment.hosts.kill(host)
        eventually(lambda: master(deployment) not in ("", lost), FAILOVER_SECONDS, "another master")
        print(f"figure: three Redis: another master after {time.monotonic() - since:.0f} s", flush=True)
        crowd.until(sent=sum(crowd.sent.values()) + 40, jobs=0, seconds=120)
        eventually(
            lambda: all(each.here and time.monotonic() - each.heard < 5 for each in crowd.members),
            60,
            "everybody hears again",
        )
        deployment.hosts.connect(host)
        deployment.hosts.power_on(host)
        eventually(lambda: deployment.places(lost) == [host], RECOVERY_SECONDS, "the lost Redis runs again")
        assert master(deployment) != lost
    seen = crowd.report()
    load = Path("/proc/loadavg").read_text().split()[0]
    print(f"figure: three Redis: the master's host vanishes (load {load}): {seen}", flush=True)
    assert (seen.lost, seen.doubled) == (0, 0), str(seen)
    assert set(seen.codes) <= {1012}, str(seen)
    assert seen.quiet < PROMISED_SECONDS, str(seen)
