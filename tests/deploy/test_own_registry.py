"""The stack's own registry, on the host of the group `registry`: pushed to through SSH, pulled from, closed to strangers."""

from __future__ import annotations

import os
import re
import subprocess

import pytest
import sources
from deployments import Deployment, timed
from hosts import Hosts, image
from registries import loses_an_image, unname
from stacks import eventually

from channels_stack_deploy.registry.ssh_forward import loopback

pytestmark = pytest.mark.more

HOST = "host2"
"""The host of the registry; the other one is the manager and has the data."""

PADDING = 30_000_000
"""Bytes that one release has more than the next one, and that cannot be compressed."""


@pytest.fixture(scope="module")
def deployment():
    with Hosts(2) as hosts:
        found = Deployment(hosts)
        found.groups = {"registry": [HOST]}
        found.configure(stack_trial_seconds=0, stack_update_monitor="5s", stack_keep_releases=1)
        timed("bootstrap of two hosts, one of them with the registry", found.play("bootstrap.yml"))
        yield found
        unname(loopback(str(found.folder)))


@pytest.fixture(scope="module")
def address(deployment) -> str:
    return f"{deployment.hosts.addresses[HOST]}:5000"


def size(deployment) -> int:
    """Bytes in the volume of the registry."""
    folder = "/var/lib/docker/volumes/channels-stack-registry_registry/_data"
    return int(deployment.hosts.run(HOST, "du", "--summarize", "--bytes", folder).stdout.split()[0])


def applications(deployment) -> dict[str, str]:
    """Image of each service but the registry's own."""
    services = deployment.services()
    del services["registry"]
    return {name: each["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"] for name, each in services.items()}


def answer(deployment, address: str, path: str, login: str = "") -> str:
    """The status that the registry answers to another host for PATH."""
    trusted = ["--cacert", f"/etc/docker/certs.d/{address}/ca.crt"]
    words = ["--silent", "--show-error", "--output", "/dev/null", "--write-out", "%{http_code}"]
    accept = ["--header", "Accept: application/vnd.docker.distribution.manifest.v2+json"]
    # The login by standard input, as a configuration of curl: nobody reads it in the list of processes.
    given = f'user = "{login}"\n' if login else ""
    command = ["curl", "--config", "-", *trusted, *words, *accept, f"https://{address}/v2/{path}"]
    return deployment.hosts.run("host1", *command, stdin=given).stdout


def held(deployment, address: str, name: str) -> str:
    """What the registry answers for the manifest of the image NAME, which a service bears."""
    repository, _, digest = name.removeprefix(f"{address}/").partition("@")
    login = (deployment.folder / "registry_login").read_text().strip()
    return answer(deployment, address, f"{repository}/manifests/{digest}", login)


def test_a_check_on_hosts_without_a_release_leaves_nothing(deployment):
    deployment.deploy("--check", "--diff")
    assert deployment.services() == {} and not deployment.folder.exists()


def test_a_deploy(deployment, address):
    play = deployment.deploy("-vvv")
    timed("first deploy through the stack's own registry, two hosts", play)
    names = applications(deployment)
    assert all(name.startswith(f"{address}/channels-stack/") for name in names.values()), names
    assert all("@sha256:" in name for name in names.values()), names
    login = deployment.folder / "registry_login"
    assert login.stat().st_mode & 0o077 == 0
    assert login.read_text().strip().partition(":")[2] not in play.text
    # The registry's own image went over SSH, and nothing else did.
    assert len(re.findall(r"^ +\d+ MB$", play.text, re.M)) == 1
    print(f"figure: the registry holds {size(deployment) / 1e6:.0f} MB after the first deploy", flush=True)


def test_the_same_again_changes_nothing(deployment):
    before = deployment.running()
    for arguments in (["--check", "--diff"], []):
        play = deployment.deploy(*arguments)
        assert play.changed == 0, play.changes
    timed("the same again", play)
    assert deployment.running() == before


def test_a_host_that_forwards_nothing_is_reported_in_one_line(deployment):
    file = "/etc/ssh/sshd_config.d/10-forward-nothing.conf"
    deployment.hosts.run(HOST, "tee", file, stdin="AllowTcpForwarding no\n")
    deployment.hosts.run(HOST, "systemctl", "reload", "ssh")
    play = deployment.deploy(check=False)
    deployment.hosts.run(HOST, "rm", file)
    deployment.hosts.run(HOST, "systemctl", "reload", "ssh")
    assert play.code != 0 and play.changed == 0 and not deployment.locked()
    assert re.search(
        r"cannot be reached through SSH: .*AllowTcpForwarding of its sshd\). Nothing was changed", play.text
    )
    assert "Traceback" not in play.text


def test_a_stranger_is_kept_out(deployment, address):
    """Another machine in the same network reaches the edge of that host and not its registry."""
    network = f"{deployment.hosts.project}_lan"

    def reached(port: int) -> bool:
        connect = [
            "timeout",
            "5",
            "bash",
            "-c",
            f"exec 3<>/dev/tcp/{deployment.hosts.addresses[HOST]}/{port}",
        ]
        line = ["docker", "run", "--rm", "--network", network, image.base(), *connect]
        return subprocess.run(line, capture_output=True, check=False).returncode == 0

    assert reached(443)
    assert not reached(5000)


def test_a_host_without_the_login_gets_nothing(deployment, address):
    name = applications(deployment)["ws"]
    repository = name.removeprefix(f"{address}/").partition("@")[0]
    assert answer(deployment, address, f"{repository}/tags/list") == "401"
    assert answer(deployment, address, f"{repository}/tags/list", "channels-stack:wrong") == "401"
    assert held(deployment, address, name) == "200"


def test_a_registry_that_has_lost_all_is_pushed_to_again(deployment, address):
    names, before = applications(deployment), deployment.running()
    deployment.docker("service", "rm", "channels-stack-registry_registry")
    remove = ("docker", "volume", "rm", "channels-stack-registry_registry")
    eventually(
        lambda: deployment.hosts.run(HOST, *remove, check=False).returncode == 0, 60, "its volume is removed"
    )
    timed("a deploy that finds the registry empty", deployment.deploy())
    assert {held(deployment, address, name) for name in names.values()} == {"200"}
    assert applications(deployment) == names
    assert before.items() <= deployment.running().items() | {
        (key, line) for key, line in before.items() if "channels-stack-registry" in line
    }


def test_a_node_that_has_lost_an_image_pulls_it_again(deployment):
    loses_an_image(deployment, "host1")


def test_a_new_release_takes_the_space_of_an_old_one(deployment, address):
    padded = sources.copy(deployment.hosts.folder, "app-padded")
    (padded / "padding.bin").write_bytes(os.urandom(PADDING))
    deployment.configure({"APP_DIR": str(padded)})
    deployment.deploy()
    old, large = applications(deployment)["ws"], size(deployment)
    assert held(deployment, address, old) == "200"
    deployment.configure({"APP_DIR": "../app"})
    deployment.deploy()
    assert held(deployment, address, old) == "404"
    assert size(deployment) < large - PADDING * 0.9
    assert {held(deployment, address, name) for name in applications(deployment).values()} == {"200"}
    print(
        f"figure: {large / 1e6:.0f} MB with the large release, {size(deployment) / 1e6:.0f} MB after the next",
        flush=True,
    )


def test_without_its_host_what_runs_goes_on_and_a_deploy_says_so(deployment):
    before = deployment.running()
    deployment.hosts.kill(HOST)
    play = deployment.deploy("--limit", "host1", check=False)
    assert play.code != 0 and play.changed == 0
    assert f"the registry stands on {HOST}, which this run leaves out: bring it back" in play.text
    play = deployment.deploy(check=False)
    assert play.code != 0 and play.changed == 0 and f"[{HOST}]: UNREACHABLE!" in play.text
    assert not deployment.locked()
    running = deployment.hosts.run("host1", "docker", "ps", "--quiet", "--no-trunc").stdout.split()
    assert set(running) <= set(before) and running
