"""images/certificates with images/edge: certificates by ACME from a real ACME server (Pebble), with visitors all the time."""

from __future__ import annotations

import json
import ssl
import subprocess
from pathlib import Path

import pytest

from .conftest import Container, Yard, docker, given, wait_for
from .edges import Edge, Site, frame, head, make_certificate, read_frame

NAME = "rooms.test"
VALID_SECONDS = 40
"""Lifetime of Pebble's certificates: they are renewed when half of so short a time is over."""


def start_pebble(
    yard: Yard, folder: Path, name: str, valid_seconds: int, *flags: str
) -> tuple[Container, Path]:
    """Pebble, reached as NAME, and the FOLDER with the authority of its own certificate."""
    folder.chmod(0o755)
    make_certificate(folder, name)
    pem = (folder / "tls.pem").read_text()
    (folder / "ca.pem").write_text(pem[pem.index("-----BEGIN CERT") :].partition("-----BEGIN PRIVATE")[0])
    settings = {
        "listenAddress": "0.0.0.0:14000",
        "managementListenAddress": "0.0.0.0:15000",
        "certificate": "/etc/pebble/tls.pem",
        "privateKey": "/etc/pebble/tls.pem",
        "httpPort": 8080,  # where the edge's port 80 is inside of the container network
        "tlsPort": 8443,
        "profiles": {"default": {"description": "for tests", "validityPeriod": valid_seconds}},
        "certificateValidityPeriod": valid_seconds,
    }
    (folder / "pebble.json").write_text(json.dumps({"pebble": settings}))
    where = [f"--network-alias={name}", f"--volume={folder}:/etc/pebble:ro"]
    pebble = yard.start(given("PEBBLE_IMAGE"), flags=[*where, *flags])
    pebble.says("Listening on: 0.0.0.0:14000")
    return pebble, folder


@pytest.fixture(scope="module")
def acme(yard: Yard, tmp_path_factory: pytest.TempPathFactory) -> tuple[Container, Path]:
    """The ACME server of this module, whose certificates are over soon."""
    return start_pebble(yard, tmp_path_factory.mktemp("acme"), "pebble.test", VALID_SECONDS)


@pytest.fixture(scope="module")
def shared(yard: Yard) -> str:
    """The volume between `certificates` and the edges."""
    return yard.volume()


@pytest.fixture(scope="module")
def edges(site: Site, backends, shared: str, tmp_path_factory: pytest.TempPathFactory) -> list[Edge]:
    """Two edges with a stand-in certificate; the name of the site leads to the second one, which ordered nothing."""
    folder = tmp_path_factory.mktemp("edge")
    folder.chmod(0o755)
    make_certificate(folder, "stand-in.test")
    more = [f"--volume={shared}:/srv/certificate:ro"]
    found = [site.edge(folder, flags=more, DOMAINS=f"localhost {NAME}") for _ in range(2)]
    for edge, aliases in zip(found, (["edge"], ["edge", NAME]), strict=True):
        docker("network", "disconnect", site.yard.name, edge.container.name)
        flags = [f"--alias={alias}" for alias in aliases]
        docker("network", "connect", *flags, site.yard.name, edge.container.name)
        edge.container.ports.clear()
        edge.https, edge.http = edge.container.port(8443), edge.container.port(8080)
        wait_for(lambda edge=edge: edge.get("/echo").status == 200, "the edge is back on its network")
    return found


def start(yard: Yard, acme: tuple[Container, Path], shared: str, **settings: str) -> Container:
    """The service `certificates`, as Compose runs it."""
    environment = {
        "DOMAINS": NAME,
        "ACME_SERVER": "https://pebble.test:14000/dir",
        "ACME_EMAIL": "",
        **settings,
    }
    flags = [f"--env={name}={value}" for name, value in environment.items()]
    flags += [f"--volume={shared}:/srv/certificate", f"--volume={acme[1]}:/etc/acme:ro", "--tmpfs=/tmp"]
    return yard.start(given("CERTIFICATES_IMAGE"), flags=[*flags, f"--volume={yard.volume()}:/srv/acme"])


@pytest.fixture(scope="module")
def service(yard: Yard, acme, shared: str, edges) -> Container:
    """The service, for the whole module."""
    return start(yard, acme, shared)


def certificate(edge: Edge) -> str:
    """What a new connection gets."""
    return ssl.get_server_certificate(("127.0.0.1", edge.https))


def told(pem: str, what: str) -> str:
    """What OpenSSL says of a certificate."""
    command = ["openssl", "x509", "-noout", what]
    return subprocess.run(command, input=pem, capture_output=True, text=True, check=True).stdout.strip()


def issuer(edge: Edge) -> str:
    """Who signed it."""
    return told(certificate(edge), "-issuer")


def begins(pem: str) -> int:
    """The moment from which a certificate is valid: that of its issue."""
    return ssl.cert_time_to_seconds(told(pem, "-startdate").partition("=")[2])


def test_the_first_certificate_reaches_every_edge(edges, service):
    assert [("Pebble" in issuer(edge)) for edge in edges] in (
        [False, False],
        [True, True],
        [True, False],
        [False, True],
    )
    for edge in edges:
        wait_for(lambda edge=edge: "Pebble" in issuer(edge), "the certificate by ACME is served")
        status = json.loads(edge.container.run("edge", "status").stdout)
        assert status["certificate"]["names"] == [NAME]
    wait_for(lambda: service.health() == "healthy", "healthy")
    service.says("certificates: obtained: rooms.test")


def test_a_renewal_reaches_every_edge_and_interrupts_no_one(edges, service):
    """50 sockets through each of the edges stay open, no request fails meanwhile, and it does not come too early."""
    links = [edge.upgrade() for edge in edges for _ in range(50)]
    assert {head(link).status for link in links} == {101}
    before = {edge.https: certificate(edge) for edge in edges}
    statuses = set()

    def renewed() -> bool:
        statuses.update(edge.get("/echo").status for edge in edges)
        return all(certificate(edge) != before[edge.https] for edge in edges)

    wait_for(renewed, "another certificate on each edge")
    for edge in edges:  # half of so short a lifetime; the moments are whole seconds
        assert begins(certificate(edge)) - begins(before[edge.https]) >= VALID_SECONDS / 2 - 1
    assert statuses == {200}
    for link in links:
        link.sendall(frame(b"here"))
        assert read_frame(link) == b"here"
    service.says("certificates: renewed")


@pytest.mark.parametrize(("days", "renewed_days"), [(6, 3), (47, 47 / 3), (90, 30)])
def test_it_is_renewed_by_its_lifetime(yard, tmp_path, days, renewed_days):
    """certbot 4.0 by itself would renew whatever has less than 30 days left: one of 6 days at every look."""
    name = f"pebble-{days}.test"
    # What is asked here is when; that an edge answers the challenge is seen above.
    acme = start_pebble(yard, tmp_path, name, days * 86400, "--env=PEBBLE_VA_ALWAYS_VALID=1")
    service = start(
        yard, acme, yard.volume(), ACME_SERVER=f"https://{name}:14000/dir", EDGE_ADDRESS="edge.nowhere:8080"
    )
    service.run("certificates", "account")
    assert "obtained" in service.run("certificates", "renew").stdout
    for _ in range(2):
        assert "nothing is due" in service.run("certificates", "renew").stdout
    line = service.run("grep", "^renew_before_expiry", "/srv/acme/renewal/edge.conf").stdout
    assert int(line.split()[2]) == pytest.approx(renewed_days * 86400, abs=2)


def test_only_its_reader_sees_a_key(edges, service):
    listing = service.run(
        "stat", "-c", "%a %u %n", "/srv/certificate/tls.pem", "/srv/acme/status.json"
    ).stdout
    assert [line.split()[:2] for line in listing.splitlines()] == [["400", "10001"], ["400", "10001"]]
    assert service.run("sh", "-c", "ls -ld /srv/acme | cut -c1-10").stdout == "drwx------\n"
    assert "PRIVATE" not in service.says("certificates: obtained: rooms.test")


def test_a_failed_renewal_is_seen_and_the_old_certificate_serves_on(edges, acme, service):
    def health() -> str:
        done = service.run("certificates", "health", check=False)
        return done.stdout if done.returncode == 1 else ""

    docker("stop", "--time=2", acme[0].name)
    try:
        wait_for(lambda: "failed" in health(), "the failure is in the state")
        assert "days left" in health()
        assert "Traceback" not in service.says("certificates: failed, next attempt in 15 min")
        assert [edge.get("/echo").status for edge in edges] == [200, 200]
        before = health()
        # As docs/how-to/certificates.md says: it does not wait for the 15 minutes.
        docker("restart", service.name)
        wait_for(lambda: health() not in ("", before), "another attempt")
    finally:
        docker("start", acme[0].name)


@pytest.mark.parametrize("names", ["localhost", "10.0.0.1", "*.rooms.test", ""])
def test_names_that_cannot_be_had_are_refused_at_once(yard, acme, shared, names):
    container = start(yard, acme, shared, DOMAINS=names)
    assert container.ended() == 78
    assert "DOMAINS names" in container.logs()


def test_the_account_is_made_once(yard, acme, shared):
    """Also while no edge answers: nothing is ordered then, because the authority counts failures."""
    container = start(yard, acme, shared, EDGE_ADDRESS="edge.nowhere:8080")
    thumbprint = container.run("certificates", "account").stdout
    assert len(thumbprint.strip()) == 43
    assert container.run("certificates", "account").stdout == thumbprint
    assert "obtained" not in container.logs()


ONE_OF_TWO_EDGES = """
import importlib.machinery, importlib.util, threading
from http.server import BaseHTTPRequestHandler, HTTPServer

loader = importlib.machinery.SourceFileLoader("certificates", "/usr/local/bin/certificates")
certificates = importlib.util.module_from_spec(importlib.util.spec_from_loader("certificates", loader))
loader.exec_module(certificates)

class Edge(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.path.rpartition("/")[2].encode() + b".thumbprint")

threading.Thread(target=HTTPServer(("127.0.0.1", 8080), Edge).serve_forever, daemon=True).start()
certificates.EDGE_SECONDS = 2
certificates.wait_for_edges("thumbprint")
print("ordering")
"""


def test_an_edge_that_is_lost_does_not_let_the_certificate_expire(yard):
    """Two addresses behind the name, one that answers challenges: after a while the order is placed, and the log says why."""
    flags = ["--add-host=edge:127.0.0.1", "--add-host=edge:127.0.0.2", f"--env=DOMAINS={NAME}"]
    container = yard.start(
        given("CERTIFICATES_IMAGE"), "-c", ONE_OF_TWO_EDGES, flags=[*flags, "--entrypoint=python3"]
    )
    assert container.ended() == 0, container.logs()
    log = container.logs()
    assert "1 of 2 edges do not answer challenges (127.0.0.2: " in log
    assert log.endswith("ordering\n")
