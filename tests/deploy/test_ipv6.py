"""Two servers that Ansible and the cluster know by IPv6 addresses alone: in the inventory, in Swarm, at registry and edge."""

from __future__ import annotations

import dataclasses

import pytest
from crowd import Crowd
from deployments import Deployment, timed
from hosts import Hosts
from hosts.hosts import ipv6

pytestmark = pytest.mark.more


@pytest.fixture(scope="module")
def deployment():
    with Hosts(2, ipv6=True) as hosts:
        found = Deployment(hosts)
        found.groups = {"registry": ["host2"]}
        address = "{{ ansible_host }}"
        found.configure(swarm_address=address, stack_trial_seconds=0, stack_update_monitor="5s")
        timed("IPv6: bootstrap", found.play("bootstrap.yml"))
        timed("IPv6: first deploy", found.deploy())
        yield found


def test_the_cluster_knows_them_by_these_addresses(deployment):
    addresses = {ipv6(address) for address in deployment.hosts.addresses.values()}
    ids = deployment.docker("node", "ls", "--quiet").split()
    form = "{{.Status.Addr}}"
    assert set(deployment.docker("node", "inspect", "--format", form, *ids).split()) == addresses
    images = deployment.docker("service", "ls", "--format", "{{.Image}}").split()
    registry = f"[{ipv6(deployment.hosts.addresses['host2'])}]:5000/"
    assert any(image.startswith(registry) for image in images), images


def test_people_on_different_hosts_talk(deployment):
    addresses = [ipv6(address) for address in deployment.hosts.addresses.values()]
    crowd = Crowd(
        dataclasses.replace(deployment.site, addresses=addresses), sockets=8, rooms=2, readers=2, every=0.3
    )
    with crowd.gathered():
        crowd.until(sent=10, jobs=1)
    seen = crowd.report()
    print(f"figure: IPv6: {seen}", flush=True)
    assert seen.failures == [] and (seen.lost, seen.doubled, seen.jobs_lost) == (0, 0, 0), str(seen)


def test_the_same_again_changes_nothing_and_the_status_has_no_problem(deployment):
    for name in ("bootstrap.yml", "deploy.yml"):
        play = deployment.play(name)
        assert play.changed == 0, play.changes
    assert "PROBLEM" not in deployment.play("status.yml").text
