"""The way through SSH to the stack's own registry: its command, and what is said where there is none."""

import ipaddress
from types import SimpleNamespace

import pytest

from channels_stack_deploy.console import Failure
from channels_stack_deploy.registry import ssh_forward

OPTIONS = {
    "ssh_executable": "ssh",
    "ssh_args": "-o ControlMaster=auto -o ControlPersist=120s",
    "ssh_common_args": "-o ProxyJump=jump.example.org -o UserKnownHostsFile='/a b/known_hosts'",
    "ssh_extra_args": None,
    "host_key_checking": True,
    "port": 2222,
    "private_key_file": "/keys/one",
    "remote_user": "deploy",
    "timeout": 10,
    "host": "192.0.2.7",
}


def connection(transport="ssh", **options):
    """What Ansible's connection says of itself."""
    return SimpleNamespace(transport=transport, get_option={**OPTIONS, **options}.get)


def test_each_deployment_has_an_address_of_its_own_that_stays():
    names = {ssh_forward.loopback(f"/srv/{each}") for each in range(100)}
    assert len(names) == 100 and ssh_forward.loopback("/srv/7") in names
    for name in names:
        address, _, port = name.partition(":")
        assert ipaddress.ip_address(address).is_loopback and 20000 <= int(port) < 32768


def test_the_arguments_of_ansibles_connection_are_its_own():
    words = ssh_forward.command(connection().get_option, "127.1.2.3:20000", "10.0.0.2:5000")
    assert words[:4] == ["ssh", "-N", "-L", "127.1.2.3:20000:10.0.0.2:5000"] and words[-1] == "192.0.2.7"
    # ssh takes the first value: no master is made or used, whatever the arguments of the inventory say after it.
    assert words.index("ControlMaster=no") < words.index("ControlMaster=auto")
    for word in (
        "ProxyJump=jump.example.org",
        "UserKnownHostsFile=/a b/known_hosts",
        'Port="2222"',
        'User="deploy"',
    ):
        assert words[words.index(word) - 1] == "-o"
    assert "StrictHostKeyChecking=no" not in words
    option = connection(host_key_checking=False).get_option
    assert "StrictHostKeyChecking=no" in ssh_forward.command(option, "127.1.2.3:20000", "10.0.0.2:5000")


def test_another_connection_is_refused():
    way = ssh_forward.to_host(connection(transport="local"), "127.1.2.3:20000", "10.0.0.2:5000")
    with pytest.raises(Failure, match="its host has `local`: take the group `registry` out"), way:
        pass
