"""What is wrong with an inventory and its hosts, as sentences: what, where, and the fix. One line a problem."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

Groups = Mapping[str, list[str]]
"""Group -> its hosts."""

Variables = Mapping[str, dict[str, Any]]
"""Host -> its variables, or what was found on it."""

GROUPS = {
    "edge": "the servers that visitors reach",
    "app": "the servers that run the application",
    "data": "the server with PostgreSQL and Redis",
}
CLUSTER_PORTS = {
    "tcp/2377": "dockerd",
    "tcp/7946": "dockerd",
    "udp/7946": "dockerd",
    "udp/4789": "the kernel",
}
"""What Swarm uses between hosts, and who may have it. https://docs.docker.com/engine/swarm/swarm-tutorial/#open-protocols-and-ports-between-the-hosts"""


def inventory_problems(groups: Groups, variables: Variables, roles: str) -> list[str]:
    """Problems of the inventory itself. VARIABLES: host -> its variables; ROLES: the folder with the roles."""
    problems = [
        f"inventory: group `{name}` has no host; it takes {what}. The same host may be in several groups"
        for name, what in GROUPS.items()
        if not groups.get(name) and (name != "data" or keeps_data(groups, variables))
    ]
    problems += store_problems(groups, variables)
    cluster = sorted({host for name in GROUPS for host in groups.get(name, [])})
    problems += [
        f"{host}: is in none of the groups {', '.join(GROUPS)}: add it to one, or take it out of the inventory"
        for host in groups.get("all", [])
        if host not in cluster
    ]
    seen: dict[str, str] = {}
    for host in cluster:
        given = variables[host]
        place = f"{given.get('ansible_host', host)}:{given.get('ansible_port', 22)}"
        if place in seen:
            problems.append(
                f"{host}: has the same address as {seen[place]} ({place}): name every server once, in as many groups as needed"
            )
        seen.setdefault(place, host)
    problems += manager_problems(groups.get("managers", []), cluster)
    problems += registry_problems(groups, variables)
    return problems + unknown_variables({host: list(variables[host]) for host in cluster}, Path(roles))


def store_settings(groups: Groups, variables: Variables) -> dict[str, str]:
    """What `stack_settings` says of the data stores."""
    hosts = groups.get("all", [])
    given = variables[hosts[0]].get("stack_settings") if hosts else None
    if not isinstance(given, dict):  # nothing, or what the role `stack` refuses
        given = {}
    return {
        "APP_REDIS": str(given.get("APP_REDIS") or ""),
        **{name: str(given.get(name, 1)) for name in ("REDIS_NODES", "DB_NODES")},
    }


def keeps_data(groups: Groups, variables: Variables) -> bool:
    """Whether PostgreSQL or a Redis runs on these hosts, and not somewhere else."""
    wanted = store_settings(groups, variables)
    return wanted.pop("APP_REDIS") not in ("", "outside") or set(wanted.values()) != {"0"}


def store_problems(groups: Groups, variables: Variables) -> list[str]:
    """Too few hosts for what `stack_settings` wants."""
    data = groups.get("data", [])
    if store_settings(groups, variables)["REDIS_NODES"] != "3" or len(data) >= 3:
        return []
    return [
        f"inventory: REDIS_NODES is 3 and the group `data` has {len(data)} host{'s' * (len(data) != 1)}; each of the three "
        "Redis needs a host of its own: add hosts, or take REDIS_NODES: 1"
    ]


def manager_problems(managers: list[str], cluster: list[str]) -> list[str]:
    """Problems of the group `managers`, where there is one."""
    problems = [
        f"{host}: is in `managers` but in none of the groups {', '.join(GROUPS)}"
        for host in managers
        if host not in cluster
    ]
    if managers and len(managers) % 2 == 0:
        problems.append(
            f"inventory: group `managers` has {len(managers)} hosts; an even number survives no more losses "
            "than one less: take 1, 3 or 5"
        )
    return problems


def registry_problems(groups: Groups, variables: Variables) -> list[str]:
    """Problems of the group `registry`, where there is one. A host that is in no other group is reported with all such hosts."""
    hosts = groups.get("registry", [])
    problems = []
    if len(hosts) > 1:
        problems.append(
            f"inventory: group `registry` has {len(hosts)} hosts ({', '.join(hosts)}); it takes one, "
            "which keeps the images for all"
        )
    if hosts and any(variables[host].get("stack_registry") for host in groups.get("all", [])):
        problems.append(
            "inventory: stack_registry names a registry, and the group `registry` makes the stack's own: take one of the two out"
        )
    return problems


def unknown_variables(names: dict[str, list[str]], roles: Path) -> list[str]:
    """Variables that begin with a role's name and are none of it: typing errors, which would be ignored in silence."""
    known = {}
    for spec in sorted(roles.glob("*/meta/argument_specs.yml")):
        known[spec.parents[1].name] = set(
            yaml.safe_load(spec.read_text())["argument_specs"]["main"]["options"] or {}
        )
    found: dict[str, list[str]] = {}
    for host, variables in names.items():
        for name in variables:
            role = name.partition("_")[0]
            if role in known and name not in known[role]:
                found.setdefault(name, []).append(host)
    problems = []
    for name, hosts in sorted(found.items()):
        role = name.partition("_")[0]
        near = difflib.get_close_matches(name, known[role], n=1)
        hint = f"did you mean {near[0]}?" if near else f"see roles/{role}/defaults/main.yml"
        problems.append(f"{', '.join(sorted(hosts))}: {name} is no variable of the role `{role}`; {hint}")
    return problems


def host_problems(host: str, variables: dict[str, Any], limits: dict[str, Any]) -> list[str]:
    """Problems of one host, from what the probes of roles/preflight registered in its VARIABLES."""
    python, look = variables["__preflight_python"], variables.get("__preflight_look", {})
    if python.get("unreachable"):
        return [f"{host}: cannot be reached over SSH: {one_line(python['msg'])}"]
    if "python3" not in python.get("stdout", ""):
        return [f"{host}: has no Python 3: apt-get install python3 (on the host)"]
    if look.get("rc") != 0:
        reason = one_line(look.get("stderr") or look.get("module_stderr") or look.get("msg", ""))
        return [f"{host}: {variables.get('ansible_user', 'the user')} cannot become root there: {reason}"]
    facts = variables["__preflight_facts"]
    problems = []
    if facts["distribution"] not in limits["distributions"]:
        problems.append(f"is {facts['distribution']}; the roles know {', '.join(limits['distributions'])}")
    if not facts["systemd"]:
        problems.append("is not run by systemd: services could not be started at boot")
    if facts["memory_mb"] < limits["memory_mb"]:
        problems.append(
            f"has {facts['memory_mb']} MB of memory, {limits['memory_mb']} are needed (preflight_memory_mb)"
        )
    needed, names = limits["disk_gb"], "preflight_disk_gb"
    if "registry" in variables["group_names"]:
        needed, names = needed + limits["registry_gb"], f"{names} + preflight_registry_gb"
    if facts["disk_gb"] < needed:
        problems.append(f"has {facts['disk_gb']} GB free for /var/lib/docker, {needed} are needed ({names})")
    skew = facts["time"] - variables["__preflight_time"]
    if abs(skew) > limits["clock_seconds"]:
        word = "ahead of" if skew > 0 else "behind"
        problems.append(
            f"its clock is {abs(skew):.0f} s {word} this machine's; {limits['clock_seconds']} s are tolerated: "
            "timedatectl set-ntp true (on the host)"
        )
    problems += port_problems(
        facts["listeners"], variables["group_names"], limits["edge_ports"], limits["registry_port"]
    )
    return [f"{host}: {problem}" for problem in problems]


def port_problems(
    listeners: dict[str, str], groups: list[str], edge_ports: list[int], registry_port: int
) -> list[str]:
    """Ports that another process has already."""
    wanted = {port: (owner, "; Swarm needs it") for port, owner in CLUSTER_PORTS.items()}
    published = {f"tcp/{port}": "stack_settings" for port in edge_ports if "edge" in groups}
    if "registry" in groups:
        published[f"tcp/{registry_port}"] = "stack_registry_port"
    wanted |= {
        port: ("docker-proxy", f": stop it, or change the port ({name})") for port, name in published.items()
    }
    return [
        f"port {port} is taken by {listeners[port]}{fix}"
        for port, (owner, fix) in wanted.items()
        if listeners.get(port, owner) != owner
    ]


def one_line(text: str) -> str:
    """The last line with any text, which is where programs say why."""
    lines = [line.strip() for line in str(text).splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def table(facts: Variables) -> list[str]:
    """What the hosts are, a line each, for people. FACTS: host -> the output of host_facts.py there."""
    clocks = {True: "synchronised", False: "not synchronised", None: "unknown"}
    rows = [("host", "system", "cores", "memory", "swap", "disk free", "clock", "IPVS")]
    for host, seen in facts.items():
        sizes = (f"{seen['memory_mb']} MB", f"{seen['swap_mb']} MB", f"{seen['disk_gb']} GB")
        ipvs = "yes" if seen["ipvs"] else "no (not needed)"
        rows.append(
            (host, seen["distribution"], str(seen["cpus"]), *sizes, clocks[seen["synchronised"]], ipvs)
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def preflight_table(hostvars: Variables, hosts: list[str]) -> list[str]:
    """{{ hostvars | preflight_table(names) }}: of those that answered."""
    seen = {host: hostvars[host].get("__preflight_facts") for host in hosts}
    return table({host: facts for host, facts in seen.items() if facts})


def preflight_inventory(hostvars: Variables, groups: Groups, roles: str) -> list[str]:
    """{{ hostvars | preflight_inventory(groups, folder of the roles) }}"""
    hosts = {name for members in groups.values() for name in members}
    return inventory_problems(groups, {host: hostvars[host] for host in hosts}, roles)


def preflight_hosts(hostvars: Variables, hosts: list[str], limits: dict[str, Any]) -> list[str]:
    """{{ hostvars | preflight_hosts(names, limits) }}; with what the roles' own preflights found (`__preflight_found`)."""
    problems = []
    for host in hosts:
        problems += host_problems(host, hostvars[host], limits)
        problems += [f"{host}: {text}" for text in hostvars[host].get("__preflight_found", [])]
    return problems


class FilterModule:
    """Ansible's way to find them."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name -> function."""
        return {
            "preflight_inventory": preflight_inventory,
            "preflight_hosts": preflight_hosts,
            "preflight_table": preflight_table,
        }
