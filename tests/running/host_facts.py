"""What one host of a swarm says of a stack: a program that Ansible runs there. It changes nothing, and prints JSON.

host_facts.py STACK ROOT WORD…: the stack's name, its folder on the managers, and words that are given back as they are.
Python 3.9 and the standard library: it runs on a host as it comes. No variable of a service is printed.
"""

from __future__ import annotations

import json
import subprocess
import sys

NAMESPACE = "com.docker.stack.namespace"


def docker(*words: str) -> str:
    """What `docker WORDS` prints; "" where it fails."""
    done = subprocess.run(["docker", *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return done.stdout.decode("utf-8", "replace") if not done.returncode else ""


def decoded(text: str) -> object:
    """The value of a JSON TEXT; None for another."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def containers(stack: str) -> list[dict]:
    """The containers that run here, of STACK."""
    ids = docker("ps", "--quiet", "--filter", f"label={NAMESPACE}={stack}").split()
    found = decoded(docker("inspect", *ids)) if ids else []
    return [
        {
            "name": each["Name"].lstrip("/"),
            "task": each["Config"]["Labels"].get("com.docker.swarm.task.id", ""),
            "service": each["Config"]["Labels"]["com.docker.swarm.service.name"][len(stack) + 1 :],
            "state": each["State"]["Status"],
            "health": (each["State"].get("Health") or {}).get("Status", ""),
            "said": ((each["State"].get("Health") or {}).get("Log") or [{}])[-1].get("Output", ""),
            "image": each["Config"]["Image"],
            "ports": sorted(
                {
                    int(binding["HostPort"])
                    for bindings in (each["NetworkSettings"].get("Ports") or {}).values()
                    for binding in bindings or ()
                }
            ),
        }
        for each in found
    ]


def services(stack: str) -> list[dict]:
    """The services of STACK, as a manager has them."""
    form = "{{.ID}} {{.Replicas}}"
    lines = docker("service", "ls", "--filter", f"label={NAMESPACE}={stack}", "--format", form).splitlines()
    counts = dict(line.split(maxsplit=1) for line in lines)
    found = decoded(docker("service", "inspect", *counts)) if counts else []
    return [
        {
            "id": each["ID"],
            "name": each["Spec"]["Name"][len(stack) + 1 :],
            "replicas": next(text for begin, text in counts.items() if each["ID"].startswith(begin)),
            "release": each["Spec"].get("Labels", {}).get("channels-stack.release", ""),
            "image": each["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"],
            "ports": sorted({port["PublishedPort"] for port in each["Endpoint"].get("Ports") or ()}),
        }
        for each in found
    ]


def tasks(ids: list[str]) -> list[dict]:
    """The tasks that Swarm remembers of the services IDS, the newest first."""
    found = docker("service", "ps", "--quiet", "--no-trunc", *ids).split() if ids else []
    kept = ("ID", "ServiceID", "NodeID", "Status", "DesiredState", "NetworksAttachments")
    return [
        {**{key: each.get(key) for key in kept}, "image": each["Spec"]["ContainerSpec"]["Image"]}
        for each in (decoded(docker("inspect", "--type", "task", *found)) if found else [])
    ]


def released(folder: str) -> dict | None:
    """The current release: its name, and how many tasks each of its services has (None: one on each node that it is for)."""
    try:
        with open(f"{folder}/manifest.json") as manifest, open(f"{folder}/stack.json") as stack:
            name, definitions = json.load(manifest)["release"], json.load(stack)["services"]
    except (OSError, ValueError, KeyError):
        return None
    return {
        "release": name,
        "services": {
            key: None if each["deploy"].get("mode") == "global" else each["deploy"].get("replicas", 1)
            for key, each in definitions.items()
        },
    }


def main(stack: str, root: str, *words: str) -> None:
    """Print what there is to say."""
    info = decoded(docker("info", "--format", "{{json .}}")) or {}
    swarm = info.get("Swarm") or {}
    facts: dict = {
        "words": [stack, root, *words],
        "node": info.get("Name", ""),
        "swarm": swarm.get("LocalNodeState", ""),
    }
    facts["containers"] = containers(stack) if info else []
    for service, command, name in (
        ("edge", ("edge", "status"), "edge"),
        ("http", ("channels-stack", "paths"), "paths"),
        ("ws", ("channels-stack", "paths"), "paths"),
    ):
        own = [each["name"] for each in facts["containers"] if each["service"] == service]
        if own:
            facts[name] = decoded(docker("exec", own[0], *command)) or facts.get(name)
    if swarm.get("ControlAvailable"):
        found = services(stack)
        facts["services"] = found
        facts["tasks"] = tasks([each["id"] for each in found])
        facts["nodes"] = dict(
            line.split(maxsplit=1)
            for line in docker(
                "node", "ls", "--format", "{{.Hostname}} {{.Status}} {{.Availability}}"
            ).splitlines()
        )
        facts["released"] = released(f"{root}/releases/current")
    print(json.dumps(facts))


if __name__ == "__main__":
    main(*sys.argv[1:])
