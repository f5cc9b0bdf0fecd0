"""bootstrap.yml on real hosts over SSH: from a bare machine to a node of a cluster, again, interrupted, rebooted."""

from __future__ import annotations

import json

import pytest
from hosts import Hosts
from stacks import eventually

CUT = ["host : Firewall | write the rules", "engine : Install | packages", "swarm : Init"]
"""Where a run is killed: files written and nothing loaded; in the middle of dpkg; in the middle of the cluster's birth."""


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

    @pytest.mark.parametrize("part", ["host", "engine", "swarm"])
    def test_a_part_can_be_run_alone(self, bare, part):
        """docs/how-to/deploy.md: after a change of its settings; here of none."""
        play = bare.playbook("bootstrap.yml", "--tags", part)
        assert play.changed == 0, play.changes
        tasks = {"host": "Firewall", "engine": "Install", "swarm": "Nodes"}
        assert [name for name, task in tasks.items() if f"TASK [{name} : {task} |" in play.text] == [part]

    def test_check_mode_on_a_finished_host_finds_nothing(self, bare):
        play = bare.playbook("bootstrap.yml", "--check", "--diff")
        assert play.changed == 0, play.changes

    def test_the_host_is_what_the_roles_promise(self, bare):
        host = bare.testinfra("host1")
        for name in ("docker", "channels-stack-firewall", "channels-stack-names", "ssh"):
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
        assert bare.reachable("host1", port) is open_

    def test_only_root_gives_orders_to_the_engine(self, bare):
        """At the port that names.py uses, and has opened by a reload."""
        bare.run("host1", "systemctl", "reload", "docker")
        ask = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:7947/ready', timeout=5).read())"
        eventually(
            lambda: "OK" in bare.run("host1", "python3", "-c", ask, check=False).stdout, 10, "root is heard"
        )
        refused = bare.ssh("host1", "python3", "-c", f'"{ask}"')
        assert refused.returncode and "Connection refused" in refused.stderr, refused
        assert not bare.reachable("host1", 7947)

    def test_a_link_that_the_engine_left_behind_is_removed(self, bare):
        """By names.py: with it no task could start in its network."""
        link = "vx-001234-abcde"
        bare.run("host1", "ip", "link", "add", link, "type", "vxlan", "id", "4660", "dstport", "4789")
        there = ("ip", "link", "show", link)
        eventually(lambda: bare.run("host1", *there, check=False).returncode, 30, "it is gone")
        assert "left behind" in bare.run("host1", "journalctl", "--unit", "channels-stack-names").stdout

    def test_it_comes_back_after_a_reboot_as_it_was(self, bare):
        bare.reboot("host1")
        eventually(
            lambda: "Ready" in bare.run("host1", "docker", "node", "ls", check=False).stdout,
            60,
            "the node is ready",
        )
        assert not bare.reachable("host1", 2377)
        play = bare.playbook("bootstrap.yml")
        # A test host has no systemd-sysctl.service, which on a real one sets net.* at boot.
        assert set(play.changes) <= {"host : Kernel | apply them"}
