"""New secrets while people talk: nobody is signed out, no request fails, each socket is told once; old ones are refused then."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import pytest
from crowd import Crowd
from deployments import Deployment, timed
from stacks import eventually
from visitors import sign_in

STACK = "channels-stack"
SOCKETS, ROOMS = 60, 6
FILES = ("secret_key", "database_url", "redis_url")


@pytest.fixture(scope="module")
def deployment(server):
    return server.deployed(stack_trial_seconds=0, stack_update_monitor="5s")


def said(deployment: Deployment) -> dict[str, str]:
    """The secrets on the controller."""
    return {path.name: path.read_text().strip() for path in (deployment.folder / "secrets").iterdir()}


def container(deployment: Deployment, service: str) -> str:
    """The id of the running container of SERVICE."""
    label = f"label=com.docker.swarm.service.name={STACK}_{service}"
    return eventually(lambda: deployment.docker("ps", "--quiet", "--filter", label).split(), 60, service)[0]


def stores(deployment: Deployment) -> list[str]:
    """PostgreSQL's and Redis's containers: the same ones before and after means that neither was restarted."""
    return [container(deployment, service) for service in ("db", "redis")]


def logs_in(deployment: Deployment, secrets: dict[str, str]) -> tuple[bool, bool]:
    """Whether PostgreSQL and Redis let in who has these SECRETS."""
    database, redis = urlsplit(secrets["database_url"]), urlsplit(secrets["redis_url"])
    host = deployment.hosts.names[0]
    psql = ["psql", "-XAt", "-h", "127.0.0.1", "-U", database.username, "-d", "app", "-c", "SELECT 1"]
    first = deployment.hosts.run(
        *(host, "docker", "exec", "--env", f"PGPASSWORD={database.password}", container(deployment, "db")),
        *psql,
        check=False,
    )
    login = ["--no-auth-warning", "--user", redis.username, "--pass", redis.password]
    second = deployment.docker("exec", container(deployment, "redis"), "redis-cli", *login, "PING")
    return first.returncode == 0, second.strip() == "PONG"


@contextmanager
def signed_in(crowd: Crowd):
    """Somebody who signs in before the block and reads pages in it, with the cookies of a browser; yields what went wrong."""
    wrong: list[str] = []
    ending = threading.Event()

    def read(client: httpx.Client) -> None:
        while not ending.is_set():
            try:
                answer = client.get("/")
                if answer.status_code != 200:
                    wrong.append(f"{time.strftime('%H:%M:%S')} status {answer.status_code}")
            except httpx.HTTPError as error:
                wrong.append(f"{time.strftime('%H:%M:%S')} {error!r}")
            ending.wait(0.2)

    with crowd.client(crowd.site.addresses[0]) as client:
        assert sign_in(client, crowd.site.user, crowd.site.password).status_code == 302
        session = client.cookies["sessionid"]
        thread = threading.Thread(target=read, args=[client])
        thread.start()
        try:
            yield wrong
        finally:
            ending.set()
            thread.join()
        if client.cookies["sessionid"] != session:
            wrong.append(
                "the session got another name: requests on their way with the former one are a stranger's"
            )


def test_a_check_run_changes_nothing(deployment):
    before = said(deployment), deployment.running()
    play = deployment.play("rotate-secrets.yml", "--check", "--diff")
    assert "new secrets for: secret_key, db, redis" in play.text
    assert (said(deployment), deployment.running()) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-e", "what=secret_key,tls"], "what=tls is no secret to rotate; there are: secret_key, db, redis"),
        (
            ["-e", '{"stack_app_env": {"COLOUR": "red"}}'],
            "the sources or settings here differ from the release that runs, in http, worker, ws: a rotation",
        ),
    ],
    ids=["kind", "settings"],
)
def test_what_cannot_be_is_refused_before_anything_is_changed(deployment, arguments, words):
    before = said(deployment), deployment.running()
    play = deployment.play("rotate-secrets.yml", *arguments, check=False)
    assert play.code != 0 and words in " ".join(play.text.split()), play.tail(30)
    assert (said(deployment), deployment.running()) == before and not deployment.locked()


def test_no_visitor_notices(deployment):
    old, before, data = said(deployment), deployment.release(), stores(deployment)
    assert logs_in(deployment, old) == (True, True)
    crowd = Crowd(deployment.site, SOCKETS, ROOMS)
    with signed_in(crowd) as wrong, crowd.gathered():
        play = deployment.play("rotate-secrets.yml")
    timed("rotation of all secrets", play)
    seen, new = crowd.report(), said(deployment)
    print(f"figure: rotation: {seen}", flush=True)
    assert wrong == [], f"somebody who was signed in: {wrong[:10]}"
    assert seen.failures == [], f"{len(seen.failures)} of {seen.pages} requests failed: {seen.failures[:10]}"
    assert set(seen.codes) == {1012} and seen.most_closes == 1, str(seen)
    assert (seen.lost, seen.doubled, seen.jobs_lost) == (0, 0, 0), str(seen)
    assert all(old[name] != new[name] for name in FILES) and old["db_password"] == new["db_password"]
    assert deployment.release() != before and stores(deployment) == data
    assert logs_in(deployment, old) == (False, False) and logs_in(deployment, new) == (True, True)
    assert not any(old[name] in play.text or new[name] in play.text for name in FILES)
    assert not (deployment.folder / "rotation.json").exists()


def test_the_same_release_again_changes_nothing(deployment):
    running = deployment.running()
    play = deployment.deploy()
    assert play.changed == 0, play.changes
    assert deployment.running() == running


def test_the_old_secrets_are_nowhere_in_the_swarm(deployment):
    names = deployment.docker("secret", "ls", "--format", "{{.Name}}").split()
    for name in ("secret_key", "database_url", "redis_url"):
        assert len([each for each in names if each.startswith(f"{STACK}_{name}-")]) == 1, names


def test_the_release_before_can_be_gone_back_to(deployment):
    """Its own secrets would be refused by now: it is given the new ones."""
    running = deployment.release()
    deployment.play("rollback.yml")
    assert deployment.release() != running
    crowd = Crowd(deployment.site, sockets=6, rooms=2, readers=1, every=0.3)
    with crowd.gathered():
        crowd.until(sent=6, jobs=0)
    assert crowd.report().failures == [] and not crowd.report().codes
    deployment.deploy()


def test_redis_knows_the_new_password_after_a_restart(deployment):
    before = container(deployment, "redis")
    deployment.docker("service", "update", "--quiet", "--force", f"{STACK}_redis")
    assert container(deployment, "redis") != before
    eventually(lambda: logs_in(deployment, said(deployment)) == (True, True), 60, "Redis lets us in")


@pytest.mark.more
@pytest.mark.parametrize(
    "task",
    [
        "Subset | roll signing",
        "Subset | roll sockets",
        "Rollout | replace services",
        "Revoke | wait until old",
    ],
)
def test_a_run_that_is_killed_is_healed_by_the_next(deployment, task):
    old, data = said(deployment), stores(deployment)
    crowd = Crowd(deployment.site, sockets=12, rooms=2, readers=2)
    with signed_in(crowd) as wrong, crowd.gathered():
        play = deployment.hosts.playbook("rotate-secrets.yml", check=False, wait=False)
        eventually(lambda: task in play.text or not play.running, 300, f"the task {task}")
        assert play.running, play.tail(30)
        play.kill()
        begun = deployment.folder / "rotation.json"
        assert begun.exists()
        kept = begun.read_text()
        play = deployment.play("rotate-secrets.yml")
    assert "going on with: secret_key, db, redis" in play.text
    seen, new = crowd.report(), said(deployment)
    print(f"figure: a rotation that was killed at {task}: {seen}", flush=True)
    assert wrong == [] and seen.failures == [] and set(seen.codes) <= {1012}, f"{wrong[:5]} {seen}"
    assert (seen.lost, seen.doubled, seen.jobs_lost) == (0, 0, 0), str(seen)
    assert not begun.exists() and new["secret_key"] in kept, "the second run has made other secrets"
    assert logs_in(deployment, old) == (False, False) and logs_in(deployment, new) == (True, True)
    assert stores(deployment) == data
    assert deployment.deploy().changed == 0


@pytest.mark.more
def test_one_of_them_alone(deployment):
    old = said(deployment)
    timed("rotation of Redis's password", deployment.play("rotate-secrets.yml", "-e", "what=redis"))
    new = said(deployment)
    assert {name for name in new if old[name] != new[name]} == {"redis_url", "redis_acl"}
    assert logs_in(deployment, old) == (True, False) and logs_in(deployment, new) == (True, True)
