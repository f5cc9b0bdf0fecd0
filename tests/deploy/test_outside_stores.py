"""PostgreSQL and Redis of somebody else's: the host has neither, the group `data` is empty, TLS is verified to the end."""

from __future__ import annotations

import pytest
from crowd import Crowd
from deployments import Deployment, timed
from hosts import Hosts
from outside import Outside, authority
from stacks import ROOT

pytestmark = pytest.mark.more

SERVICES = {"edge", "http", "ws", "worker"}


@pytest.fixture(scope="module")
def outside():
    images = dict(line.split("=", 1) for line in (ROOT / ".images").read_text().split())
    with Hosts(1) as hosts:
        folder = hosts.folder / "outside"
        folder.mkdir()
        name, network = f"{hosts.project}-outside", f"{hosts.project}_lan"
        stores = images["REDIS_IMAGE"], images["DB_IMAGE"]
        with Outside(name, folder, network, *stores, flags=hosts.labels("outside")) as found:
            found.hosts = hosts
            yield found


@pytest.fixture(scope="module")
def deployment(outside):
    found = Deployment(outside.hosts, HTTP_REPLICAS=1, WS_REPLICAS=1)
    found.groups = {"data": []}
    found.configure({"DB_NODES": 0, "REDIS_NODES": 0}, stack_trial_seconds=0, stack_update_monitor="5s")
    found.play("bootstrap.yml", "--tags", "engine,swarm")
    write(found, outside.secrets(outside.ca))
    return found


def write(deployment, secrets: dict[str, str]) -> None:
    """As the operator does, before the first run."""
    folder = deployment.folder / "secrets"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in secrets.items():
        (folder / name).write_text(text)


def refused(deployment) -> str:
    """What a deploy says that changes nothing for visitors."""
    before = deployment.running()
    play = deployment.deploy(check=False)
    assert play.code != 0 and "Traceback" not in play.text, play.tail(30)
    assert deployment.running() == before and not deployment.locked()
    return play.text


def test_a_check_run_before_the_first_deploy(deployment):
    assert deployment.deploy("--check", "--diff").code == 0
    assert deployment.services() == {}


def test_a_deploy(deployment, outside):
    timed("first deploy, data stores of somebody else's", deployment.deploy())
    assert set(deployment.services()) == SERVICES
    volumes = deployment.docker("volume", "ls", "--format", "{{.Name}}")
    assert "db" not in volumes and "redis" not in volumes, volumes
    of_hosts = "FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE client_addr IS NOT NULL"
    assert int(outside.sql(f"SELECT count(*) {of_hosts} AND ssl")) > 0
    assert outside.sql(f"SELECT count(*) {of_hosts} AND NOT ssl") == "0"


def test_the_same_again_changes_and_restarts_nothing(deployment):
    before = deployment.running()
    play = deployment.deploy()
    assert play.changed == 0, play.changes
    assert deployment.running() == before


def test_rooms_that_talk(deployment):
    crowd = Crowd(deployment.site, sockets=4, rooms=1, readers=1, every=0.3)
    with crowd.gathered():
        crowd.until(sent=6, jobs=1)
    seen = crowd.report()
    assert seen.failures == [] and (seen.lost, seen.doubled, seen.jobs_lost) == (0, 0, 0), str(seen)


def test_the_status_without_data_stores_of_our_own(deployment):
    text = deployment.play("status.yml").text
    for said in ("ready", *SERVICES, deployment.release(), "reports:0"):
        assert said in text, f"{said!r} is not in what status.yml says:\n{text}"


def test_another_authority_is_refused_before_anything_moves(deployment, outside):
    """Nobody in between can be the database or the Redis."""
    write(deployment, {"data_ca": authority(outside.folder, "strangers").read_text()})
    text = refused(deployment)
    write(deployment, {"data_ca": outside.ca.read_text()})
    lines = [line for line in text.splitlines() if "certificate verify failed" in line]
    assert lines, text[-3000:]
