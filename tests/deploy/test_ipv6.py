"""Two servers that Ansible reaches by IPv6 and that know each other by it: one cluster, and packets between its tasks."""

from __future__ import annotations

import pytest
from hosts import Hosts
from hosts.hosts import ipv6
from stacks import eventually

pytestmark = pytest.mark.more

PARTS = ("--tags", "engine,swarm")

ANSWER = """
my $server = IO::Socket::INET->new(LocalPort => 8500, Listen => 5, ReuseAddr => 1) or die;
while (my $client = $server->accept) { print $client "ok"; close $client }
"""
ASK = 'for each in $(getent ahostsv4 talk | cut -d" " -f1 | sort -u); do timeout 3 cat </dev/tcp/$each/8500; done'


@pytest.fixture(scope="module")
def hosts():
    with Hosts(2, ipv6=True) as found:
        found.inventory(swarm_address="{{ ansible_host }}")
        found.playbook("bootstrap.yml", *PARTS)
        yield found


def test_they_are_one_cluster_by_these_addresses(hosts):
    ids = hosts.run("host1", "docker", "node", "ls", "--quiet").stdout.split()
    form = "{{.Status.Addr}} {{.Status.State}}"
    nodes = hosts.run("host1", "docker", "node", "inspect", "--format", form, *ids).stdout.splitlines()
    assert sorted(nodes) == sorted(f"{ipv6(address)} ready" for address in hosts.addresses.values())


def test_tasks_of_both_are_found_and_answer(hosts):
    for host in hosts.names:
        hosts.load_image(host, hosts.base_image())
    hosts.run("host1", "docker", "network", "create", "--driver", "overlay", "talk")
    service = ("--name", "talk", "--mode", "global", "--endpoint-mode", "dnsrr", "--network", "talk")
    command = (hosts.base_image(), "perl", "-MIO::Socket::INET", "-e", ANSWER)
    hosts.run("host1", "docker", "service", "create", "--detach", "--no-resolve-image", *service, *command)

    def answers() -> str:
        task = hosts.run("host1", "docker", "ps", "--quiet", "--filter", "name=talk.").stdout.split()
        return task and hosts.run("host1", "docker", "exec", *task, "bash", "-c", ASK, check=False).stdout

    eventually(lambda: answers() == "okok", 60, "both tasks answer")


def test_the_same_again_changes_nothing(hosts):
    play = hosts.playbook("bootstrap.yml", *PARTS)
    assert play.changed == 0, play.changes
