"""CERTIFICATE=acme by `deploy.yml` alone, on two edges: the first certificate, the next deploys, a renewal.

The ACME server is a real one (Pebble) beside the hosts; the name of the site leads to the edge that orders nothing.
"""

from __future__ import annotations

import dataclasses
import ssl
import subprocess
import urllib.request

import pytest
from crowd import Crowd, Site
from deployments import Deployment, timed
from hosts import Hosts
from pebble import pebble
from stacks import ROOT, eventually

pytestmark = pytest.mark.more

NAME = "rooms.test"
UNIT = "channels-stack-certificates.service"
VALID_SECONDS = 90 * 86400


@pytest.fixture(scope="module")
def deployment():
    """Two edges in a swarm; the application and its data on the first."""
    images = dict(line.split("=", 1) for line in (ROOT / ".images").read_text().split())
    with Hosts(2) as hosts:
        found = Deployment(hosts, DOMAINS=NAME, HTTP_REPLICAS=1, WS_REPLICAS=1)
        found.groups = {"edge": ["host1", "host2"], "app": ["host1"], "data": ["host1"]}
        found.domain = NAME
        found.configure(stack_trial_seconds=0, stack_update_monitor="5s")
        timed("bootstrap", found.play("bootstrap.yml", "--tags", "engine,swarm"))
        folder = hosts.folder / "pebble/acme"
        with pebble(hosts, images["PEBBLE_IMAGE"], folder, NAME, "host2", VALID_SECONDS) as directory:
            found.configure(
                {"CERTIFICATE": "acme", "ACME_SERVER": directory},
                certificates_acme_authority=str(folder / "ca.pem"),
            )
            yield found


def certificate(deployment: Deployment, host: str) -> str:
    """What a new connection to this edge gets; "" where nothing answers."""
    try:
        return ssl.get_server_certificate((deployment.hosts.addresses[host], 443), timeout=5)
    except OSError:
        return ""


def issuer(deployment: Deployment, host: str) -> str:
    """Who signed it."""
    command = ["openssl", "x509", "-noout", "-issuer"]
    text = certificate(deployment, host)
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False).stdout


def test_a_check_run_on_fresh_hosts_changes_nothing(deployment):
    assert deployment.deploy("--check", "--diff").code == 0
    assert deployment.services() == {} and not deployment.folder.exists()
    assert deployment.hosts.run("host1", "ls", "/srv").stdout == ""


def test_the_first_deploy_obtains_for_every_edge(deployment):
    timed("first deploy, with ACME", deployment.deploy())
    for host in deployment.hosts.names:
        eventually(
            lambda host=host: "Pebble" in issuer(deployment, host), 20, f"the certificate by ACME on {host}"
        )
    assert certificate(deployment, "host1") == certificate(deployment, "host2")
    timers = deployment.hosts.run("host1", "systemctl", "list-timers").stdout
    assert UNIT.replace(".service", ".timer") in timers
    timers = deployment.hosts.run("host2", "systemctl", "list-timers", "--all").stdout
    assert UNIT.replace(".service", ".timer") not in timers


def test_the_next_deploy_keeps_it_and_changes_nothing(deployment):
    served, running = certificate(deployment, "host2"), deployment.running()
    play = deployment.deploy()
    timed("redeploy, unchanged", play)
    assert play.changed == 0, play.changes
    assert deployment.running() == running
    assert certificate(deployment, "host1") == certificate(deployment, "host2") == served


def test_a_changed_setting_of_the_edge_keeps_it(deployment):
    served, running = certificate(deployment, "host2"), deployment.running()
    deployment.configure({"EDGE_MAX_URI_BYTES": 4096})
    timed("redeploy, a setting of the edge", deployment.deploy())
    assert deployment.running() == running
    assert certificate(deployment, "host1") == certificate(deployment, "host2") == served


def test_a_check_run_on_deployed_hosts_changes_nothing(deployment):
    running = deployment.running()
    assert deployment.deploy("--check", "--diff").changed == 0
    assert deployment.running() == running


def trusting(deployment: Deployment) -> Site:
    """The site for visitors who trust that ACME server's authority."""
    directory = deployment.settings["ACME_SERVER"].replace(":14000/dir", ":15000/roots/0")
    own = ssl.create_default_context(cafile=deployment.variables["certificates_acme_authority"])
    root = deployment.hosts.folder / "root.pem"
    with urllib.request.urlopen(directory, context=own, timeout=10) as answer:
        root.write_bytes(answer.read())
    return dataclasses.replace(deployment.site, ca=root)


def test_a_renewal_by_the_timers_unit_drops_no_socket(deployment):
    before = certificate(deployment, "host2")
    deployment.hosts.run("host1", "systemctl", "start", UNIT)
    assert certificate(deployment, "host2") == before, "renewed long before its end"
    # certbot has nothing any more: as if it were due.
    kept = [f"/srv/channels-stack/acme/{name}" for name in ("live", "renewal", "archive")]
    deployment.hosts.run("host1", "rm", "-r", *kept)
    crowd = Crowd(trusting(deployment), sockets=20, rooms=2, readers=1, every=0.3)
    with crowd.gathered():
        deployment.hosts.run("host1", "systemctl", "start", UNIT)
        for host in deployment.hosts.names:
            eventually(
                lambda host=host: certificate(deployment, host) not in (before, ""),
                60,
                f"another one on {host}",
            )
        crowd.until(sent=6, jobs=0)
    seen = crowd.report()
    print(f"figure: a renewal: {seen}", flush=True)
    assert seen.failures == [] and not seen.codes and (seen.lost, seen.doubled) == (0, 0)
