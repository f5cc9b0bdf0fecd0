"""bootstrap.yml on three bare servers: one cluster, closed to everybody else."""

from __future__ import annotations

import json

import pytest
from deployments import GROUPS
from stacks import eventually

PERL = """
my $server = IO::Socket::INET->new(LocalPort => 8500, Listen => 5, ReuseAddr => 1) or die;
while (my $client = $server->accept) { print $client "ok"; close $client }
"""
"""A server of one line for an image that has nothing but Debian's essential packages."""


@pytest.fixture(scope="module")
def cluster(servers):
    return servers.bootstrapped()


def nodes(cluster) -> dict[str, dict]:
    """What the cluster knows of its nodes, by host name."""
    ids = cluster.docker("node", "ls", "-q").split()
    return {
        node["Description"]["Hostname"]: node for node in json.loads(cluster.docker("node", "inspect", *ids))
    }


def test_they_are_one_cluster_of_three_managers(cluster):
    found = nodes(cluster)
    assert set(found) == set(cluster.hosts.names)
    assert {node["Status"]["State"] for node in found.values()} == {"ready"}
    assert {node["ManagerStatus"]["Reachability"] for node in found.values()} == {"reachable"}


def test_labels_are_the_groups(cluster):
    labels = {name: set(node["Spec"]["Labels"]) for name, node in nodes(cluster).items()}
    assert labels == {
        name: {group for group, members in GROUPS.items() if name in members} for name in cluster.hosts.names
    }


def test_swarm_is_open_between_them_and_to_no_one_else(cluster):
    assert not cluster.hosts.reachable("host1", 2377)
    probe = f"import socket; socket.create_connection(('{cluster.hosts.addresses['host1']}', 2377), 3)"
    assert cluster.hosts.run("host2", "python3", "-c", probe, check=False).returncode == 0


def test_a_published_port_is_for_the_cluster_only(cluster):
    """Docker publishes past every firewall on INPUT; ours is on FORWARD as well."""
    hosts, image = cluster.hosts, cluster.hosts.base_image()
    hosts.load_image("host3", image)
    command = ("docker", "run", "--detach", "--name", "published", "--publish", "8500:8500", image)
    hosts.run("host3", *command, "bash", "-c", "exec sleep infinity")
    hosts.run("host3", "docker", "exec", "-d", "published", "perl", "-MIO::Socket::INET", "-e", PERL)
    address = hosts.addresses["host3"]
    probe = f"import socket; s = socket.create_connection(('{address}', 8500), 3); assert s.recv(2) == b'ok'"
    eventually(
        lambda: hosts.run("host2", "python3", "-c", probe, check=False).returncode == 0, 20, "it answers"
    )
    assert not hosts.reachable("host3", 8500)
    hosts.run("host3", "docker", "rm", "--force", "published")


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ("host1.example.org", "host1 is the only node of data in service"),
        ("host9", "-e node=host9: it takes one of host1.example.org, host2.example.org, host3.example.org"),
    ],
    ids=["the only one of its group", "unknown"],
)
def test_a_node_that_cannot_be_drained_is_left_alone(cluster, node, words):
    play = cluster.play("drain.yml", "-e", f"node={node}", check=False)
    assert play.code != 0 and play.changed == 0
    assert words in " ".join(play.text.split())
    assert {each["Spec"]["Availability"] for each in nodes(cluster).values()} == {"active"}


SEVERED = """
table inet severed {
    chain input { type filter hook input priority -10; tcp dport 2377 drop; }
    chain output { type filter hook output priority -10; tcp dport 2377 drop; }
}
"""


@pytest.fixture
def severed(cluster):
    """The managers do not reach each other; calling it ends that."""

    def everywhere(commands: str) -> None:
        for host in cluster.hosts.names:
            cluster.hosts.run(host, "nft", commands)

    everywhere(SEVERED)
    yield lambda: everywhere("destroy table inet severed")
    everywhere("destroy table inet severed")


def test_a_playbook_waits_until_the_managers_have_a_leader(cluster, severed):
    """As after the loss of a host, when those that are left choose one anew."""
    ask = ("docker", "node", "ls")
    eventually(lambda: cluster.hosts.run("host1", *ask, check=False).returncode, 60, "there is no leader")
    aimed = ("--check", "-e", "node=host3.example.org")
    play = cluster.hosts.playbook("drain.yml", *aimed, check=False, wait=False)
    eventually(lambda: "RETRYING: [host1.example.org]: Leader" in play.text, 60, "it waits")
    severed()
    assert play.wait().code == 0, play.tail(30)
    assert {each["Spec"]["Availability"] for each in nodes(cluster).values()} == {"active"}
