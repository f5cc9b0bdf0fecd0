"""Backups on a server: made, drilled, and the way back after the data volume is destroyed, by the playbooks alone."""

from __future__ import annotations

import json

import pytest
from deployments import Deployment, timed
from hosts import Hosts
from stacks import eventually

STACK = "channels-stack"
SMALL = {"HTTP_REPLICAS": 1, "WS_REPLICAS": 1, "BACKUP_REPOSITORY": "/srv/backups", "BACKUP_WAL_SECONDS": 10}


@pytest.fixture(scope="module")
def deployment():
    """One host with a running stack that makes backups into a folder of it."""
    with Hosts(1) as hosts:
        found = Deployment(hosts, **SMALL)
        timed("bootstrap", found.play("bootstrap.yml"))
        found.hosts.run(
            hosts.names[0], "install", "-d", "-o", "999", "-g", "999", "-m", "0700", "/srv/backups"
        )
        timed("first deploy", found.deploy())
        yield found


def container(deployment: Deployment, service: str) -> str:
    """The id of the running container of SERVICE."""
    label = f"label=com.docker.swarm.service.name={STACK}_{service}"
    return eventually(lambda: deployment.docker("ps", "--quiet", "--filter", label).split(), 60, service)[0]


def sql(deployment: Deployment, statement: str) -> str:
    """The answer of the database."""
    command = ["exec", container(deployment, "db"), "psql", "-XAt", "-U", "app", "-d", "app", "-c", statement]
    return deployment.docker(*command).strip()


def status(deployment: Deployment) -> dict:
    """What the service says of itself."""
    command = f"docker exec {container(deployment, 'backup')} backup status --format=json || true"
    return json.loads(deployment.hosts.run(deployment.hosts.names[0], "sh", "-c", command).stdout)


def test_a_backup_and_a_drill(deployment):
    eventually(lambda: status(deployment)["newest"], 120, "the first backup is made")
    play = deployment.play("backup.yml", "-e", "drill=true")
    timed("backup and drill", play)
    assert "all equal" in play.text and "last backup" in play.text
    assert status(deployment)["problems"] == []


def test_a_restore_asks_first_and_changes_nothing(deployment):
    before = deployment.running()
    play = deployment.play("restore.yml", check=False)
    assert play.code != 0
    assert "this replaces the database" in play.text and f"confirm={STACK}" in play.text
    assert deployment.running() == before


def test_everything_comes_back_after_the_loss_of_the_data(deployment):
    sql(
        deployment,
        "CREATE TABLE kept AS SELECT g AS id, md5(g::text) AS text FROM generate_series(1, 5000) g",
    )
    wanted = sql(deployment, "SELECT count(*), sum(hashtext(text)) FROM kept")
    users = sql(deployment, "SELECT count(*) FROM auth_user")
    segment = sql(deployment, "SELECT pg_walfile_name(pg_create_restore_point('kept'))")
    eventually(
        lambda: sql(deployment, "SELECT left(last_archived_wal, 24) FROM pg_stat_archiver") >= segment,
        120,
        "WAL is stored",
    )
    before = {name.split(".")[0]: 1 for name in deployment.services()}
    volume = deployment.docker("volume", "inspect", f"{STACK}_db", "--format", "{{.Mountpoint}}").strip()
    deployment.hosts.run(deployment.hosts.names[0], "find", f"{volume}/base", "-type", "f", "-delete")
    play = deployment.play("restore.yml", "-e", f"confirm={STACK}")
    timed("restore", play)
    assert sql(deployment, "SELECT count(*), sum(hashtext(text)) FROM kept") == wanted
    assert sql(deployment, "SELECT count(*) FROM auth_user") == users
    assert {name.split(".")[0]: 1 for name in deployment.services()} == before
    assert "all equal" in deployment.play("backup.yml", "-e", "drill=true").text


def test_the_same_release_again_changes_nothing(deployment):
    assert deployment.deploy().changed == 0
