"""Take a node of a swarm out of service and back, and out of the cluster permanently. Runs on a manager that stays.

python3 - drain HOSTNAME SECONDS [--check]    it gets no task any more, once those that it has run elsewhere
python3 - active HOSTNAME SECONDS [--check]   it is given back
python3 - may-retire HOSTNAME                 refused while services are bound to it, or the managers need it
python3 - demote HOSTNAME                     a manager becomes a worker
python3 - forget HOSTNAME SECONDS             it has left: the cluster forgets it

Before a node is drained, each of its tasks gets a companion elsewhere: by itself Swarm stops them all first, and with
them perhaps the only ones of a service. A node that is the only one of its group is refused before anything is changed:
its services would have no place. With --check nothing is changed.

Prints one JSON object {"changed": bool, "there": whether the cluster knows the node, "problem": "" or why it did not get
there}. What moves is printed on standard error.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Collection

LABELS = ("edge", "app", "data")
"""Each group of the inventory is a label of its nodes."""

BEFORE = "channels-stack.before-drain."
"""Begins labels of a node that is emptied; SERVICE behind it has more tasks meanwhile than the value, which it wants.

Of the node and not of the service: `docker service update` also sorts mounts, which starts each of its tasks again.
"""


class Refused(Exception):
    """It was not done; the text says why and the fix."""


def docker(*arguments: str) -> str:
    """What docker prints; Refused with its complaint where it fails."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise Refused(f"docker {' '.join(arguments[:2])}: {done.stderr.strip()}")
    return done.stdout


def nodes() -> list[dict]:
    """All nodes of the swarm as the engine describes them."""
    return json.loads(docker("node", "inspect", *docker("node", "ls", "--quiet").split()))


def named(hostname: str, cluster: list[dict]) -> list[dict]:
    """The nodes of that name: one; more where a host was installed again and its former node is left."""
    return [node for node in cluster if node["Description"]["Hostname"] == hostname]


def services(*filters: str) -> list[dict]:
    """All services that FILTERS of `docker service ls` leave, as the engine describes them."""
    names = docker("service", "ls", "--quiet", *filters).split()
    return json.loads(docker("service", "inspect", *names)) if names else []


def constraints(service: dict) -> list[str]:
    """Where its tasks may run."""
    return service["Spec"]["TaskTemplate"].get("Placement", {}).get("Constraints") or []


def labels(node: dict) -> set[str]:
    """The groups that the node is in."""
    return {name for name in LABELS if node["Spec"].get("Labels", {}).get(name) == "true"}


def in_service(node: dict) -> bool:
    """Whether tasks may run on the node now."""
    return node["Spec"]["Availability"] == "active" and node["Status"]["State"] == "ready"


def only_one_of(node: dict, cluster: list[dict]) -> list[str]:
    """The groups that have no other node in service."""
    others = [other for other in cluster if other["ID"] != node["ID"] and in_service(other)]
    return sorted(name for name in labels(node) if not any(name in labels(other) for other in others))


def tasks_on(node: dict) -> list[str]:
    """Names of the tasks that still run on the node."""
    lines = docker("node", "ps", node["ID"], "--format", "{{.Name}} {{.CurrentState}}").splitlines()
    return sorted(line.split()[0] for line in lines if line.split()[1] == "Running")


def unfinished(but: Collection[str] = ()) -> list[str]:
    """Services BUT those that have fewer running tasks than they want, "ws 1/2"."""
    lines = docker("service", "ls", "--format", "{{.Name}} {{.Replicas}}").splitlines()
    counts = [line.split()[:2] for line in lines]
    return [
        f"{name} {count}"
        for name, count in counts
        if count.partition("/")[0] != count.partition("/")[2] and name not in but
    ]


def waiting() -> list[str]:
    """Services without which the site is served, and that are bound to a host out of service: Prometheus stays where its data is.

    A data store is bound to the label of its group as well.
    """
    places = [
        [f"node.hostname == {node['Description']['Hostname']}"] for node in nodes() if not in_service(node)
    ]
    return sorted(each["Spec"]["Name"] for each in services() if constraints(each) in places)


def marks(node: dict) -> dict[str, int]:
    """Service -> how many tasks it wants, of those that have more since the node is emptied."""
    labels = node["Spec"].get("Labels", {}).items()
    return {name.removeprefix(BEFORE): int(count) for name, count in labels if name.startswith(BEFORE)}


def companions(node: dict, cluster: list[dict]) -> dict[str, tuple[int, int]]:
    """Service that may run elsewhere -> how many tasks it wants, and how many of them run on the node.

    And those to which a run that was killed, on any node, has left more than they want.
    """
    found: dict[str, tuple[int, int]] = {}
    marked = {name: count for other in cluster for name, count in marks(other).items()}
    form = "{{.Name}} {{.CurrentState}}"
    lines = docker(
        "node", "ps", node["ID"], "--filter", "desired-state=running", "--format", form
    ).splitlines()
    running = [line.split()[0] for line in lines if line.split()[1] == "Running"]
    for service in services("--filter", "mode=replicated"):
        spec = service["Spec"]
        name = spec["Name"]
        here = sum(task.rpartition(".")[0] == name for task in running)
        pinned = any("node.hostname" in text for text in constraints(service))
        if (here and not pinned) or name in marked:
            found[name] = (marked.get(name, spec["Mode"]["Replicated"]["Replicas"]), here)
    return found


def scale(counts: dict[str, int]) -> None:
    """So many tasks of each service."""
    if counts:
        docker("service", "scale", "--detach", *(f"{name}={count}" for name, count in counts.items()))


def label(node: dict, option: str, labels: list[str]) -> None:
    """Add labels to a node, or remove them, by --label-add or --label-rm."""
    if labels:
        docker("node", "update", *(word for each in labels for word in (option, each)), node["ID"])


def empty(node: dict, seconds: float) -> None:
    """Drain the node, once as many tasks as run on it run elsewhere, too.

    Refused, and all is as before, where they do not within SECONDS.
    """
    docker("node", "update", "--availability", "pause", node["ID"])
    moving = companions(node, nodes())
    try:
        # A run that is killed leaves the numbers behind for the next one.
        label(node, "--label-add", [f"{BEFORE}{name}={wanted}" for name, (wanted, _) in moving.items()])
        scale({name: wanted + here for name, (wanted, here) in moving.items()})
        wait(
            "services that get tasks elsewhere",
            lambda: [each for each in unfinished() if each.split()[0] in moving],
            seconds,
        )
        docker("node", "update", "--availability", "drain", node["ID"])
    except BaseException:
        docker("node", "update", "--availability", "active", node["ID"])
        raise
    finally:
        # Those that run are kept: the ones that the drain has stopped are the surplus.
        scale({name: wanted for name, (wanted, _) in moving.items()})
        for each in nodes():
            label(each, "--label-rm", [f"{BEFORE}{name}" for name in marks(each)])


def wait(what: str, pending: Callable[[], list[str]], seconds: float) -> None:
    """Until PENDING() is empty, with every change of it printed; Refused with the rest of it after SECONDS."""
    deadline, printed = time.monotonic() + seconds, None
    while True:
        rest = pending()
        if rest != printed:
            print(f"{what}: {', '.join(rest) or 'none left'}", file=sys.stderr, flush=True)
            printed = rest
        if not rest:
            return
        if time.monotonic() > deadline:
            raise Refused(f"{what}, not within {seconds:.0f} s: {', '.join(rest)}")
        time.sleep(0.5)


def move(availability: str, hostname: str, seconds: float, check: bool, cluster: list[dict]) -> bool:
    """Set the availability of the node. Returns whether it had another one before."""
    found = named(hostname, cluster)
    if not found:
        names = ", ".join(sorted(node["Description"]["Hostname"] for node in cluster))
        raise Refused(f"the cluster has no node {hostname}; it has {names}")
    node = found[0]
    alone = only_one_of(node, cluster) if availability == "drain" else []
    if alone:
        raise Refused(
            f"{hostname} is the only node of {' and '.join(alone)} in service: its services would have no place. "
            "Bring another node into the group first"
        )
    changed = node["Spec"]["Availability"] != availability
    if check:
        return changed
    if changed and availability == "drain":
        empty(node, seconds)
    elif changed:
        docker("node", "update", "--availability", availability, node["ID"])
    if availability == "drain":
        wait(f"tasks on {hostname}", lambda: tasks_on(node), seconds)
    stopped = waiting()
    if stopped:
        print(
            f"stopped until their host is back in service: {', '.join(stopped)}", file=sys.stderr, flush=True
        )
    wait("services that want more tasks", lambda: unfinished(stopped), seconds)
    return changed


def bound(hostname: str, running: list[dict]) -> list[str]:
    """Names of the services that may run on that host alone, which is where their volumes are."""
    there = re.compile(rf"node\.hostname\s*==\s*{re.escape(hostname)}")
    return sorted(
        each["Spec"]["Name"] for each in running if any(there.fullmatch(text) for text in constraints(each))
    )


def may_retire(hostname: str, cluster: list[dict], running: list[dict]) -> None:
    """Refused with the reason where HOSTNAME may not leave the CLUSTER."""
    held = bound(hostname, running)
    if held:
        raise Refused(
            f"{hostname} holds the data of {', '.join(held)}, which are bound to it: make another host theirs first "
            "(docs/how-to/backups.md, a new data host)"
        )
    managers = [node for node in cluster if node["Spec"]["Role"] == "manager"]
    others = [node for node in managers if node["Description"]["Hostname"] != hostname]
    if managers and not others:
        raise Refused(
            f"{hostname} is the only manager: name the next one in the group `managers` of the inventory, bootstrap.yml, "
            "and then retire it"
        )
    lost = [
        node["Description"]["Hostname"]
        for node in others
        if node.get("ManagerStatus", {}).get("Reachability") != "reachable"
    ]
    if lost and len(others) != len(managers):
        raise Refused(
            f"{hostname} is a manager, and so is {', '.join(lost)}, which cannot be reached: the cluster would have no "
            "majority. Bring that one back first"
        )


def demote(found: list[dict]) -> bool:
    """Make workers of those FOUND that are managers."""
    managers = [node["ID"] for node in found if node["Spec"]["Role"] == "manager"]
    if managers:
        docker("node", "demote", *managers)
    return bool(managers)


def forget(hostname: str, seconds: float) -> bool:
    """Remove what the cluster knows of HOSTNAME, once it has noticed that it has left."""
    deadline = time.monotonic() + seconds
    while up := [node for node in named(hostname, nodes()) if node["Status"]["State"] != "down"]:
        if time.monotonic() > deadline:
            raise Refused(
                f"{hostname} is still {up[0]['Status']['State']} in the cluster after {seconds:.0f} s"
            )
        time.sleep(0.5)
    found = named(hostname, nodes())
    for node in found:
        docker("node", "rm", node["ID"])
    return bool(found)


def act(verb: str, hostname: str, seconds: float, check: bool, cluster: list[dict]) -> bool:
    """Do what VERB says. Returns whether anything was changed, or with CHECK would be."""
    found = named(hostname, cluster)
    if verb in ("drain", "active"):
        return move(verb, hostname, seconds, check, cluster)
    if verb == "demote":
        return demote(found)
    if verb == "forget":
        return forget(hostname, seconds)
    if found:
        may_retire(hostname, cluster, services())
    return False


def main() -> None:
    """Do what the command line says and print the result as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("verb", choices=["drain", "active", "may-retire", "demote", "forget"])
    parser.add_argument("hostname")
    parser.add_argument("seconds", type=float, nargs="?", default=0.0)
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    changed, there, problem = False, False, ""
    try:
        cluster = nodes()
        there = bool(named(asked.hostname, cluster))
        changed = act(asked.verb, asked.hostname, asked.seconds, asked.check, cluster)
    except Refused as refused:
        problem = str(refused)
    print(json.dumps({"changed": changed, "there": there, "problem": problem}))


if __name__ == "__main__":
    main()
