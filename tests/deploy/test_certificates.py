"""Role `certificates` on two servers: settings and certificate of every edge, from each source, and renewals by ACME.

The edges run as in the stack, on Swarm and with host ports, but with no application behind them: what counts here is what they
read. The ACME server is a real one (Pebble) beside the hosts; the name of the site leads to the edge that orders nothing.
"""

from __future__ import annotations

import json
import ssl
import subprocess
from pathlib import Path

import pytest
import yaml
from hosts import Hosts
from pebble import pebble
from selfsigned import self_signed
from stacks import ROOT, docker, eventually

pytestmark = pytest.mark.more

NAME = "rooms.test"
VALID_SECONDS = 60
PLAY = """
- hosts: all
  gather_facts: true
  become: true
  any_errors_fatal: true
  roles:
    - certificates
"""


@pytest.fixture(scope="module")
def images() -> dict[str, str]:
    """Names of the images, from `make images`."""
    return dict(line.split("=", 1) for line in (ROOT / ".images").read_text().split())


@pytest.fixture(scope="module")
def hosts(images):
    """Two hosts in one swarm, both of them edges, with an edge service that waits for its folder."""
    with Hosts(2) as hosts:
        hosts.inventory(data=["host1"], app=["host1"])
        hosts.playbook("bootstrap.yml")
        for host in hosts.names:
            hosts.load_image(host, images["EDGE_IMAGE"])
        hosts.load_image("host1", images["CERTIFICATES_IMAGE"])
        yield hosts


class Site:
    """The role, run as the role `stack` runs it."""

    def __init__(self, hosts: Hosts, images: dict[str, str], folder: Path) -> None:
        self.hosts, self.images, self.folder = hosts, images, folder
        self.play = folder / "certificates.yml"
        self.play.write_text(PLAY)

    def deploy(self, *arguments: str, check: bool = True, **settings: str):
        """Run the role with these settings of the stack; start the edges where they do not run."""
        known = {"DOMAINS": NAME, "HTTPS_PORT": "443", **settings}
        (self.folder / "stack.env").write_text("".join(f"{name}={value}\n" for name, value in known.items()))
        given = {
            "stack_settings": known,
            "certificates_folder": str(self.folder),
            "certificates_edge_image": self.images["EDGE_IMAGE"],
            "certificates_image": self.images["CERTIFICATES_IMAGE"],
            "certificates_acme_host": "host1",
            "certificates_acme_authority": str(self.folder / "acme/ca.pem") if "ACME_SERVER" in known else "",
        }
        path = self.folder / "vars.yml"
        path.write_text(yaml.safe_dump(given))
        return self.hosts.playbook(str(self.play), "-e", f"@{path}", *arguments, check=check)

    def start(self) -> None:
        """The edge service of the stack."""
        ports = [
            f"--publish=mode=host,published={port},target={to}" for port, to in ((80, 8080), (443, 8443))
        ]
        mount = "--mount=type=bind,source=/srv/channels-stack/edge,target=/etc/edge,readonly"
        rights = ["--read-only", "--cap-drop=ALL", "--mount=type=tmpfs,target=/tmp"]
        place = ["--mode=global", "--constraint=node.labels.edge==true", "--endpoint-mode=dnsrr"]
        name = ["--name=channels-stack_edge", "--no-resolve-image", "--detach"]
        command = [
            "docker",
            "service",
            "create",
            *name,
            *place,
            *ports,
            mount,
            *rights,
            self.images["EDGE_IMAGE"],
        ]
        self.hosts.run("host1", *command)
        for host in self.hosts.names:
            eventually(
                lambda host=host: "CERTIFICATE" in self.certificate(host), 60, f"the edge of {host} answers"
            )

    def certificate(self, host: str) -> str:
        """What a new connection to this edge gets; "" where nothing answers."""
        try:
            return ssl.get_server_certificate((self.hosts.addresses[host], 443), timeout=5)
        except OSError:
            return ""

    def issuer(self, host: str) -> str:
        """Who signed it."""
        command = ["openssl", "x509", "-noout", "-issuer"]
        return subprocess.run(
            command, input=self.certificate(host), capture_output=True, text=True, check=False
        ).stdout

    def containers(self) -> dict[str, str]:
        """The edge's container on each host: the same one before and after means that nothing was replaced."""
        label = "label=com.docker.swarm.service.name=channels-stack_edge"
        return {
            host: self.hosts.run(host, "docker", "ps", "--quiet", "--filter", label).stdout.strip()
            for host in self.hosts.names
        }


def renew(hosts: Hosts, check: bool = True) -> None:
    """What the timer does, at once; systemd's limit of starts is for who asks more often than a timer."""
    unit = "channels-stack-certificates.service"
    hosts.run("host1", "systemctl", "reset-failed", unit, check=False)
    hosts.run("host1", "systemctl", "start", unit, check=check)


@pytest.fixture(scope="module")
def site(hosts, images, tmp_path_factory):
    """The edges with a certificate of the local authority."""
    site = Site(hosts, images, tmp_path_factory.mktemp("environment"))
    site.deploy()
    site.start()
    return site


def test_the_local_authority_signs_for_every_edge(site):
    assert "local authority" in site.issuer("host1")
    assert site.certificate("host1") == site.certificate("host2")
    listing = site.hosts.run("host2", "stat", "-c", "%a %u", "/srv/channels-stack/edge/tls.pem").stdout
    assert listing.split() == ["400", "10001"]


def test_a_second_run_changes_nothing(site):
    before = site.containers()
    play = site.deploy()
    assert play.changed == 0, play.changes
    assert site.containers() == before


def test_a_changed_setting_is_a_reload(site):
    before = site.containers()
    site.deploy(DOMAINS=f"{NAME} added.test")
    assert site.containers() == before
    for host in site.hosts.names:
        status = json.loads(site.hosts.run(host, "docker", "exec", before[host], "edge", "status").stdout)
        assert "added.test" in status["certificate"]["names"]


def test_bad_settings_stop_before_anything_is_changed(site):
    before = {host: site.certificate(host) for host in site.hosts.names}
    play = site.deploy(check=False, EDGE_STOP_TIMEOUT="50s")
    assert play.code != 0
    assert "33 s is the most" in play.text
    text = site.hosts.run("host1", "cat", "/srv/channels-stack/edge/settings.env").stdout
    assert "50s" not in text
    assert {host: site.certificate(host) for host in site.hosts.names} == before


def test_given_files_are_checked_and_brought_to_every_edge(site):
    (site.folder / "tls").mkdir(exist_ok=True)
    play = site.deploy(check=False, CERTIFICATE="files")
    assert play.code != 0 and "fullchain.pem is missing" in play.text
    key, chain = site.folder / "tls/privkey.pem", site.folder / "tls/fullchain.pem"
    self_signed("given", NAME, chain, key)
    play = site.deploy("-vvv", "--diff", CERTIFICATE="files")
    assert all("CN = given" in site.issuer(host) for host in site.hosts.names)
    secret = key.read_text().splitlines()[2]
    assert secret not in play.text, "the key is shown by a verbose run"


@pytest.fixture(scope="module")
def acme(site, images):
    """The directory of an ACME server beside the hosts; the name leads to the edge that orders nothing."""
    with pebble(
        site.hosts, images["PEBBLE_IMAGE"], site.folder / "acme", NAME, "host2", VALID_SECONDS
    ) as directory:
        yield directory


def test_acme_obtains_for_every_edge_and_renews(site, acme):
    before = site.containers()
    site.deploy(CERTIFICATE="acme", ACME_SERVER=acme)
    for host in site.hosts.names:
        eventually(lambda host=host: "Pebble" in site.issuer(host), 20, f"the certificate by ACME on {host}")
    assert site.certificate("host1") == site.certificate("host2")
    first = site.certificate("host1")
    assert "channels-stack-certificates.timer" in site.hosts.run("host1", "systemctl", "list-timers").stdout

    def renewed() -> bool:
        # What the timer does, without waiting for the night; certbot decides whether it is due.
        renew(site.hosts)
        return all(site.certificate(host) not in (first, "") for host in site.hosts.names)

    eventually(renewed, 2 * VALID_SECONDS, "a renewed certificate on both edges")
    assert site.containers() == before, "no edge was replaced"
    for kind in ("secret", "service"):
        names = site.hosts.run("host1", "docker", kind, "ls", "--format", "{{.Name}}").stdout
        assert "certificate" not in names, "the way to the edges is cleared up"


def test_a_failed_renewal_is_seen(site, acme):
    docker("stop", "--time", "1", f"{site.hosts.project}-pebble")

    def failed() -> bool:
        renew(site.hosts, check=False)
        state = site.hosts.run(
            "host1", "systemctl", "is-failed", "channels-stack-certificates.service", check=False
        )
        return state.stdout.strip() == "failed"

    eventually(failed, 2 * VALID_SECONDS, "a failed unit")
    unit = "channels-stack-certificates.service"
    shown = site.hosts.run("host1", "systemctl", "status", unit, check=False).stdout
    assert "failed" in shown, "what docs/how-to/certificates.md says to look at"
    log = site.hosts.run("host1", "journalctl", "-u", "channels-stack-certificates.service", "-n", "5").stdout
    assert "certificates:" in log and "Traceback" not in log
    assert site.certificate("host1")


def test_without_acme_no_timer_is_left(site):
    site.deploy()
    listing = site.hosts.run("host1", "systemctl", "list-timers", "--all").stdout
    assert "channels-stack-certificates" not in listing
    assert all("local authority" in site.issuer(host) for host in site.hosts.names)
