"""MONITORING=on on two servers: both are measured, faults become alerts, and it goes where an operator switches it off.

Prometheus is on the second host, so that it outlives the loss of the first, which has the data stores.
"""

from __future__ import annotations

import ipaddress
import json
import ssl
import subprocess
import time

import httpx
import pytest
from deployments import Deployment, timed
from hosts import Hosts
from prometheus import Prometheus
from stacks import docker, eventually, free_port

pytestmark = pytest.mark.more

SERVICES = {
    "prometheus": ["host2"],
    "alertmanager": ["host2"],
    "node-exporter": ["host1", "host2"],
}
"""Those whose hosts are decided, and which these are."""

ANYWHERE = ("blackbox", "postgres-exporter", "redis-exporter")
PORT = 9091
CALM_SECONDS = 900
"""Rules that look back for ten minutes fire as long after a fault."""

LOST_SECONDS = 360
"""The loss of a machine fires after three minutes, once its name is gone from the network."""

ALERTS = """
import base64, json, sys, urllib.request
password = open("/run/secrets/monitoring_password").read().strip()
request = urllib.request.Request("http://localhost:9093/api/v2/alerts")
request.add_header("Authorization", "Basic " + base64.b64encode(f"prometheus:{password}".encode()).decode())
print(json.dumps([each["labels"]["alertname"] for each in json.load(urllib.request.urlopen(request))]))
"""
"""Run in the container of Alertmanager: the alerts that it has been sent."""

ASK = """
import sys, urllib.error, urllib.request
for url in sys.argv[1:]:
    try:
        print(urllib.request.urlopen(url, timeout=5).status)
    except urllib.error.HTTPError as error:
        print(error.code)
    except OSError as error:
        print("nothing")
"""
"""Run in a container of the application: the answer to each URL."""


@pytest.fixture(scope="module")
def deployment():
    with Hosts(2) as hosts:
        found = Deployment(hosts)
        found.groups = {"edge": hosts.names, "app": hosts.names, "data": ["host1"]}
        [network] = json.loads(docker("network", "inspect", f"{hosts.project}_lan"))
        controller = ipaddress.ip_network(network["IPAM"]["Config"][0]["Subnet"])[1]
        # YAML's word: the inventory that is written here says `MONITORING: true`.
        found.configure(
            {"MONITORING": True, "MONITORING_PORT": PORT, "HTTP_REPLICAS": 2, "WS_REPLICAS": 2},
            stack_monitoring_host="host2",
            host_monitoring_sources=[f"{controller}/32", "2001:db8::/64"],
            stack_trial_seconds=0,
            stack_update_monitor="5s",
        )
        timed("monitoring: bootstrap", found.play("bootstrap.yml"))
        timed("monitoring: first deploy", found.deploy())
        yield found


@pytest.fixture(scope="module")
def prometheus(deployment) -> Prometheus:
    """As the controller reaches it, by the name that its certificate is for."""
    return reached(deployment, f"https://{deployment.hosts.addresses['host2']}:{PORT}")


def reached(deployment: Deployment, address: str) -> Prometheus:
    """It at ADDRESS, with the environment's authority and password."""
    authorities = ssl.create_default_context(cafile=str(deployment.folder / "tls/ca.pem"))
    password = (deployment.folder / "secrets/monitoring_password").read_text()
    return Prometheus(address, authorities, password)


def answered(prometheus: Prometheus) -> bool:
    try:
        return prometheus.client.get("/-/ready").status_code == 200
    except httpx.TransportError:
        return False


def container(deployment: Deployment, service: str, host: str) -> str:
    """The id of the running container of SERVICE on HOST."""
    label = f"label=com.docker.swarm.service.name=channels-stack_{service}"
    command = ("docker", "ps", "--quiet", "--filter", label)
    return eventually(lambda: deployment.hosts.run(host, *command).stdout.split(), 60, service)[0]


def alerted(deployment: Deployment) -> set[str]:
    """The alerts that Alertmanager has."""
    inside = container(deployment, "alertmanager", "host2")
    return set(
        json.loads(deployment.hosts.run("host2", "docker", "exec", inside, "python3", "-c", ALERTS).stdout)
    )


def answers(deployment: Deployment, *urls: str) -> list[str]:
    """What a process of the application gets from URLS."""
    inside = container(deployment, "http", "host1")
    return deployment.hosts.run("host1", "docker", "exec", inside, "python", "-c", ASK, *urls).stdout.split()


def targets() -> dict[str, int]:
    """How many of each there must be."""
    twice = ("application http", "application ws", "edge edge", "site", "node")
    once = ("application worker", "postgres", "redis", "alertmanager")
    return dict.fromkeys(twice, 2) | dict.fromkeys(once, 1)


def test_every_task_of_every_host_is_measured(deployment, prometheus):
    since = time.monotonic()
    eventually(lambda: prometheus.up() == targets(), 120, "every target is up")
    print(
        f"figure: monitoring: every target is up {time.monotonic() - since:.0f} s after the deploy",
        flush=True,
    )
    machines = prometheus.ask("query", query="node_uname_info")["result"]
    assert {each["metric"]["nodename"] for each in machines} == {"host1", "host2"}
    for metric in ('node_filesystem_avail_bytes{mountpoint="/"}', "node_vmstat_oom_kill"):
        assert len(prometheus.ask("query", query=metric)["result"]) == 2, metric


def test_each_service_is_where_it_belongs(deployment):
    for service, hosts in SERVICES.items():
        assert sorted(deployment.places(service)) == hosts, service
    for service in ANYWHERE:
        assert len(deployment.places(service)) == 1, service
    status = deployment.play("status.yml").text
    for service in (*SERVICES, *ANYWHERE):
        assert service in status
    assert "PROBLEM" not in status


def test_only_who_may_comes_to_its_port(deployment, prometheus):
    """This machine by its address, the other host, and nobody else; none of them without the password."""
    assert prometheus.client.get("/", auth=("prometheus", "guess")).status_code == 401
    address = deployment.hosts.addresses["host2"]
    probe = f"import socket; socket.create_connection(('{address}', {PORT}), 3)"
    assert deployment.hosts.run("host1", "python3", "-c", probe, check=False).returncode == 0
    lan = (
        "--network",
        f"{deployment.hosts.project}_lan",
        "--entrypoint",
        "perl",
        deployment.hosts.base_image(),
    )
    code = f"IO::Socket::INET->new(PeerAddr => '{address}', PeerPort => shift, Timeout => 3) or exit 7"
    command = ["docker", "run", "--rm", *lan, "-MIO::Socket::INET", "-e", code]
    assert subprocess.run([*command, "443"], check=False).returncode == 0
    assert subprocess.run([*command, str(PORT)], check=False).returncode == 7
    assert not deployment.hosts.reachable("host1", PORT)


def test_an_operator_comes_to_it_through_ssh(deployment, prometheus):
    """Its certificate is for that name, too."""
    port = free_port()
    forward = [
        "ssh",
        "-F",
        str(deployment.hosts.ssh_config),
        "-S",
        "none",
        "-N",
        "-L",
        f"{port}:localhost:{PORT}",
    ]
    with subprocess.Popen([*forward, "host2"]) as tunnel:
        try:
            through = reached(deployment, f"https://localhost:{port}")
            eventually(lambda: answered(through), 60, "Prometheus answers through SSH")
            assert through.up() == prometheus.up()
        finally:
            tunnel.terminate()


def test_no_exporter_answers_a_process_of_the_application(deployment):
    """Those that it reaches ask for the password; the one of the machine it does not reach at all."""
    detour = "?module=page&target=http://node-exporter:9100/"
    urls = [
        f"http://blackbox:9115/probe{detour}",
        "http://postgres-exporter:9187/metrics",
        "http://redis-exporter:9121/scrape?target=redis://elsewhere:6379",
        "http://alertmanager:9093/api/v2/alerts",
    ]
    assert answers(deployment, *urls) == ["401"] * len(urls)
    form = "{{range $name, $each := .NetworkSettings.Networks}}{{$each.IPAddress}} {{end}}"
    addresses = {
        host: deployment.hosts.run(
            host, "docker", "inspect", "--format", form, container(deployment, "node-exporter", host)
        ).stdout.split()
        for host in SERVICES["node-exporter"]
    }
    urls = [f"http://{each}:9100/metrics" for found in addresses.values() for each in found]
    assert len(urls) == 2
    assert answers(deployment, "http://node-exporter:9100/metrics") == ["nothing"]
    # Addresses of another network lead out, where something else may answer, on the way to the internet.
    assert "200" not in answers(deployment, *urls)


def test_smoke_is_green(deployment):
    done = deployment.make("smoke")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[host2-prometheus]" in done.stdout and "[node-exporter]" in done.stdout


def test_the_same_again_changes_nothing(deployment):
    before = deployment.running()
    play = deployment.deploy()
    assert play.changed == 0, play.changes
    assert deployment.running() == before
    assert f"Prometheus: https://{deployment.hosts.addresses['host2']}:{PORT}/" in play.text


def test_it_is_measured_with_new_passwords(deployment, prometheus):
    timed("monitoring: rotation", deployment.play("rotate-secrets.yml", "-e", "what=db,redis"))
    eventually(lambda: prometheus.up() == targets(), 120, "every target is up")
    for metric in ("pg_up", "redis_up"):
        eventually(
            lambda metric=metric: (
                [each["value"][1] for each in prometheus.ask("query", query=metric)["result"]] == ["1"]
            ),
            60,
            metric,
        )


def test_its_host_is_drained_and_it_comes_back_with_what_it_knows(deployment, prometheus):
    moment = str(time.time())
    assert prometheus.ask("query", query="up", time=moment)["result"]
    play = deployment.play("drain.yml", "-e", "node=host2")
    timed("monitoring: drain of its host", play)
    assert not deployment.places("prometheus") and deployment.places("http") == ["host1"] * 2
    timed("monitoring: undrain", deployment.play("undrain.yml", "-e", "node=host2"))
    assert deployment.places("prometheus") == ["host2"]
    eventually(lambda: answered(prometheus), 60, "Prometheus answers")
    assert prometheus.ask("query", query="up", time=moment)["result"]
    eventually(lambda: prometheus.up() == targets(), 90, "every target is up")


def test_nothing_fires_while_nothing_is_wrong(prometheus):
    """What was rotated and drained before has ended."""
    eventually(lambda: not prometheus.firing(), CALM_SECONDS, "nothing fires")


def test_the_loss_of_the_data_host_becomes_alerts(deployment, prometheus):
    """Power loss of host1. What measures it on host2 goes on, and so does what sends the alerts."""
    wanted = {"RedisDown", "DatabaseDown", "MachineDown", "CheckFails"}
    deployment.hosts.kill("host1")
    try:
        since, seen = time.monotonic(), dict[str, int]()

        def noticed() -> bool:
            for alert in prometheus.firing() - seen.keys():
                seen[alert] = round(time.monotonic() - since)
            return wanted <= seen.keys()

        eventually(noticed, LOST_SECONDS, f"{wanted} fire")
        print(f"figure: monitoring: seconds from the loss of a host to its alerts: {seen}", flush=True)
        eventually(lambda: alerted(deployment) >= wanted, 60, "Alertmanager has them")
    finally:
        deployment.hosts.power_on("host1")
    eventually(lambda: prometheus.up() == targets(), 240, "every target is up")
    eventually(lambda: not prometheus.firing(), CALM_SECONDS, "nothing fires")


def test_off_removes_it_and_a_rollback_brings_it_back(deployment, prometheus):
    deployment.configure({"MONITORING": False})
    timed("monitoring: off", deployment.deploy())
    assert not deployment.services().keys() & {*SERVICES, *ANYWHERE}
    assert not deployment.hosts.reachable("host2", PORT)
    edge = "http://edge:8404/metrics"
    assert answers(deployment, edge) == ["nothing"]
    timed("monitoring: rollback", deployment.play("rollback.yml"))
    eventually(lambda: answered(prometheus), 60, "Prometheus answers")
    assert deployment.services().keys() >= {*SERVICES, *ANYWHERE}
