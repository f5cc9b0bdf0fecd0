"""Who can reach whom: from the outside, between the containers, and from the containers to the outside."""

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from stacks import docker

pytestmark = pytest.mark.containers

NETWORKS = {
    "edge": {"public", "front"},
    "http": {"front", "data", "out"},
    "ws": {"front", "data", "out"},
    "worker": {"data", "out"},
    "redis": {"data"},
    "db": {"data"},
}
PORTS = {
    "edge": (8080, 8443, 8404),
    "http": (8000,),
    "ws": (8000,),
    "worker": (8000,),
    "redis": (6379,),
    "db": (5432,),
}
"""Ports that processes of a service listen on."""

OWN_HOST_ONLY = {("edge", 8404)}
"""Statistics: read from inside the container alone."""

CLOSED = {name: {"data"} for name in ("http", "ws", "worker")}
"""Networks from which a service lets nobody in: data stores are called, they call nobody."""

REACHABLE = {
    source: {
        f"{target}:{port}"
        for target, ports in PORTS.items()
        for port in ports
        if NETWORKS[source] & NETWORKS[target] - CLOSED.get(target, set())
        and (target, port) not in OWN_HOST_ONLY
    }
    for source in NETWORKS
}
"""A network is the only thing that joins two services; everything else must be out of reach."""

TRY = """
while read -r name address port; do
    (timeout 2 bash -c "exec 3<>/dev/tcp/$address/$port" 2>/dev/null && echo "$name:$port") &
done <<< "$1"
wait
"""


@pytest.fixture
def reachable(containers):
    """A function (service) -> the service:port pairs that accept a TCP connection from its first container."""

    def tried(service):
        targets = [
            f"{name} {address} {port}"
            for name, ports in PORTS.items()
            for address in containers(name)[-1].addresses.values()
            for port in ports
        ]
        return set(containers(service)[0].run("bash -c %s bash %s", TRY, "\n".join(targets)).split())

    return tried


@pytest.mark.parametrize("service", NETWORKS)
def test_service_reaches_exactly_these_ports(reachable, service):
    assert reachable(service) == REACHABLE[service]


def test_data_stores_are_out_of_reach_of_the_edge():
    # The point of the table above, said once so that an edit of it cannot lose it.
    assert not {"redis:6379", "db:5432", "worker:8000"} & REACHABLE["edge"]


def test_data_stores_reach_no_process_of_the_application():
    assert [REACHABLE[source] for source in ("redis", "db")] == [{"redis:6379", "db:5432"}] * 2


@pytest.mark.parametrize("service", NETWORKS)
def test_service_is_in_exactly_these_networks(containers, service):
    assert {frozenset(each.addresses) for each in containers(service)} == {frozenset(NETWORKS[service])}


@pytest.mark.parametrize("service", [name for name, networks in NETWORKS.items() if networks == {"data"}])
def test_no_way_out_of_the_data_network(container, service):
    routes = [line.split() for line in container(service).run("cat /proc/net/route").splitlines()[1:]]
    assert routes and not [route for route in routes if route[1] == "00000000"], routes


HELLO = (
    "import socket, sys; print(socket.create_connection((sys.argv[1], int(sys.argv[2])), 5).recv(5).decode())"
)


@pytest.mark.parametrize("service", ["http", "ws", "worker"])
def test_application_reaches_the_world(container, service):
    # The world begins at this machine, which is in none of the networks: here it plays a mail server.
    networks = container(service).inspected["NetworkSettings"]["Networks"]
    (gateway,) = [each["Gateway"] for each in networks.values() if each["Gateway"] and not internal(each)]
    with socket.create_server((gateway, 0)) as server, ThreadPoolExecutor(1) as beside:
        server.settimeout(10)
        said = beside.submit(container(service).python, HELLO, gateway, str(server.getsockname()[1]))
        client, _ = server.accept()
        with client:
            client.sendall(b"hello")
        assert said.result() == "hello\n"


def internal(network):
    """Whether NETWORK, as a container's settings name it, is one without a way out."""
    return docker("network", "inspect", "-f", "{{.Internal}}", network["NetworkID"]).strip() == "true"


def test_published_ports_are_exactly_those_of_the_edge(stack, containers):
    published = {
        (each.inspected["Config"]["Labels"]["com.docker.compose.service"], inside, binding["HostPort"])
        for each in containers()
        for inside, bindings in each.inspected["NetworkSettings"]["Ports"].items()
        for binding in bindings or ()
    }
    assert published == {("edge", "8080/tcp", str(stack.plain_port)), ("edge", "8443/tcp", str(stack.port))}


def test_published_address_is_the_one_that_was_set(stack, container):
    if stack.folder is None:
        pytest.skip("where a running stack should listen is not known")
    ports = container("edge").inspected["NetworkSettings"]["Ports"]
    assert {each["HostIp"] for bindings in ports.values() for each in bindings or ()} == {"127.0.0.1"}


def test_the_edge_gives_up_what_a_vanished_host_never_acknowledges(containers):
    """After 25 s; stock Linux tries for 15 min (tcp_retries2 is 15)."""
    assert containers("edge")[0].run("cat /proc/sys/net/ipv4/tcp_retries2").strip() == "6"
