"""Remove a node from a swarm permanently, in steps between which the node itself leaves. Runs on a manager that stays.

python3 - check HOSTNAME            may it go? Refused while services are bound to it, or the managers need it
python3 - demote HOSTNAME           a manager becomes a worker
python3 - forget HOSTNAME SECONDS   it has left: the cluster forgets it

Prints one JSON object {"changed": bool, "there": whether the cluster knows it, "problem": "" or why it did not get there}.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time


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


def services() -> list[dict]:
    """All services."""
    found = docker("service", "ls", "--quiet").split()
    return json.loads(docker("service", "inspect", *found)) if found else []


def named(hostname: str) -> list[dict]:
    """The nodes of that name: one; more where a host was installed again and its former node is left."""
    return [node for node in nodes() if node["Description"]["Hostname"] == hostname]


def bound(hostname: str, running: list[dict]) -> list[str]:
    """Names of the services that may run on that host alone, which is where their volumes are."""
    there = re.compile(rf"node\.hostname\s*==\s*{re.escape(hostname)}")
    return sorted(
        each["Spec"]["Name"]
        for each in running
        if any(
            there.fullmatch(text)
            for text in each["Spec"]["TaskTemplate"].get("Placement", {}).get("Constraints") or []
        )
    )


def check(hostname: str, known: list[dict], running: list[dict]) -> None:
    """Refused with the reason where HOSTNAME may not go."""
    held = bound(hostname, running)
    if held:
        raise Refused(
            f"{hostname} holds the data of {', '.join(held)}, which are bound to it: make another host theirs first "
            "(docs/how-to/backups.md, a new data host)"
        )
    managers = [node for node in known if node["Spec"]["Role"] == "manager"]
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
    while up := [node for node in named(hostname) if node["Status"]["State"] != "down"]:
        if time.monotonic() > deadline:
            raise Refused(
                f"{hostname} is still {up[0]['Status']['State']} in the cluster after {seconds:.0f} s"
            )
        time.sleep(0.5)
    found = named(hostname)
    for node in found:
        docker("node", "rm", node["ID"])
    return bool(found)


def main(step: str, hostname: str, seconds: str = "0") -> None:
    """Do a step and print the result."""
    changed, there, problem = False, False, ""
    try:
        there = bool(named(hostname))
        if step == "check" and there:
            check(hostname, nodes(), services())
        elif step == "demote":
            changed = demote(named(hostname))
        elif step == "forget":
            changed = forget(hostname, float(seconds))
    except Refused as refused:
        problem = str(refused)
    print(json.dumps({"changed": changed, "there": there, "problem": problem}))


if __name__ == "__main__":
    main(*sys.argv[1:])
