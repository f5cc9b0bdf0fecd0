"""What the tests on servers have in common: the hosts, and what Ansible said when one fails."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hosts import Hosts
from hosts.hosts import interruptible

ROLES = Path(__file__).resolve().parents[2] / "ansible/roles"
# The filters of the roles are plain functions: the tests call them as such.
sys.path += [str(path) for path in sorted(ROLES.glob("*/filter_plugins"))]


def pytest_configure(config):
    interruptible()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Print the end of the last playbook below a failure."""
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Hosts) and value.plays:
                report.sections.append((str(value.plays[-1]), value.plays[-1].tail(30)))
    return report
