"""Backups on a server: made, drilled, and the way back after the data volume is destroyed, by the playbooks alone."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import pytest
from crowd import Crowd
from deployments import Deployment, timed
from stacks import eventually

STACK = "channels-stack"
SMALL = {"HTTP_REPLICAS": 1, "WS_REPLICAS": 1, "BACKUP_REPOSITORY": "/srv/backups", "BACKUP_WAL_SECONDS": 10}


@pytest.fixture(scope="module")
def deployment(server):
    """One host with a running stack that makes backups into a folder of it."""
    folder = ("install", "-d", "-o", "999", "-g", "999", "-m", "0700", "/srv/backups")
    server.bootstrapped().hosts.run("host1", *folder)
    return server.deployed(SMALL, stack_trial_seconds=0, stack_update_monitor="5s")


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


def test_a_release_that_may_change_the_database_is_preceded_by_a_backup(deployment):
    before = status(deployment)["newest"]
    deployment.configure({"LOG_LEVEL": "warning"})
    play = deployment.deploy()
    timed("deploy with a backup", play)
    assert status(deployment)["newest"] != before
    assert play.text.index("Before | make a backup") < play.text.index(
        "Files | networks, secrets and configs"
    )


def test_a_setting_of_the_edge_needs_no_backup(deployment):
    before = status(deployment)["newest"]
    deployment.configure({"EDGE_MAX_URI_BYTES": 4096})
    deployment.deploy()
    assert status(deployment)["newest"] == before


def test_a_backup_that_fails_ends_the_deploy_before_any_change(deployment):
    host, before, release = deployment.hosts.names[0], deployment.running(), deployment.release()
    objects = deployment.docker("secret", "ls", "--quiet") + deployment.docker("config", "ls", "--quiet")
    deployment.configure({"LOG_LEVEL": "error"})
    deployment.hosts.run(host, "chown", "root:root", "/srv/backups")
    try:
        play = deployment.deploy(check=False)
        assert play.code != 0
        text = " ".join(play.text.split())
        assert "no backup of the database as it was before this release, so nothing was changed" in text
        assert "-e stack_backup=false" in text and "Traceback" not in text
        assert (deployment.running(), deployment.release()) == (before, release) and not deployment.locked()
        now = deployment.docker("secret", "ls", "--quiet") + deployment.docker("config", "ls", "--quiet")
        assert now == objects
        assert deployment.deploy("-e", "stack_backup=false").code == 0
        assert deployment.release() != release
    finally:
        deployment.hosts.run(host, "chown", "999:999", "/srv/backups")


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


def test_a_restored_database_knows_the_logins_of_today(deployment):
    """A state from before a rotation: it knows the old password alone."""
    old = (deployment.folder / "secrets/database_url").read_text()
    moment = sql(deployment, "SELECT to_char(now() at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS')")
    sql(deployment, "CREATE TABLE later (id int)")
    deployment.play("rotate-secrets.yml", "-e", "what=db")
    segment = sql(deployment, "SELECT pg_walfile_name(pg_create_restore_point('rotated'))")
    eventually(
        lambda: sql(deployment, "SELECT left(last_archived_wal, 24) FROM pg_stat_archiver") >= segment,
        120,
        "WAL is stored",
    )
    timed(
        "restore past a rotation",
        deployment.play("restore.yml", "-e", f"confirm={STACK}", "-e", f"time={moment}"),
    )
    assert sql(deployment, "SELECT to_regclass('later')") == ""
    new = urlsplit((deployment.folder / "secrets/database_url").read_text())
    roles = sql(
        deployment, "SELECT rolname, rolpassword IS NOT NULL FROM pg_authid WHERE rolname ~ '^app' ORDER BY 1"
    )
    assert roles.splitlines() == ["app|f", f"{new.username}|t"] and new.password not in old
    crowd = Crowd(deployment.site, sockets=6, rooms=2, readers=1, every=0.3)
    with crowd.gathered():
        crowd.until(sent=6, jobs=0)
    assert crowd.report().failures == [] and not crowd.report().codes


def test_the_same_release_again_changes_nothing(deployment):
    assert deployment.deploy().changed == 0
