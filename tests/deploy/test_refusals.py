"""Bad inventories and unable hosts: told in full, one line a problem, before anything is changed."""

from __future__ import annotations

import pytest
from hosts import Hosts
from stacks import eventually


@pytest.fixture(scope="module")
def pair():
    """Two bare hosts."""
    with Hosts(2, flavour="bare") as hosts:
        yield hosts


@pytest.fixture
def refused(pair):
    """A function: run a playbook on the inventory that stands now; its text, once it was refused untouched."""

    def run(*arguments: str, playbook: str = "bootstrap.yml") -> str:
        play = pair.playbook(playbook, *arguments, check=False)
        assert play.code != 0, play.tail(30)
        assert play.changed == 0, play.changes
        for name in pair.names:
            made = pair.run(
                name, "sh", "-c", "ls -d /etc/docker /etc/channels-stack-firewall.nft", check=False
            ).stdout
            assert made == "", f"{name} was changed"
        assert "Traceback" not in play.text
        return play.text

    return run


def test_an_empty_inventory(pair, refused):
    pair.inventory(edge=[], app=[], data=[])
    text = refused()
    for group in ("edge", "app", "data"):
        assert f"inventory: group `{group}` has no host" in text


def test_an_empty_group(pair, refused):
    pair.inventory(data=[])
    assert "inventory: group `data` has no host; it takes the server with PostgreSQL and Redis" in refused()


def test_a_server_named_twice(pair, refused):
    address = pair.addresses["host1"]
    connection = {"ansible_ssh_private_key_file": str(pair.folder / "key"), "ansible_user": "admin"}
    connection["ansible_ssh_common_args"] = f"-o UserKnownHostsFile={pair.folder / 'known_hosts'}"
    hosts = {"one": {"ansible_host": address}, "two": {"ansible_host": address}}
    pair.write_inventory(
        {
            "all": {"vars": connection},
            "edge": {"hosts": hosts},
            "app": {"hosts": hosts},
            "data": {"hosts": {"one": {}}},
        },
        {},
    )
    assert f"two: has the same address as one ({address}:22)" in refused()


def test_a_typing_error_in_a_variable(pair, refused):
    pair.inventory(host_firewal=False, swarm_manager=["host1"])
    text = refused()
    assert "host1, host2: host_firewal is no variable of the role `host`; did you mean host_firewall?" in text
    assert "swarm_manager is no variable of the role `swarm`; did you mean swarm_managers?" in text


def test_a_value_of_the_wrong_type(pair, refused):
    pair.inventory(host_ssh_sources={"a": 1}, host_firewall="perhaps")
    text = refused()
    assert "host_ssh_sources" in text and "list" in text
    assert "host_firewall" in text and "bool" in text


def test_a_host_in_no_group(pair, refused):
    pair.inventory(edge=["host1"], app=["host1"], data=["host1"])
    groups = {
        "ungrouped": {"hosts": {"host2": {"ansible_host": pair.addresses["host2"]}}},
        **{
            name: {"hosts": {"host1": {"ansible_host": pair.addresses["host1"]}}}
            for name in ("edge", "app", "data")
        },
    }
    pair.write_inventory(groups, {})
    assert "host2: is in none of the groups edge, app, data" in refused()


def test_hosts_that_cannot_be_reached_and_one_without_python(pair, refused):
    """All of them in one go, each in its line."""
    pair.inventory()
    pair.kill("host2")
    pair.run("host1", "sh", "-c", "mkdir /aside && mv /usr/bin/python3* /aside/")
    try:
        text = refused()
    finally:
        pair.run("host1", "sh", "-c", "mv /aside/* /usr/bin/ && rmdir /aside")
        pair.power_on("host2")
    assert "host1: has no Python 3: apt-get install python3" in text
    assert "host2: cannot be reached over SSH:" in text


def test_a_host_that_is_too_small_of_another_distribution_and_has_a_port_taken(pair, refused):
    pair.inventory(
        preflight_disk_gb=9000, preflight_memory_mb=10_000_000, preflight_distributions=["debian 7"]
    )
    pair.run("host1", "systemd-run", "--unit", "squatter", "python3", "-m", "http.server", "443")
    eventually(
        lambda: ":01BB" in pair.run("host1", "cat", "/proc/net/tcp").stdout, 10, "somebody listens at 443"
    )
    try:
        text = refused()
    finally:
        pair.run("host1", "systemctl", "stop", "squatter")
    for name in pair.names:
        assert f"{name}: is debian 13; the roles know debian 7" in text
    assert "are needed (preflight_disk_gb)" in text
    assert "are needed (preflight_memory_mb)" in text
    assert "host1: port tcp/443 is taken by python3" in text


def test_a_user_who_cannot_become_root(pair, refused):
    pair.inventory()
    pair.run("host1", "mv", "/etc/sudoers.d/admin", "/root/")
    try:
        text = refused()
    finally:
        pair.run("host1", "mv", "/root/admin", "/etc/sudoers.d/")
    assert "host1: admin cannot become root there:" in text


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"host_ssh_ports": [2222]}, "the firewall would cut our own SSH: it comes through port 22"),
        ({"host_ssh_sources": ["192.0.2.0/24"]}, "the firewall would cut our own SSH: it comes from"),
        ({"host_ssh_sources": ["192.0.2.1/24"]}, "host_ssh_sources: 192.0.2.1/24 is no network"),
        ({"engine_daemon_options": {"live-restore": True}}, "live-restore must stay false"),
        ({"swarm_managers": ["host7"]}, "swarm_managers names host7"),
    ],
    ids=["port", "source", "network", "live-restore", "managers"],
)
def test_settings_that_would_break_it(pair, refused, variables, words):
    pair.inventory(**variables)
    assert words in refused()


def test_one_host_alone(pair, refused):
    pair.inventory()
    assert "run without --limit" in refused("--limit", "host1")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        (
            {"stack_trial_second": 5},
            ["stack_trial_second is no variable of the role `stack`; did you mean stack_trial_seconds?"],
        ),
        (
            {"stack_keep_releases": 0, "stack_update_monitor": "30", "stack_name": "My Rooms"},
            [
                "stack_keep_releases is 0; it takes 1 or more",
                "stack_update_monitor is '30'; it takes a time with its unit: 30s",
                "stack_name is 'My Rooms'; it takes small letters, digits and hyphens: channels-stack",
            ],
        ),
        ({"stack_settings": "rooms.example.org"}, ["stack_settings", "dict"]),
        (
            {"stack_settings": "DOMAINS=rooms.example.org"},
            ["stack_settings is no mapping; it takes a name and a value"],
        ),
        (
            {"stack_db_host": "host2"},
            ["stack_db_host is 'host2'; it takes a host of the group `data`: host1"],
        ),
    ],
    ids=["typing error", "range", "type", "text", "place"],
)
def test_variables_of_a_release(pair, refused, variables, words):
    pair.inventory(**variables)
    text = " ".join(refused(playbook="deploy.yml").split())
    assert [each for each in words if each not in text] == []


def test_a_name_of_a_release_that_leads_elsewhere(pair, refused):
    pair.inventory()
    assert "stack_release is '../elsewhere'; it takes letters" in refused(
        "-e", "release=../elsewhere", playbook="deploy.yml"
    )
