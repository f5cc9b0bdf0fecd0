"""Unlike hosts in one cluster, as they are while people upgrade host by host: Debian 12 beside Debian 13, from bare machines on.

The second one keeps its images in containerd, as Docker Engine 29 does where it is new (Ubuntu 24.04 has that one).
"""

from __future__ import annotations

import re

import pytest
import sources
import yaml
from crowd import Crowd
from deployments import Deployment, timed
from hosts import Hosts

pytestmark = pytest.mark.more

IN_CONTAINERD = {"engine_daemon_options": {"features": {"containerd-snapshotter": True}}}


@pytest.fixture(scope="module")
def deployment():
    with Hosts(2, flavour="bare", suite=["bookworm", "trixie"]) as hosts:
        found = Deployment(hosts, HTTP_REPLICAS=2, WS_REPLICAS=2)
        found.configure(stack_trial_seconds=0, stack_update_monitor="5s")
        variables = hosts.folder / "inventory/host_vars"
        variables.mkdir()
        (variables / "host2.yml").write_text(yaml.safe_dump(IN_CONTAINERD))
        yield found


def versions(deployment) -> dict[str, str]:
    """Package -> version, of what is installed on the Debian 12 host."""
    lines = deployment.hosts.run("host1", "dpkg-query", "--show").stdout.splitlines()
    return dict(line.split("\t") for line in lines)


def from_debian_13(deployment, names: list[str]) -> set[str]:
    """Of the packages NAMES, those whose installed version the Debian 12 host has from Debian 13 alone."""
    text = deployment.hosts.run("host1", "apt-cache", "policy", *names).stdout
    found = {}
    for block in re.split(r"^(?=\S)", text, flags=re.M)[1:]:
        # The places of the installed version, of which the last one is this host itself.
        found[block.partition(":")[0]] = block.partition(" *** ")[2].partition("/var/lib/dpkg/status")[0]
    assert set(found) == set(names), text
    return {name for name, places in found.items() if " trixie" in places and " bookworm" not in places}


def test_a_check_run_on_bare_hosts_changes_nothing(deployment):
    before = versions(deployment)
    play = deployment.play("bootstrap.yml", "--check", "--diff")
    assert play.changed > 0, "it says what it would do"
    assert versions(deployment) == before


def test_bootstrap_takes_nothing_but_docker_from_debian_13(deployment):
    before = versions(deployment)
    timed("bootstrap of a Debian 12 and a Debian 13 host", deployment.play("bootstrap.yml"))
    after = versions(deployment)
    assert {name: after.get(name) for name in before} == before, "a package of Debian 12 was replaced"
    assert from_debian_13(deployment, sorted(set(after) - set(before))) == {
        "docker.io",
        "docker-cli",
        "docker-compose",
        "docker-buildx",
        "containerd",
    }


def test_they_are_one_cluster_and_their_engines_are_alike(deployment):
    engines = deployment.docker("node", "ls", "--format", "{{.Status}} {{.EngineVersion}}").splitlines()
    assert len(engines) == 2 and len(set(engines)) == 1 and engines[0].startswith("Ready "), engines
    drivers = [
        deployment.hosts.run(host, "docker", "info", "--format", "{{.Driver}}").stdout.strip()
        for host in deployment.hosts.names
    ]
    assert drivers == ["overlay2", "overlayfs"]


@pytest.mark.parametrize("arguments", [(), ("--check", "--diff")], ids=["again", "check"])
def test_a_second_bootstrap_changes_nothing(deployment, arguments):
    play = deployment.play("bootstrap.yml", *arguments)
    assert play.changed == 0, play.changes


def test_a_check_run_before_the_first_deploy_changes_nothing(deployment):
    assert deployment.deploy("--check", "--diff").code == 0
    assert deployment.services() == {}


def talk(deployment) -> None:
    """People in one room, through both edges."""
    crowd = Crowd(deployment.site, sockets=4, rooms=1, readers=2, every=0.3)
    with crowd.gathered():
        crowd.until(sent=6, jobs=1)
    seen = crowd.report()
    assert {each.address for each in crowd.members} == set(deployment.site.addresses)
    assert seen.failures == [] and (seen.lost, seen.doubled, seen.jobs_lost) == (0, 0, 0), str(seen)


def test_a_deploy_and_a_room_with_people_on_both_edges(deployment):
    timed("first deploy on both", deployment.deploy())
    for service in ("http", "ws"):
        assert sorted(deployment.places(service)) == deployment.hosts.names
    talk(deployment)


def test_the_same_again_changes_and_restarts_nothing(deployment):
    before = deployment.running()
    play = deployment.deploy()
    assert play.changed == 0, play.changes
    assert deployment.running() == before


def test_a_check_run_of_another_release_changes_nothing(deployment):
    before, release = deployment.running(), deployment.release()
    deployment.configure({"LOG_LEVEL": "warning"})
    play = deployment.deploy("--check", "--diff")
    del deployment.settings["LOG_LEVEL"]
    assert play.code == 0 and play.changed > 0
    assert (deployment.running(), deployment.release()) == (before, release)


def test_the_status_shows_both(deployment):
    text = deployment.play("status.yml").text
    for said in (*deployment.hosts.names, deployment.release(), "reports:0"):
        assert said in text, f"{said!r} is not in what status.yml says:\n{text}"


def test_a_new_release_and_the_way_back(deployment):
    """Of its image only the last layers are sent, also to the engine that has the others in containerd."""
    before = deployment.release()
    app = sources.copy(deployment.hosts.folder, "app-newer", config__asgi="\n# newer\n")
    deployment.configure({"APP_DIR": str(app)})
    timed("a new release on both", deployment.deploy())
    assert deployment.release() != before
    talk(deployment)
    timed("rollback on both", deployment.play("rollback.yml"))
    assert deployment.release() == before
