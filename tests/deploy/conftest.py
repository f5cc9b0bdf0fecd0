"""What the tests on servers have in common: the hosts, and what Ansible said when one fails."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from deployments import Deployment, Documented, timed
from hosts import Hosts
from hosts.hosts import interruptible
from stacks import eventually

SHARING = {
    "server": (
        "test_deploy",
        "test_verbs_on_servers",
        "test_broken",
        "test_lock",
        "test_interrupted",
        "test_load",
        "test_rotate",
        # It leaves migrations that no other release knows, and so no other way back.
        "test_rollback",
        "test_backup",
        "test_own_application",
        "test_app_redis",
    ),
    "servers": ("test_cluster", "test_hosts", "test_retire"),
}
"""Fixture -> test files that work on its hosts, in this order: each goes on with what those before it have left."""

ORDER = [name for names in SHARING.values() for name in names]

MARKERS = {
    "ci": "what CI runs of the tests on servers (.ci/run)",
    "more": "options that not every deployment has, and further cases: `make test-deploy` leaves them out",
}


def pytest_configure(config):
    interruptible()
    for name, text in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {text}")


def _place(item) -> int:
    """Files that share hosts come first and side by side, because the hosts go when another file begins."""
    name = item.module.__name__
    return ORDER.index(name) if name in ORDER else len(ORDER)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    items.sort(key=_place)


class Server:
    """The one server that files share: made when the first of them asks for it."""

    def __init__(self) -> None:
        self._hosts = ExitStack()
        self._deployment: Deployment | None = None

    def bootstrapped(self) -> Deployment:
        """With an engine and a swarm; what runs on it is what was deployed before, at first nothing."""
        if self._deployment is None:
            self.remove()
            found = Deployment(self._hosts.enter_context(Hosts(1)))
            timed("bootstrap", found.play("bootstrap.yml"))
            self._deployment = found
            self._first = dict(found.settings), dict(found.variables)
        return self._deployment

    def deployed(self, settings: dict[str, object] | None = None, **variables: object) -> Deployment:
        """With the reference application on it as it comes but for SETTINGS, and these VARIABLES of the roles."""
        found = self._as_it_comes()
        found.configure(settings, **variables)
        found.deploy()
        return found

    def emptied(self) -> Deployment:
        """Without what was deployed before and without its data; images stay, so that the next deploy sends little."""
        found = self._as_it_comes()
        if found.services():
            found.docker("stack", "rm", "channels-stack")
            eventually(
                lambda: not found.docker("ps", "--all", "--quiet"), 120, "the end of what was deployed before"
            )
            volumes = found.docker("volume", "ls", "--quiet", "--filter", "name=channels-stack_").split()
            found.docker("volume", "rm", *volumes)
            found.hosts.run(found.hosts.names[0], "rm", "-r", "/srv/channels-stack")
        return found

    def _as_it_comes(self) -> Deployment:
        """With the inventory that the first bootstrap had."""
        found = self.bootstrapped()
        found.settings, found.variables = dict(self._first[0]), dict(self._first[1])
        return found

    def remove(self) -> None:
        self._deployment = None
        self._hosts.close()


class Servers:
    """The three servers of docs/how-to/deploy.md, bare at first, that files share: made when the first of them asks for them."""

    def __init__(self) -> None:
        self._hosts = ExitStack()
        self._deployment: Documented | None = None

    def bootstrapped(self) -> Documented:
        """With an engine and in one swarm."""
        if self._deployment is None:
            found = Documented(self._hosts.enter_context(Hosts(3, flavour="bare")))
            found.configure(stack_trial_seconds=5, stack_update_monitor="5s")
            timed("three empty hosts: bootstrap", found.play("bootstrap.yml"))
            self._deployment = found
        return self._deployment

    def remove(self) -> None:
        self._deployment = None
        self._hosts.close()


@pytest.fixture(scope="session")
def server():
    """The server that several files share."""
    found = Server()
    yield found
    found.remove()


@pytest.fixture(scope="session")
def servers():
    """The three servers that several files share."""
    found = Servers()
    yield found
    found.remove()


@pytest.fixture(scope="module", autouse=True)
def _only_its_own_hosts(request, server, servers):
    """A file does not have shared hosts of others beside its own."""
    for name, shared in {"server": server, "servers": servers}.items():
        if request.module.__name__ not in SHARING[name]:
            shared.remove()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Print the end of the last playbook below a failure."""
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Hosts) and value.plays:
                report.sections.append((str(value.plays[-1]), value.plays[-1].tail(30)))
    return report
