"""bootstrap.yml on real hosts over SSH: from a bare machine to a node of a cluster, again, interrupted, rebooted."""

from __future__ import annotations

import json
import socket

import pytest
from hosts import Hosts
from stacks import eventually

CUT = ["host : Firewall | write the rules", "engine : Install | packages", "swarm : Init"]
"""Where a run is killed: files written and nothing loaded; in the middle of dpkg; in the middle of the cluster's birth."""


def reachable(address: str, port: int) -> bool:
    """Whether this machine can connect."""
    try:
        socket.create_connection((address, port), timeout=2).close()
    except OSError:
        return False
    return True


def listen(hosts: Hosts, name: str, port: int) -> None:
    """A process on the host that takes connections at PORT, until the host ends."""
    unit = f"listener-{port}"
    hosts.run(name, "systemd-run", "--unit", unit, "python3", "-m", "http.server", str(port))
    probe = f"import socket; socket.create_connection(('127.0.0.1', {port}), 1)"
    eventually(
        lambda: hosts.run(name, "python3", "-c", probe, check=False).returncode == 0, 10, f"{unit} listens"
    )


@pytest.fixture(scope="module")
def bare():
    """One bare host in all three groups."""
    with Hosts(1, flavour="bare") as hosts:
        hosts.inventory()
        yield hosts


class TestOneHost:
    """In this order: each test goes on with the host as the one before left it."""

    def test_check_mode_on_a_fresh_host_changes_nothing(self, bare):
        play = bare.playbook("bootstrap.yml", "--check", "--diff")
        assert play.changed > 0, "it says what it would do"
        assert bare.run("host1", "test", "-e", "/etc/docker", check=False).returncode != 0
        assert (
            bare.run("host1", "test", "-e", "/etc/channels-stack-firewall.nft", check=False).returncode != 0
        )

    @pytest.mark.parametrize("task", CUT)
    def test_a_run_is_killed(self, bare, task):
        play = bare.playbook("bootstrap.yml", wait=False)
        eventually(lambda: task in play.text or not play.running, 300, f"the task {task}")
        assert play.running, play.tail(20)
        play.kill()

    def test_the_next_run_converges(self, bare):
        play = bare.playbook("bootstrap.yml")
        assert play.code == 0

    def test_a_second_run_changes_nothing(self, bare):
        play = bare.playbook("bootstrap.yml")
        assert play.changed == 0, play.changes

    def test_check_mode_on_a_finished_host_finds_nothing(self, bare):
        play = bare.playbook("bootstrap.yml", "--check", "--diff")
        assert play.changed == 0, play.changes

    def test_the_host_is_what_the_roles_promise(self, bare):
        host = bare.testinfra("host1")
        for name in ("docker.service", "channels-stack-firewall.service", "ssh.service"):
            assert host.service(name).is_running, name
            assert host.service(name).is_enabled, name
        assert (
            host.check_output("docker info -f '{{.Swarm.LocalNodeState}} {{.LoggingDriver}}'")
            == "active json-file"
        )
        assert "no-new-privileges" in host.check_output("docker info -f '{{.SecurityOptions}}'")
        assert "passwordauthentication no" in host.check_output("sshd -T")
        assert host.check_output("apt-config dump Unattended-Upgrade::Automatic-Reboot").endswith('"false";')
        assert host.check_output("cat /proc/sys/net/core/somaxconn") == "16384"
        labels = json.loads(host.check_output("docker node inspect self -f '{{json .Spec.Labels}}'"))
        assert labels == {"edge": "true", "app": "true", "data": "true"}

    @pytest.mark.parametrize(("port", "open_"), [(22, True), (443, True), (2377, False), (8000, False)])
    def test_only_what_is_named_gets_in(self, bare, port, open_):
        if port in (443, 8000):
            listen(bare, "host1", port)
        assert reachable(bare.addresses["host1"], port) is open_

    def test_it_comes_back_after_a_reboot_as_it_was(self, bare):
        bare.reboot("host1")
        eventually(
            lambda: "Ready" in bare.run("host1", "docker", "node", "ls", check=False).stdout,
            60,
            "the node is ready",
        )
        assert not reachable(bare.addresses["host1"], 2377)
        play = bare.playbook("bootstrap.yml")
        # A test host has no systemd-sysctl.service, which on a real one sets net.* at boot.
        assert set(play.changes) <= {"host : Kernel | put them in force"}


@pytest.fixture(scope="module")
def three():
    """Three hosts: host1 holds the data, host2 and host3 are edges, all run the application."""
    with Hosts(3) as hosts:
        hosts.inventory(edge=["host2", "host3"], data=["host1"])
        hosts.playbook("bootstrap.yml")
        yield hosts


def nodes(hosts: Hosts) -> dict[str, dict]:
    """What the cluster knows of its nodes, by host name."""
    ids = hosts.run("host1", "docker", "node", "ls", "-q").stdout.split()
    found = json.loads(hosts.run("host1", "docker", "node", "inspect", *ids).stdout)
    return {node["Description"]["Hostname"]: node for node in found}


class TestThreeHosts:
    def test_they_are_one_cluster_of_three_managers(self, three):
        found = nodes(three)
        assert set(found) == set(three.names)
        assert {node["Status"]["State"] for node in found.values()} == {"ready"}
        assert {node["ManagerStatus"]["Reachability"] for node in found.values()} == {"reachable"}

    def test_labels_are_the_groups(self, three):
        labels = {name: set(node["Spec"]["Labels"]) for name, node in nodes(three).items()}
        assert labels == {"host1": {"app", "data"}, "host2": {"app", "edge"}, "host3": {"app", "edge"}}

    def test_swarm_is_open_between_them_and_to_nobody_else(self, three):
        address = three.addresses["host1"]
        assert not reachable(address, 2377)
        probe = f"import socket; socket.create_connection(('{address}', 2377), 3)"
        assert three.run("host2", "python3", "-c", probe, check=False).returncode == 0

    def test_a_published_port_is_for_the_cluster_only(self, three):
        """Docker publishes past every firewall on INPUT; ours is on FORWARD as well."""
        image = three.base_image()
        three.load_image("host3", image)
        command = ("docker", "run", "--detach", "--name", "published", "--publish", "8500:8500", image)
        three.run("host3", *command, "bash", "-c", "exec sleep infinity")
        three.run("host3", "docker", "exec", "-d", "published", "perl", "-MIO::Socket::INET", "-e", PERL)
        address = three.addresses["host3"]
        probe = (
            f"import socket; s = socket.create_connection(('{address}', 8500), 3); assert s.recv(2) == b'ok'"
        )
        eventually(
            lambda: three.run("host2", "python3", "-c", probe, check=False).returncode == 0, 20, "it answers"
        )
        assert not reachable(address, 8500)
        three.run("host3", "docker", "rm", "--force", "published")

    def test_a_drained_node_is_empty_and_comes_back(self, three):
        image = three.base_image()
        for name in three.names:
            three.load_image(name, image)
        options = [
            "--replicas",
            "3",
            "--name",
            "tasks",
            "--no-resolve-image",
            "--endpoint-mode",
            "dnsrr",
            "--quiet",
        ]
        three.run("host1", "docker", "service", "create", *options, image, "sleep", "infinity")
        drained = three.playbook("drain.yml", "-e", "node=host2")
        assert drained.changed == 1
        running = three.run(
            *(
                "host1",
                "docker",
                "service",
                "ps",
                "tasks",
                "-f",
                "desired-state=running",
                "--format",
                "{{.Node}}",
            )
        ).stdout.split()
        assert len(running) == 3 and "host2" not in running
        again = three.playbook("drain.yml", "-e", "node=host2")
        assert again.changed == 0
        back = three.playbook("undrain.yml", "-e", "node=host2")
        assert back.changed == 1
        assert nodes(three)["host2"]["Spec"]["Availability"] == "active"
        three.run("host1", "docker", "service", "rm", "tasks")

    def test_the_only_node_of_a_group_is_not_drained(self, three):
        play = three.playbook("drain.yml", "-e", "node=host1", check=False)
        assert play.code != 0 and play.changed == 0
        assert "host1 is the only node of data in service" in play.text
        assert nodes(three)["host1"]["Spec"]["Availability"] == "active"

    def test_an_unknown_node_is_refused(self, three):
        play = three.playbook("drain.yml", "-e", "node=host9", check=False)
        assert play.code != 0
        assert "-e node=host9: it takes one of host1, host2, host3" in play.text


PERL = """
my $server = IO::Socket::INET->new(LocalPort => 8500, Listen => 5, ReuseAddr => 1) or die;
while (my $client = $server->accept) { print $client "ok"; close $client }
"""
"""A server of one line for an image that has nothing but Debian's essential packages."""
