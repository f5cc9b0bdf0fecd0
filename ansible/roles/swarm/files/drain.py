"""Drain a node of a swarm, or give it back, and wait until it is done. Runs on a manager.

python3 - drain|active HOSTNAME SECONDS [--check]

Before a node is drained, each of its tasks gets a companion elsewhere: by itself Swarm stops them all first, and with
them perhaps the only ones of a service.

Prints one JSON object {"changed": bool, "problem": "" or why it did not get there}. What moves is printed on standard error.
A node that is the only one of its group is refused before anything is changed: its services would have no place.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable

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


def unfinished() -> list[str]:
    """Services that have fewer running tasks than they want, "ws 1/2"."""
    lines = docker("service", "ls", "--format", "{{.Name}} {{.Replicas}}").splitlines()
    counts = [line.split()[:2] for line in lines]
    return [f"{name} {count}" for name, count in counts if count.partition("/")[0] != count.partition("/")[2]]


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
    names = docker("service", "ls", "--quiet", "--filter", "mode=replicated").split()
    for service in json.loads(docker("service", "inspect", *names)) if names else []:
        spec = service["Spec"]
        here = sum(name.rpartition(".")[0] == spec["Name"] for name in running)
        pinned = any(
            "node.hostname" in text
            for text in spec["TaskTemplate"].get("Placement", {}).get("Constraints") or []
        )
        name = spec["Name"]
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
    services = companions(node, nodes())
    try:
        # A run that is killed leaves the numbers behind for the next one.
        label(node, "--label-add", [f"{BEFORE}{name}={wanted}" for name, (wanted, _) in services.items()])
        scale({name: wanted + here for name, (wanted, here) in services.items()})
        wait(
            "services that get tasks elsewhere",
            lambda: [each for each in unfinished() if each.split()[0] in services],
            seconds,
        )
        docker("node", "update", "--availability", "drain", node["ID"])
    except BaseException:
        docker("node", "update", "--availability", "active", node["ID"])
        raise
    finally:
        # Those that run are kept: the ones that the drain has stopped are the surplus.
        scale({name: wanted for name, (wanted, _) in services.items()})
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


def move(availability: str, hostname: str, seconds: float, check: bool) -> bool:
    """Set the availability of the node. Returns whether it had another one before."""
    cluster = nodes()
    named = [node for node in cluster if node["Description"]["Hostname"] == hostname]
    if not named:
        names = ", ".join(sorted(node["Description"]["Hostname"] for node in cluster))
        raise Refused(f"the cluster has no node {hostname}; it has {names}")
    node = named[0]
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
    wait("services that want more tasks", unfinished, seconds)
    return changed


def main(availability: str, hostname: str, seconds: str, *options: str) -> None:
    """Set the availability and print the result as JSON."""
    changed, problem = False, ""
    try:
        changed = move(availability, hostname, float(seconds), "--check" in options)
    except Refused as refused:
        problem = str(refused)
    print(json.dumps({"changed": changed, "problem": problem}))


if __name__ == "__main__":
    main(*sys.argv[1:])
