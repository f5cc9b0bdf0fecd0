"""Which packages a host gets from the controller; that apt fetches and dpkg takes them is seen on servers."""

from __future__ import annotations

import pytest

from channels_stack_deploy.build import packages
from channels_stack_deploy.console import Failure

STATUS = """Package: {}
Status: install ok installed
Version: 1

Package: removed
Status: deinstall ok config-files
"""


@pytest.mark.parametrize(
    ("release", "suite"),
    [('ID=debian\nVERSION_ID="12"\n', "bookworm"), ("VERSION_ID=13\nID=debian", "trixie")],
)
def test_the_release_of_a_host(release, suite):
    assert packages.suite(release) == suite


def test_for_a_host_that_is_not_debian_the_fix_is_named():
    with pytest.raises(
        Failure, match=r"knows debian 12 and debian 13, and this is ubuntu 24\.04: set it to false"
    ):
        packages.suite('PRETTY_NAME="Ubuntu 24.04.3 LTS"\nID=ubuntu\nVERSION_ID="24.04"\n')


def test_what_is_there_is_not_sent():
    lacking = packages.missing(["nftables", "removed"], STATUS.format("docker.io"))
    assert "docker.io" not in lacking and {"nftables", "removed", "docker-compose"} <= set(lacking)


def test_a_host_with_chrony_keeps_it():
    assert "systemd-timesyncd" not in packages.missing(["systemd-timesyncd"], STATUS.format("chrony"))
