"""Images by a registry with TLS and a login, instead of over SSH: pushed by the controller, pulled by the hosts."""

from __future__ import annotations

import pytest
from deployments import Deployment, timed
from hosts import Hosts
from registries import PASSWORD, USER, Registry, loses_an_image

pytestmark = pytest.mark.more


@pytest.fixture(scope="module")
def registry():
    with Hosts(2) as hosts, Registry(hosts) as found:
        found.hosts = hosts
        yield found


@pytest.fixture(scope="module")
def deployment(registry):
    found = Deployment(registry.hosts)
    found.configure(
        stack_registry=f"{registry.address}/rooms",
        stack_registry_ca=str(registry.ca),
        stack_registry_login=str(registry.folder / "login"),
        stack_trial_seconds=0,
        stack_update_monitor="5s",
    )
    found.play("bootstrap.yml", "--tags", "engine,swarm")
    return found


def login(registry, text: str, mode: int = 0o600) -> None:
    """The file with the login of the registry."""
    path = registry.folder / "login"
    path.write_text(text)
    path.chmod(mode)


def refused(deployment) -> str:
    """What a deploy says that ends before anything is on the hosts."""
    play = deployment.deploy(check=False)
    assert play.code != 0 and deployment.services() == {} and not deployment.locked()
    assert "Traceback" not in play.text and PASSWORD not in play.text
    return play.text


def test_without_a_login(deployment, registry):
    assert f"the registry {registry.address} wants a login: write USER:PASSWORD into" in refused(deployment)


def test_with_a_wrong_login(deployment, registry):
    login(registry, f"{USER}:wrong")
    assert f"the registry {registry.address} does not take the login in" in refused(deployment)


def test_with_a_login_that_others_may_read(deployment, registry):
    login(registry, f"{USER}:{PASSWORD}\n", 0o644)
    assert "must be a file for your eyes only: chmod 600" in refused(deployment)


def test_a_deploy(deployment, registry):
    login(registry, f"{USER}:{PASSWORD}\n")
    play = deployment.deploy("-vvv")
    timed("first deploy through a registry, two hosts", play)
    assert PASSWORD not in play.text
    services = deployment.services()
    names = [each["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"] for each in services.values()]
    assert all(name.startswith(f"{registry.address}/rooms/channels-stack/") for name in names), names
    assert all("@sha256:" in name for name in names), names
    assert deployment.release() and not deployment.locked()


def test_the_same_again_changes_nothing(deployment):
    before = deployment.running()
    play = deployment.deploy()
    assert play.changed == 0, play.changes
    assert deployment.running() == before


def test_a_node_that_has_lost_an_image_pulls_it_again(deployment):
    loses_an_image(deployment, "host2")


def test_the_way_back(deployment):
    before = deployment.release()
    deployment.configure({"LOG_LEVEL": "warning"})
    deployment.deploy()
    assert deployment.release() != before
    deployment.play("rollback.yml")
    assert deployment.release() == before
