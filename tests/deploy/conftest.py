"""What the tests on servers have in common: the hosts, and what Ansible said when one fails."""

from __future__ import annotations

import pytest
from hosts import Hosts
from hosts.hosts import interruptible


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
