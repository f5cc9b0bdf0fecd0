"""A release that a share of the visitors tries first, on two servers with an edge each: nobody else meets it."""

from __future__ import annotations

import json
import socket
from itertools import pairwise

import pytest
import tried
from crowd import Crowd, browser, sign_in
from deployments import Deployment, timed
from hosts import Hosts
from stacks import on_threads
from tried import BAD, COOKIE
from websockets.sync.client import connect

pytestmark = pytest.mark.more

SHARE = 20
SMALL = {"HTTP_REPLICAS": 1, "WS_REPLICAS": 1, "HTTP_PROCESSES": 1}


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("share")
    folder.chmod(0o755)
    with Hosts(2) as hosts:
        found = Deployment(hosts, APP_DIR=str(tried.application(folder)), **SMALL)
        found.configure(stack_trial_seconds=20, stack_update_monitor="5s")
        found.play("bootstrap.yml")
        found.deploy()
        yield found


def edges(deployment: Deployment, *words: str) -> list[str]:
    """What WORDS print in the edge of each host; `logs` is the engine's."""
    found = []
    for host in deployment.hosts.names:
        name = deployment.hosts.run(
            host, "docker", "ps", "--quiet", "--filter", "name=channels-stack_edge"
        ).stdout
        command = ["docker", "logs"] if words == ("logs",) else ["docker", "exec"]
        rest = [] if words == ("logs",) else words
        found.append(deployment.hosts.run(host, *command, name.strip(), *rest).stdout)
    return found


def sockets_on_first(deployment: Deployment) -> int:
    """How many sockets first tasks took, by the logs of the edges."""
    lines = [line for log in edges(deployment, "logs") for line in log.splitlines()]
    found = [json.loads(line) for line in lines if line.startswith('{"time"')]
    return sum(line.get("server") == "first" and line["websocket"] for line in found)


def assert_undivided(deployment: Deployment, name: str) -> None:
    """Nothing of a trial is left: the release NAME serves all, through each edge."""
    assert not [service for service in deployment.services() if service.startswith("first-")]
    assert [json.loads(text)["share"] for text in edges(deployment, "edge", "status")] == [0, 0]
    for address in deployment.site.addresses:
        with browser(deployment.site, address) as client:
            answer = client.get("/login/")
        assert answer.headers["X-Release"] == name
        assert COOKIE not in answer.cookies


def test_a_good_release_is_tried_by_a_share_and_rolled(deployment):
    site = deployment.site
    with browser(site, site.addresses[0]) as client:
        client.cookies.set(COOKIE, "0")
        assert sign_in(client, site.user, site.password).status_code == 302
        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())

    def talk() -> str:
        with connect(
            f"wss://{site.domain}/ws/rooms/lobby/",
            sock=socket.create_connection((site.addresses[0], site.port)),
            ssl=on_threads(site.trust()),
            origin=site.url,
            additional_headers={"Cookie": cookies},
            proxy=None,
        ) as opened:
            return json.loads(opened.recv())["type"]

    deployment.configure(stack_app_env={"RELEASE": "second"})
    people = Crowd(site, 20, 2, every=0.5)
    with people.gathered(), tried.visiting(site) as visits, tried.talking(talk) as heard:
        play = deployment.deploy("-e", f"share={SHARE}")
    timed("a release that a share tried first", play)
    seen = people.report()
    print(f"figure: {seen}; {len(heard)} sockets with the number 0; {seen.failures}", flush=True)
    those = [one.releases for one in visits.reached("second", SHARE) if one.releases[0] == "second"]
    assert those, "all came before the first tasks"
    # While the first tasks drain, their visitors change to the old release: once.
    assert all(sum(a != b for a, b in pairwise(releases)) <= 1 for releases in those), "a visitor went back"
    assert seen.failures == [] and set(seen.codes) == {1012}, str(seen)
    assert (seen.lost, seen.doubled, seen.jobs_lost) == (0, 0, 0), str(seen)
    assert sockets_on_first(deployment), "no socket of the share reached the new release"
    assert_undivided(deployment, "second")


def test_a_bad_release_reaches_a_share_of_the_visitors_and_is_ended(deployment):
    """A page that `pages` compares without visitors shows it to nobody; so here it is bad for a path that is not among them."""
    release = deployment.release()
    deployment.configure(stack_app_env={"RELEASE": "bad"}, stack_check_path="/favicon.ico")
    with tried.visiting(deployment.site) as visits:
        play = deployment.deploy("-e", f"share={SHARE}", check=False)
    timed("a bad release that a share tried", play)
    assert play.code != 0
    assert "answers are 5xx" in play.text, play.tail(40)
    visits.reached(BAD, SHARE)
    assert deployment.release() == release and not deployment.locked()
    assert_undivided(deployment, "second")


def test_what_is_no_share_is_refused_before_anything_is_done(deployment):
    running = deployment.running()
    done = deployment.make("deploy", "SHARE=100")
    assert done.returncode and "stack_share is '100'" in done.stdout + done.stderr, done.stdout[-2000:]
    play = deployment.deploy("-e", "share=ten", check=False)
    assert play.code != 0 and "stack_share" in play.text, play.tail(20)
    assert deployment.running() == running
