"""Three hosts, two of them edges: deployed, looked at, and broken one by one while people talk.

Whoever stands before the edges (`crowd.Front`) sends new visitors to those that say they are well.
"""

from __future__ import annotations

import time

import pytest
from crowd import Crowd
from deployments import GROUPS, timed
from front import Front
from hosts import Hosts
from people import Person, launch
from playwright.sync_api import expect, sync_playwright
from stacks import ROOT, eventually

SERVICE_SECONDS = 30
"""Service through the remaining address must be back within this time."""

RECOVERY_SECONDS = 180
"""Until all tasks run again, after a host came back: db and redis first, on a machine that others use too."""


@pytest.fixture(scope="module")
def deployment(servers):
    found = servers.bootstrapped()
    timed("three hosts: first deploy", found.deploy())
    return found


def whole(deployment) -> bool:
    """Whether every node is there, all three speak for the cluster again, and every service has its tasks."""
    form = "{{.Status}} {{.Availability}} {{.ManagerStatus}}"
    # Without a leader, which may take some seconds, the engine answers neither.
    asked = deployment.hosts.run("host1", "docker", "node", "ls", "--format", form, check=False)
    nodes = sorted(asked.stdout.splitlines())
    if nodes != ["Ready Active Leader", *["Ready Active Reachable"] * 2]:
        return False
    counts = deployment.docker("service", "ls", "--format", "{{.Replicas}}").split()
    counts = [count.split("/") for count in counts if "/" in count]
    return all(have == want for have, want in counts)


def recovered(deployment, front: Front) -> None:
    """Wait until everything is as before the fault."""
    eventually(lambda: whole(deployment), RECOVERY_SECONDS, "every node and every task is back")
    eventually(
        lambda: len(front.well) == len(GROUPS["edge"]),
        RECOVERY_SECONDS,
        "both edges are in the public address",
    )


def serving(deployment, *hosts: str) -> set[str]:
    """The containers of http and ws on HOSTS."""
    names = ("--filter", "name=_http", "--filter", "name=_ws")
    return {
        identity
        for host in hosts
        for identity in deployment.hosts.run(host, "docker", "ps", "--quiet", *names).stdout.split()
    }


def gathering(deployment, front: Front) -> Crowd:
    return Crowd(deployment.site, sockets=60, rooms=6, readers=4, front=front)


def everybody_hears(crowd: Crowd) -> None:
    """Wait until each socket has had a frame lately: one is sent each second in each room."""
    eventually(
        lambda: all(each.here and time.monotonic() - each.heard < 5 for each in crowd.members),
        60,
        "everybody hears again",
    )


def served(crowd: Crowd, since: float, what: str, seconds: float = SERVICE_SECONDS) -> None:
    """Everybody was served again in time, and nothing was lost."""
    seen = crowd.report()
    print(f"figure: three hosts: {what}: {seen} {seen.failures[:5] or ''}", flush=True)
    late = [moment - since for moment in crowd.failed if moment - since > seconds]
    assert not late, f"requests failed that were begun {late} s after {what}: {seen.failures}"
    assert seen.outage <= seconds, f"no page came for {seen.outage:.1f} s: {seen}"
    assert max(seen.silent, default=0) <= seconds, str(seen)
    assert (seen.lost, seen.doubled, seen.jobs_lost) == (0, 0, 0), str(seen)


def test_the_same_again_changes_and_restarts_nothing(deployment):
    before = deployment.running()
    play = deployment.deploy()
    timed("three hosts: redeploy, unchanged", play)
    assert play.changed == 0, play.changes
    assert deployment.running() == before


def test_a_host_that_is_ready_is_not_left_out(deployment):
    """Swarm would put tasks there that it has no image for."""
    play = deployment.deploy("--limit", "host1.example.org", check=False)
    assert play.code != 0 and play.changed == 0
    assert "ready in the swarm, and not among the hosts of this run" in " ".join(play.text.split())
    assert not deployment.locked()


def test_people_on_different_edges_talk(deployment):
    crowd = Crowd(deployment.site, sockets=8, rooms=2, readers=2, every=0.3)
    with crowd.gathered():
        crowd.until(sent=10, jobs=1)
    seen = crowd.report()
    print(f"figure: three hosts: {seen}", flush=True)
    for room in crowd.rooms:
        assert {each.address for each in crowd.members if each.room == room} == set(deployment.site.addresses)
    assert seen.failures == [] and (seen.lost, seen.doubled, seen.jobs_lost) == (0, 0, 0), str(seen)


@pytest.mark.parametrize("host", GROUPS["edge"])
def test_the_hosts_are_what_the_inventory_says(deployment, host):
    """By testinfra, over Ansible's inventory: the engine, the public ports, and nothing else that listens for everybody."""
    found = deployment.hosts.testinfra(host)
    assert found.service("docker").is_running
    form = '{{.Label "com.docker.swarm.service.name"}}'
    services = set(found.check_output(f"docker ps --filter health=healthy --format '{form}'").split())
    wanted = {"channels-stack_edge", "channels-stack_http", "channels-stack_ws"}
    assert wanted <= services, services
    assert ("channels-stack_db" in services) is (host in GROUPS["data"])
    for port in (80, 443):
        assert found.socket(f"tcp://0.0.0.0:{port}").is_listening, port


@pytest.mark.parametrize("service", ["http", "ws"])
def test_every_app_node_has_its_share(deployment, service):
    assert sorted(deployment.places(service)) == GROUPS["app"]


def test_two_browsers_in_one_room_through_different_edges(deployment):
    """Pictures stay in tests/.artifacts/hosts."""
    site = deployment.site
    texts = [f"said through {name}" for name in GROUPS["edge"]]
    room = f"browser-{time.time_ns():x}"
    with sync_playwright() as playwright:
        browsers = [
            launch(playwright, f"--host-resolver-rules=MAP {site.domain} {address}")
            for address in site.addresses
        ]
        people = [Person(site, browser, site.user, site.password).sign_in() for browser in browsers]
        people[0].page.get_by_label("New room").fill(room)
        people[0].page.get_by_role("button", name="Make room").click()
        people[0].page.wait_for_url(f"**/rooms/{room}/")
        for person in people:
            person.enter(room)
        for number, person in enumerate(people):
            person.say(texts[number])
            for other in people:
                expect(other.texts).to_have_text(texts[: number + 1])
        folder = ROOT / "tests/.artifacts/hosts"
        folder.mkdir(parents=True, exist_ok=True)
        for name, person in zip(GROUPS["edge"], people, strict=True):
            person.page.screenshot(path=folder / f"room-through-{name}.png")
            assert person.complaints == []
        for browser in browsers:
            browser.close()


def vanish(hosts: Hosts, name: str) -> None:
    """Power loss as its neighbours see it: no packet comes any more, not even those of a kernel that closes sockets."""
    hosts.disconnect(name)
    hosts.kill(name)


def come_back(hosts: Hosts, name: str, vanished: bool) -> None:
    if vanished:
        hosts.connect(name)
    hosts.power_on(name)


@pytest.mark.parametrize(
    ("host", "vanishes"),
    [("host2", False), ("host3", False), ("host2", True)],
    ids=["an edge is killed", "an app node is killed", "an edge and app node vanishes"],
)
def test_a_host_is_lost(deployment, host, vanishes, request):
    what = request.node.callspec.id
    with Front(deployment.site.addresses) as front:
        crowd = gathering(deployment, front)
        with crowd.gathered():
            since = time.monotonic()
            (vanish if vanishes else Hosts.kill)(deployment.hosts, host)
            crowd.until(sent=sum(crowd.sent.values()) + 60, jobs=0, seconds=120)
            everybody_hears(crowd)
            come_back(deployment.hosts, host, vanishes)
            recovered(deployment, front)
        served(crowd, since, what)


def test_the_status_shows_every_host(deployment):
    play = deployment.play("status.yml")
    for said in (
        "host1",
        "host2",
        "host3",
        "backlog      reports:0",
        "last backup",
        "certificate days",
        "none is made",
    ):
        assert said in play.text, f"{said!r} is not in what status.yml says:\n{play.text}"
    assert play.changed == 0


def test_encrypted_networks_are_not_promised_where_they_cannot_be(deployment):
    """Here the kernel has no IPsec or, where it has, the networks are there and cannot be changed."""
    before = deployment.running()
    deployment.configure(stack_encrypted_networks=True)
    try:
        play = deployment.deploy(check=False)
    finally:
        deployment.configure(stack_encrypted_networks=False)
    assert play.code != 0
    assert "has no IPsec with AES-GCM" in play.text or "a network cannot be changed" in play.text, play.tail(
        20
    )
    assert deployment.running() == before and not deployment.locked()


def test_a_node_is_drained_and_given_back(deployment):
    with Front(deployment.site.addresses) as front:
        crowd = gathering(deployment, front)
        with crowd.gathered():
            since, others = time.monotonic(), serving(deployment, "host1", "host3")
            timed(
                "three hosts: drain of an edge and app node",
                deployment.play("drain.yml", "-e", f"node={deployment.name_of('host2')}"),
            )
            assert front.well == [deployment.hosts.addresses["host1"]]
            assert "host2" not in deployment.places("http") + deployment.places("ws") + deployment.places(
                "edge"
            )
            everybody_hears(crowd)
            assert others and others <= serving(deployment, "host1", "host3"), (
                "a task of another node was replaced"
            )
            again = deployment.play("drain.yml", "-e", f"node={deployment.name_of('host2')}")
            assert again.changed == 0, again.changes
            timed(
                "three hosts: undrain",
                deployment.play("undrain.yml", "-e", f"node={deployment.name_of('host2')}"),
            )
            recovered(deployment, front)
        served(crowd, since, "a drain and its end")
    seen = crowd.report()
    assert seen.failures == [], f"{len(seen.failures)} of {seen.pages} requests failed: {seen.failures[:10]}"
    assert set(seen.codes) == {1012}, str(seen)
    for service in ("http", "ws"):
        assert sorted(deployment.places(service)) == GROUPS["app"], (
            f"{service} does not use the node that came back"
        )


def test_a_changed_edge_is_replaced_node_by_node(deployment):
    """Like a new image of it: two cannot hold one port, so each stops first, after it left the public address."""
    deployment.configure({"EDGE_MEMORY": "272M"})
    with Front(deployment.site.addresses) as front:
        crowd = gathering(deployment, front)
        with crowd.gathered():
            since = time.monotonic()
            timed("three hosts: redeploy, another edge", deployment.deploy())
            recovered(deployment, front)
            everybody_hears(crowd)
        served(crowd, since, "another edge")
    seen = crowd.report()
    assert seen.failures == [], f"{len(seen.failures)} of {seen.pages} requests failed: {seen.failures[:10]}"
    one, two = deployment.site.addresses
    assert all(front.history), "both edges were away at once"
    assert [one] in front.history and [two] in front.history, front.history
    # Told once by each of the two edges at most: who goes from the first to the second is told again.
    assert set(seen.codes) == {1012} and seen.most_closes <= 2, str(seen)


@pytest.mark.parametrize("host", ["host3", "host2", "host1"])
def test_a_host_is_rebooted(deployment, host):
    """While the one with the data is away there are no pages; it is told how long."""
    with Front(deployment.site.addresses) as front:
        crowd = gathering(deployment, front)
        with crowd.gathered():
            since = time.monotonic()
            deployment.hosts.reboot(host)
            recovered(deployment, front)
            eventually(lambda: crowd.answered[-1] > time.monotonic() - 2, 60, "pages come")
            everybody_hears(crowd)
        data = host in GROUPS["data"]
        served(crowd, since, f"a reboot of {host}", RECOVERY_SECONDS if data else SERVICE_SECONDS)


def test_a_deploy_spreads_what_stands_too_close_together(deployment):
    """Swarm moves nothing by itself when a host has come back."""
    play = deployment.deploy()
    timed("three hosts: redeploy after three reboots", play)
    for service in ("http", "ws"):
        assert sorted(deployment.places(service)) == GROUPS["app"]
    assert deployment.deploy().changed == 0
