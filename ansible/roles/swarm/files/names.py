#!/usr/bin/env python3
"""Has tasks found by name that the engine loses: `names.py PORT` on every host, by systemd; the engine takes orders at PORT.

Three ways in which tasks are lost, the first two after a host was cut off for some seconds:

- **Hosts.** The engines tell each other by gossip which tasks they have in each overlay network: names and addresses for the
  name service, and the hosts where packets go (VXLAN). Of a host that does not answer for some seconds each engine forgets
  all that, and that the host was in these networks. Once it is back, an engine learns the second from the engine that it
  asks next (each asks one other host every 30 s), and only then the first, in the same way. For a minute, and with bad luck
  for longer, an edge neither knows the replicas of that host nor could it reach them.
  So this remembers which hosts had tasks in each network. Of one that has none there any more, and can be reached,
  everything is asked for at once: /join exchanges which hosts are in which network, /joinnetwork what tasks they have there
  (`network-diagnostic-port`). Both add what is lost and change nothing else.

- **Tasks.** An engine gives a task its name when it becomes healthy. Where another manager is elected while it waits for
  that, it sees the task run, and never does (https://github.com/moby/moby/issues/35508): the task never gets a request.
  So this stops such a task, which has had no traffic yet, as Swarm itself would; Swarm starts another.

- **Links.** An engine that is restarted at times leaves the link of a network (`vx-…`) behind, in the host's own namespace, and
  then never again starts a task in that network: "error creating vxlan interface: file exists"
  (https://github.com/moby/libnetwork/issues/1765). One that is in use is there for milliseconds. So this removes it.

Deploys need no special care: no repair touches a task that is in use, or asks the managers, which may not answer then.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any

ENGINE = "/run/docker.sock"
GOSSIP_PORT = 7946
LOOK_SECONDS = 2.0
ANSWER_SECONDS = 15.0

ORDER_SECONDS = 3.0
"""So long an order to the engine is waited for. One that takes longer, for a host that stops answering just then, goes on."""

RELOAD_SECONDS = 1.0
"""A reload of the engine, which returns before it is done, takes less."""

PATIENCE = (0.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)
"""When a host without tasks is asked, in seconds after it could be reached (again). After the last one it counts as gone."""

NAMELESS_SECONDS = 15.0
"""A task that is healthy for so long has its name, if it ever gets it: that is a matter of milliseconds."""

LINKS = "/sys/class/net"
LINK = re.compile(r"vx-[0-9a-f]{6}-[0-9a-z]{5}")
"""Of an overlay network: its number and the beginning of its id. Another one is not the engine's."""

LINK_SECONDS = 10.0
"""A link of an overlay network that is in the host's own namespace for so long was left behind."""

PAUSE_SECONDS = 120.0
"""So long no task is stopped after others were."""


@dataclass
class Lost:
    """A host that has no task any more in NETWORKS (ids), where it had some."""

    networks: set[str]
    since: float
    reached: float | None = None
    """Since when it can be reached; None: it cannot."""
    asked: int = 0

    def due(self, now: float) -> bool:
        """Whether it is to be asked now."""
        return (
            self.reached is not None
            and self.asked < len(PATIENCE)
            and now >= self.reached + PATIENCE[self.asked]
        )

    @property
    def left(self) -> bool:
        """Whether it was asked in vain for so long that it has nothing there on purpose."""
        return self.asked == len(PATIENCE)


@dataclass
class Hosts:
    """Which hosts had tasks in each network, and which of them are lost."""

    known: dict[str, set[str]] = field(default_factory=dict)
    lost: dict[str, Lost] = field(default_factory=dict)

    def look(self, networks: dict[str, set[str]], now: float) -> list[str]:
        """Take in NETWORKS (id -> addresses of the hosts with tasks there); returns the hosts that have returned."""
        self.known = {name: hosts | self.known.get(name, set()) for name, hosts in networks.items()}
        lacking: dict[str, set[str]] = {}
        for name, hosts in self.known.items():
            for host in hosts - networks[name]:
                lacking.setdefault(host, set()).add(name)
        back = sorted(set(self.lost) - set(lacking))
        self.lost = {host: self.lost.get(host, Lost(names, now)) for host, names in lacking.items()}
        for host, names in lacking.items():
            self.lost[host].networks = names
        return back

    def members(self, host: str) -> set[str]:
        """HOST and those that are not lost: the engine rejoins through the host that it was given last."""
        return {host} | set().union(*self.known.values()) - set(self.lost)

    def forget(self, host: str) -> None:
        """HOST has left its networks and does not return by itself."""
        for name in self.lost.pop(host).networks:
            self.known[name].discard(host)


@dataclass
class Tasks:
    """Which tasks of this host have been found by name, and since when the others are healthy without."""

    found: set[str] | None = None
    nameless: dict[str, float] = field(default_factory=dict)
    stopped: float = -PAUSE_SECONDS
    """When tasks were stopped last."""

    def look(self, healthy: dict[str, set[str]], names: set[str], now: float) -> list[str]:
        """Take in the HEALTHY ones (id -> addresses) and the addresses that NAMES stand for; returns those to be stopped.

        One that had a name and has none any more is about to end. Of those that are older than this program that is unknown.
        """
        if self.found is None:
            self.found = set(healthy)
        self.found = {task for task in healthy if task in self.found or healthy[task] & names}
        self.nameless = {task: self.nameless.get(task, now) for task in healthy if task not in self.found}
        due = [task for task, since in self.nameless.items() if now >= since + NAMELESS_SECONDS]
        if not due or not names or now < self.stopped + PAUSE_SECONDS:
            return []
        self.stopped = now
        self.found.update(due)  # each is stopped once
        return due


@dataclass
class Links:
    """The links of overlay networks in this host's own namespace, and since when each is there."""

    since: dict[str, float] = field(default_factory=dict)

    def look(self, names: list[str], now: float) -> list[str]:
        """Take in the NAMES of all links; returns those that were left behind."""
        self.since = {name: self.since.get(name, now) for name in names if LINK.fullmatch(name)}
        return [name for name, since in self.since.items() if now >= since + LINK_SECONDS]


class Missing(OSError):
    """There is no such thing."""


class Engine(http.client.HTTPConnection):
    """The engine's API."""

    def __init__(self, seconds: float = ANSWER_SECONDS) -> None:
        super().__init__("localhost", timeout=seconds)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(ENGINE)


def ask(connection: http.client.HTTPConnection, path: str, method: str = "GET") -> bytes:
    """What CONNECTION answers to PATH. Raises OSError and HTTPException."""
    with contextlib.closing(connection):
        connection.request(method, path)
        answer = connection.getresponse()
        body = answer.read()
    if answer.status >= http.client.BAD_REQUEST:
        error = Missing if answer.status == http.client.NOT_FOUND else OSError
        raise error(f"{path}: {answer.status} {body[:100].decode(errors='replace')}")
    return body


def containers() -> list[dict[str, Any]]:
    """Those that run on this host."""
    return json.loads(ask(Engine(), "/containers/json"))


def networks(running: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The overlay networks of the RUNNING containers by id.

    By their ids, because the engine answers for names and lists only after its managers have.
    """
    ids = {attachment["NetworkID"] for container in running for attachment in attachments(container)}
    found = {}
    for identity in sorted(ids):
        with contextlib.suppress(Missing):  # its last container has just gone
            found[identity] = json.loads(ask(Engine(), f"/networks/{identity}?verbose=true"))
    return {identity: each for identity, each in found.items() if each["Driver"] == "overlay"}


def attachments(container: dict[str, Any]) -> list[dict[str, Any]]:
    """The networks of CONTAINER, with its address in each."""
    return list(container["NetworkSettings"]["Networks"].values())


def tasks(network: dict[str, Any]) -> list[dict[str, Any]]:
    """The tasks in NETWORK that are found by name, on all hosts."""
    return [task for service in (network.get("Services") or {}).values() for task in service["Tasks"]]


def hosts(network: dict[str, Any]) -> set[str]:
    """The addresses of the other hosts that are in NETWORK and have tasks there that are found by name."""
    peers = {peer["IP"] for peer in network.get("Peers") or [] if not is_own(peer["IP"])}
    return peers & {task["Info"]["Host IP"] for task in tasks(network)}


def healthy(running: list[dict[str, Any]], overlays: Container[str]) -> dict[str, set[str]]:
    """The tasks of Swarm among the RUNNING containers that are healthy: id -> addresses in the networks OVERLAYS (ids).

    A task that is in none of them is never found by name: one of another stack in the host's network, for example.
    """
    found = {
        container["Id"]: {
            attachment["IPAddress"]
            for attachment in attachments(container)
            if attachment["NetworkID"] in overlays
        }
        for container in running
        if "com.docker.swarm.task.id" in container["Labels"] and "(healthy)" in container["Status"]
    }
    return {identity: addresses for identity, addresses in found.items() if addresses}


def is_own(address: str) -> bool:
    """Whether ADDRESS is this host's."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as link:
        link.bind((address, 0))
        return True
    return False


def reachable(host: str) -> bool:
    """Whether the gossip of HOST can be reached."""
    with contextlib.suppress(OSError), socket.create_connection((host, GOSSIP_PORT), timeout=1):
        return True
    return False


def takes_orders(port: int) -> bool:
    """Whether the engine does at PORT, after a reload where need be: only that opens the port, a start does not."""
    for again in (True, True, False):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        if again:
            subprocess.run(["systemctl", "reload", "docker.service"], check=False, timeout=ANSWER_SECONDS)
            time.sleep(RELOAD_SECONDS)
    return False


def exchange(port: int, members: set[str], identities: set[str]) -> list[str]:
    """Have the engine exchange with all MEMBERS who is in the networks of IDENTITIES, and with what tasks; what failed.

    One after the other: of two at once the engine takes the answer to one for that to the other.
    """
    if not takes_orders(port):
        return [f"the engine takes no orders at 127.0.0.1:{port}: bootstrap.yml --tags engine,swarm"]
    problems = []
    orders = [
        f"/join?members={','.join(sorted(members))}",
        *(f"/joinnetwork?nid={identity}" for identity in sorted(identities)),
    ]
    for path in orders:
        try:
            reply = ask(http.client.HTTPConnection("127.0.0.1", port, timeout=ORDER_SECONDS), path).decode()
        except TimeoutError:
            continue
        except (OSError, http.client.HTTPException) as error:
            reply = str(error)
        if not reply.startswith("OK"):
            problems.append(f"{path.partition('?')[0]}: {reply.strip()}")
    return problems


def say(text: str) -> None:
    """A line in the journal."""
    print(text, flush=True)


def find_hosts(watch: Hosts, found: dict[str, dict[str, Any]], port: int) -> None:
    """Look for hosts that are lost in the networks FOUND, and ask those that it is time to ask."""
    now, before = time.monotonic(), dict(watch.lost)
    for host in watch.look({identity: hosts(network) for identity, network in found.items()}, now):
        # One task is enough to count as found: this is for those that came by another way, and are not all.
        exchange(port, watch.members(host), set(found))
        say(f"{host} is found again in all networks, after {now - before[host].since:.0f} s")
    for host, each in list(watch.lost.items()):
        names = " ".join(sorted(found[identity]["Name"] for identity in each.networks))
        if host not in before:
            say(f"no task of {host} is found any more in {names}")
        if not reachable(host):
            each.reached, each.asked = None, 0
            continue
        each.reached = each.reached or now
        if each.left:
            say(f"{host} has left {names}")
            watch.forget(host)
        elif each.due(now):
            each.asked += 1
            problems = exchange(port, watch.members(host), each.networks)
            say("; PROBLEM ".join([f"asked {host} for its tasks in {names}", *problems]))


def stop_nameless(watch: Tasks, running: list[dict[str, Any]], found: dict[str, dict[str, Any]]) -> None:
    """Stop those of the RUNNING containers that are healthy and will never have a name."""
    names = {task["EndpointIP"] for network in found.values() for task in tasks(network)}
    for identity in watch.look(healthy(running, found), names, time.monotonic()):
        name = next(each["Names"][0].lstrip("/") for each in running if each["Id"] == identity)
        say(f"{name} is healthy and is not found by name: stopped, so that Swarm starts another")
        # It ends in its own time, which is not waited for.
        with contextlib.suppress(TimeoutError, Missing):
            ask(Engine(ORDER_SECONDS), f"/containers/{identity}/stop", "POST")


def remove_links(watch: Links) -> None:
    """Remove the links that were left behind."""
    for name in watch.look(os.listdir(LINKS), time.monotonic()):
        done = subprocess.run(["ip", "link", "delete", name], capture_output=True, text=True, check=False)
        outcome = f"PROBLEM {done.stderr.strip()}" if done.returncode else "removed"
        say(f"{name} was left behind by the engine: {outcome}")
        del watch.since[name]  # where it could not be removed: tried again, but not at once


def main(port: int) -> None:
    """Look for ever. An engine that restarts does not answer for a while."""
    lost_hosts, own_tasks, links, silent = Hosts(), Tasks(), Links(), False
    while True:
        remove_links(links)
        try:
            running = containers()
            found = networks(running)
            find_hosts(lost_hosts, found, port)
            stop_nameless(own_tasks, running, found)
            silent = False
        except (OSError, http.client.HTTPException, ValueError) as error:
            if not silent:
                say(f"the engine does not answer: {error}")
            silent = True
        time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    main(int(sys.argv[1]))
