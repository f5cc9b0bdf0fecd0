"""The way back: to the release before, and not past a migration that the old code cannot live with."""

from __future__ import annotations

import pytest
import sources
from deployments import timed


@pytest.fixture(scope="module")
def deployment(server):
    return server.deployed(stack_trial_seconds=0, stack_update_monitor="5s")


def test_the_verbs_of_make(deployment):
    """`make bootstrap`, `deploy`, `rollback` and `rotate` with an environment are the same calls."""
    redis = (deployment.folder / "secrets/redis_url").read_text()
    done = deployment.make("rotate", "W=redis")
    assert done.returncode == 0, done.stdout
    assert (deployment.folder / "secrets/redis_url").read_text() != redis
    before = deployment.release()
    deployment.configure({"LOG_LEVEL": "error"})
    for verb in ("bootstrap", "deploy"):
        assert deployment.make(verb).returncode == 0
    assert deployment.release() != before
    assert deployment.make("rollback").returncode == 0
    assert deployment.release() == before
    assert "say which: ENV=staging" in deployment.make("deploy", "ENV=").stderr


@pytest.mark.ci
def test_back_past_a_migration_that_only_adds(deployment):
    first = deployment.release()
    app = sources.migrated(deployment.hosts.folder, "app-adding", **{"0008_topic": sources.ADDING})
    deployment.configure({"APP_DIR": str(app)})
    deployment.deploy()
    assert deployment.release() != first
    timed("rollback", deployment.play("rollback.yml"))
    assert deployment.release() == first


def test_not_back_past_a_migration_that_removes(deployment):
    app = sources.migrated(
        deployment.hosts.folder,
        "app-removing",
        **{"0008_topic": sources.ADDING, "0009_no_topic": sources.REMOVING},
    )
    deployment.configure({"APP_DIR": str(app)})
    deployment.deploy("-e", "release=no-topic")
    play = deployment.play("rollback.yml", check=False)
    assert play.code != 0
    assert "rooms.0009_no_topic: RunSQL" in play.text and "restore.yml" in play.text, play.tail(30)
    assert deployment.release() == "no-topic" and not deployment.locked()


def test_back_all_the_same_when_forced(deployment):
    deployment.play("rollback.yml", "-e", "force=true")
    assert deployment.release() != "no-topic"


def test_a_release_that_is_not_kept(deployment):
    play = deployment.play("rollback.yml", "-e", "release=never-was", check=False)
    assert play.code != 0 and "release never-was is not kept here" in play.text
