"""stack_encrypted_networks on two machines whose kernel has IPsec: what is on the line between the edge and the application.

At the end the same is looked at without encryption: the canary is found there, so it would have been found before.
"""

from __future__ import annotations

import json
import socket
import time
import uuid

import pytest
from crowd import Crowd, Site, sign_in
from deployments import Deployment, timed
from hosts import Machines, captured, missing
from stacks import on_threads
from websockets.sync.client import connect

pytestmark = pytest.mark.more

GROUPS = {"edge": ["host2"], "app": ["host1"], "data": ["host1"]}
"""All that an edge and an application say to each other crosses the line."""

LONG = "x" * 1900
"""With it a message does not fit into one packet."""

HIDDEN = "/etc/modprobe.d/hidden.conf"


class Split(Deployment):
    """The edge here, everything else there."""

    def configure(self, settings: dict[str, object] | None = None, **variables: object) -> None:
        self.groups = GROUPS
        super().configure(settings, **variables)


@pytest.fixture(scope="module")
def deployment():
    if missing():
        pytest.skip(missing())
    begun = time.monotonic()
    with Machines(2) as hosts:
        found = Split(hosts, HTTP_REPLICAS=1, WS_REPLICAS=1)
        found.configure(stack_encrypted_networks=True, stack_trial_seconds=5, stack_update_monitor="5s")
        # Not `host`: Debian's User Mode Linux has no nf_tables of the family inet, which the firewall is made of.
        timed("machines: bootstrap", found.play("bootstrap.yml", "--tags", "engine,swarm"))
        yield found
    print(f"figure: machines: all tests in {time.monotonic() - begun:.0f} s", flush=True)


def networks(deployment: Deployment) -> set[int]:
    """VXLAN network identifiers of the stack's networks."""
    names = deployment.docker(
        "network", "ls", "--filter", "name=channels-stack_", "--format", "{{.Name}}"
    ).split()
    found = json.loads(deployment.docker("network", "inspect", *names))
    return {int(each["Options"]["com.docker.network.driver.overlay.vxlanid_list"]) for each in found}


def talk(site: Site) -> str:
    """A page and a message through the edge, each too large for one packet; returns a canary that was said and heard."""
    canary, room, address = f"canary-{uuid.uuid4().hex}", f"room-{uuid.uuid4().hex[:8]}", site.addresses[0]
    with Crowd(site, sockets=1, rooms=1).client(address) as client:
        assert sign_in(client, site.user, site.password).status_code == 302
        headers = {"X-CSRFToken": client.cookies["csrftoken"], "Referer": site.url}
        assert client.post("/", data={"name": room}, headers=headers).status_code == 302
        page = client.get(f"/rooms/{room}/", headers={"Accept-Encoding": "identity"})
        assert page.status_code == 200 and page.text.rstrip().endswith("</html>"), page.text[-200:]
        assert len(page.content) > 1500, "the page fits into one packet, and shows nothing of larger ones"
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    with connect(
        f"wss://{site.domain}/ws/rooms/{room}/?last=0",
        sock=socket.create_connection((address, site.port), timeout=30),
        ssl=on_threads(site.trust()),
        origin=site.url,
        additional_headers={"Cookie": cookie},
        compression=None,
        open_timeout=60,
        proxy=None,
    ) as room_socket:
        text = canary + " " + LONG
        room_socket.send(json.dumps({"type": "message", "text": text, "nonce": uuid.uuid4().hex}))
        while (frame := json.loads(room_socket.recv(timeout=60)))["type"] != "message":
            pass
        assert frame["text"] == text
    return canary


def test_a_kernel_without_what_docker_needs_is_refused(deployment):
    """Docker marks what is to be encrypted with this match: without it all would go out in the plain."""
    hosts = deployment.hosts
    hosts.run("host2", "tee", HIDDEN, stdin="install xt_bpf /bin/false\n")
    hosts.run("host2", "modprobe", "--remove", "xt_bpf")
    try:
        play = deployment.deploy(check=False)
    finally:
        hosts.run("host2", "rm", HIDDEN)
    assert play.code != 0 and "host2 has no iptables match bpf" in play.text, play.tail(20)


def test_the_line_shows_nothing_of_what_is_said(deployment):
    timed("machines: first deploy", deployment.deploy())
    with captured(deployment.hosts, "host1") as line:
        canary = talk(deployment.site)
    assert not line.shows(canary), f"{canary} can be read on the line: {line}"
    assert line.esp > 0 and not set(line.vxlan) & networks(deployment), str(line)


def test_without_encryption_the_same_look_finds_it(deployment):
    """The kernels forget what Docker told them to encrypt and to let in encrypted only."""
    for name in deployment.hosts.names:
        deployment.hosts.run(name, "iptables", "--table", "mangle", "--flush", "OUTPUT")
        deployment.hosts.run(name, "iptables", "--flush", "INPUT")
    with captured(deployment.hosts, "host1") as line:
        canary = talk(deployment.site)
    assert line.shows(canary), f"{canary} is not seen where it must be: {line}"
    assert set(line.vxlan) & networks(deployment), str(line)
