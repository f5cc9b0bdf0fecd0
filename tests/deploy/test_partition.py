"""A host that lives on is cut off for some seconds, again and again, while people talk: when is everything right again?

`PARTITIONS=6` tries six times instead of thirty (issue 9, part 7). An edge lacks a replica that is healthy, on whichever host,
where it does not send to it: for want of the name (the engine's name service) or of the way (VXLAN), since HAProxy sends only
to what answers its probe. The cluster is right when the managers have every node and every task.
"""

from __future__ import annotations

import json
import os
import random
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from crowd import Crowd
from deployments import GROUPS, Deployment, timed
from front import Front, healthy
from hosts import HostsError
from stacks import eventually

pytestmark = pytest.mark.more

PARTITIONS = int(os.environ.get("PARTITIONS", "30"))
SECONDS = (10, 15, 20, 25, 30)
"""How long a host is cut off."""

SERVICES = ("http", "ws")

FOUND_SECONDS = 30
"""After its end no edge may lack a healthy replica for longer, nor one that becomes healthy later."""

GIVEN_UP_SECONDS = 240
"""So long is looked; what is lacking then counts as lasting."""

STEADY_SECONDS = 6.0
"""So long everything has to stay right: what the managers decide late replaces tasks."""


@pytest.fixture(scope="module")
def deployment(servers):
    found = servers.bootstrapped()
    timed("three hosts: first deploy", found.deploy())
    return found


@dataclass
class Trial:
    """A host that was cut off for some seconds, and what was seen of it from the end of that on."""

    host: str
    seconds: int
    longest: float = 0.0
    """The longest that an edge lacked a healthy replica."""
    what: str = "nothing"
    """Which one, and whose."""
    cluster: float | None = None
    """When the managers had every node and every task; None: never."""
    lacking: dict[str, float] = field(default_factory=dict)
    """What is lacking now, and since when."""

    def look(self, edges: list[str], cluster: list[str], passed: float) -> None:
        """Take in what is wrong so many seconds after the end."""
        self.lacking = {line: self.lacking.get(line, passed) for line in edges}
        for line, since in self.lacking.items():
            if passed - since > self.longest:
                self.longest, self.what = passed - since, line
        self.cluster = None if cluster else passed if self.cluster is None else self.cluster

    @property
    def in_time(self) -> bool:
        return not self.lacking and self.longest <= FOUND_SECONDS

    def __str__(self) -> str:
        cluster = "never" if self.cluster is None else f"after {self.cluster:.0f} s"
        lasting = f"; for good: {', '.join(self.lacking)}" if self.lacking else ""
        return (
            f"{self.host} cut off for {self.seconds} s: cluster right {cluster}, "
            f"a replica lacking for {self.longest:.0f} s at most ({self.what}){lasting}"
        )


def wrong_cluster(deployment: Deployment, manager: str) -> list[str]:
    """Nodes that are not ready, and services without all of their tasks, as MANAGER has them."""
    found = []
    for words, right in (
        (("node", "ls", "--format", "{{.Hostname}} {{.Status}} {{.ManagerStatus}}"), "Ready"),
        (("service", "ls", "--format", "{{.Name}} {{.Replicas}}"), ""),
    ):
        done = deployment.hosts.run(manager, "timeout", "10", "docker", *words, check=False)
        if done.returncode:
            return [f"{manager}: {done.stderr.strip()[-100:] or 'no answer'}"]
        for line in done.stdout.splitlines():
            have, _, want = line.split()[1].partition("/")
            if (have != right) if right else (have != want):
                found.append(line)
    return found


def wrong_edges(deployment: Deployment) -> list[str]:
    """Which edge that serves does not send to which healthy replica."""
    hosts = deployment.hosts
    known = {
        name: set().union(*(replicas(deployment, host, name) for host in hosts.names)) for name in SERVICES
    }
    return [
        f"{host}: {name} {address}"
        for host in GROUPS["edge"]
        if healthy(hosts.addresses[host])
        for name, seen in sent_to(deployment, host).items()
        for address in sorted(known.get(name, set()) - set(seen))
    ]


def containers(deployment: Deployment, host: str, service: str) -> list[str]:
    """The healthy containers of SERVICE on HOST."""
    own = ("--filter", f"label=com.docker.swarm.service.name=channels-stack_{service}")
    command = ("docker", "ps", "--quiet", "--filter", "health=healthy", *own)
    return deployment.hosts.run(host, *command).stdout.split()


def replicas(deployment: Deployment, host: str, service: str) -> set[str]:
    """Their addresses in the network of the edges."""
    found = containers(deployment, host, service)
    form = '{{(index .NetworkSettings.Networks "channels-stack_front").IPAddress}}'
    command = ("docker", "inspect", "--format", form, *found)
    return set(deployment.hosts.run(host, *command, check=False).stdout.split()) if found else set()


def sent_to(deployment: Deployment, host: str) -> dict[str, list[str]]:
    """Backend -> the replicas that the edge on HOST sends to; nothing of one that ends just then."""
    for container in containers(deployment, host, "edge"):
        done = deployment.hosts.run(host, "docker", "exec", container, "edge", "status", check=False)
        if not done.returncode:
            return json.loads(done.stdout)["replicas"]
    return {}


def cut_off(deployment: Deployment, host: str, seconds: int) -> Trial:
    """Cut HOST off for SECONDS, and look until everything has been right for a while."""
    trial = Trial(host, seconds)
    manager = next(name for name in deployment.hosts.names if name != host)
    with deployment.hosts.cut_off(host):
        time.sleep(seconds)  # what is tried
    ended = right = time.monotonic()
    while time.monotonic() < ended + GIVEN_UP_SECONDS and time.monotonic() < right + STEADY_SECONDS:
        edges, cluster = wrong_edges(deployment), wrong_cluster(deployment, manager)
        trial.look(edges, cluster, time.monotonic() - ended)
        if edges or cluster:
            right = time.monotonic()
    return trial


def spread(deployment: Deployment, service: str) -> bool:
    """Whether SERVICE has a replica on each host; where not, they are moved: Swarm moves none back by itself."""
    name, hosts = f"channels-stack_{service}", set(GROUPS["app"])
    try:
        if set(deployment.places(service)) == hosts:
            return True
        for number in (len(hosts) + 1, len(hosts)):
            deployment.docker("service", "scale", f"{name}={number}")  # returns when they are healthy
    except HostsError as error:  # the managers elect a leader
        print(f"figure: {service} is moved again: {error}", flush=True)
    return False


def test_a_host_is_cut_off_and_found_again(deployment):
    chance, trials = random.Random(9), []
    with Front(deployment.site.addresses) as front:
        crowd = Crowd(deployment.site, sockets=30, rooms=3, readers=2, front=front)
        with crowd.gathered():
            for number in range(PARTITIONS):
                for service in SERVICES:
                    eventually(partial(spread, deployment, service), 480, f"{service} is on each host")
                host = deployment.hosts.names[number % len(deployment.hosts.names)]
                trials.append(cut_off(deployment, host, chance.choice(SECONDS)))
                load = Path("/proc/loadavg").read_text().split()[0]
                print(f"figure: partition {number + 1}: {trials[-1]} (load {load})", flush=True)
                eventually(
                    lambda: all(each.here and time.monotonic() - each.heard < 5 for each in crowd.members),
                    120,
                    "everybody hears again",
                )
    seen, longest = crowd.report(), sorted(trial.longest for trial in trials)
    in_time = sum(trial.in_time for trial in trials)
    print(
        f"figure: partitions: {in_time} of {len(trials)} in time ({FOUND_SECONDS} s); a replica lacking for at most "
        f"{longest[-1]:.0f} s, in the median trial {longest[len(longest) // 2]:.0f} s; {seen}",
        flush=True,
    )
    assert (seen.lost, seen.doubled, seen.jobs_lost) == (0, 0, 0), str(seen)
    assert in_time == len(trials), "\n".join(str(trial) for trial in trials)
