"""A server with an earlier revision, upgraded as an operator does it: `git checkout`, `deploy.yml`, while people talk.

    make test-upgrade REV=v0.1.0 T=tests/upgrade/test_servers.py

Both revisions are commits: what is not committed takes no part.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from crowd import Crowd
from deployments import Deployment, timed
from hosts import Hosts

SOCKETS, ROOMS = 40, 4

IN_PLACE_SECONDS = 60
"""What a changed edge, database or Redis may cost on one host: they are replaced in place."""


@pytest.fixture
def deployment(clone: Path) -> Iterator[Deployment]:
    """One host that serves the earlier revision."""
    with Hosts(1) as hosts:
        made = Deployment(hosts)
        timed("bootstrap by the earlier revision", hosts.playbook("bootstrap.yml", root=clone))
        timed("deploy of the earlier revision", hosts.playbook("deploy.yml", root=clone))
        yield made


def test_no_message_or_job_is_lost(deployment, clone, upgrade):
    before = deployment.release()
    upgrade()
    people = Crowd(deployment.site, SOCKETS, ROOMS, every=0.3)
    with people.gathered():
        timed("upgrade: bootstrap", deployment.hosts.playbook("bootstrap.yml", root=clone))
        timed("upgrade: deploy", deployment.hosts.playbook("deploy.yml", root=clone))
    seen = people.report()
    print(f"figure: upgrade from {before} to {deployment.release()}: {seen}", flush=True)
    assert (seen.lost, seen.doubled, seen.jobs_lost) == (0, 0, 0), str(seen)
    assert seen.sent > 50 and seen.jobs > 3, f"too little was sent to prove anything: {seen}"
    assert max(seen.away, default=0) <= IN_PLACE_SECONDS, str(seen)
    again = deployment.hosts.playbook("deploy.yml", root=clone)
    assert again.changed == 0, again.changes
