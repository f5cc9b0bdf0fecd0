"""A running stack of any application, as it is found: on the hosts of an inventory, on this machine, or at an address alone.

Everything is asked for once, before the first test, and nothing is changed.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shlex
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import testinfra
from stacks import ROOT
from testinfra.utils.ansible_runner import AnsibleRunner

from channels_stack_deploy.checks import probes, served, visit, visitor
from channels_stack_deploy.config import inventories
from channels_stack_deploy.config import settings as stack_settings
from channels_stack_deploy.console import Failure
from channels_stack_deploy.local.compose import Project
from channels_stack_deploy.paths import Deployment
from channels_stack_deploy.swarm import jobs, name_service
from channels_stack_deploy.swarm.engine import counts

PROGRAM = Path(__file__).with_name("host_facts.py")
GROUPS = ("edge", "app", "data")
HERE = "this machine"


@dataclass(frozen=True)
class Container:
    """One replica on a host."""

    name: str
    service: str
    state: str
    health: str
    """"" where there is no health check."""
    said: str
    """What its health check said last."""
    image: str
    ports: tuple[int, ...]
    """Of its host, at which it is reached."""


@dataclass(frozen=True)
class Service:
    """One service of the stack."""

    name: str
    wanted: int
    running: int
    images: frozenset[str]
    """Of the tasks that run."""
    image: str
    """The one that its definition names."""
    release: str = ""
    ports: tuple[int, ...] = ()
    errors: tuple[str, ...] = ()
    """What Swarm says of its tasks that ended badly, the newest first."""


@dataclass
class Running:
    """What there is. Without hosts and services only visitors can look at it."""

    verbs: dict[str, str]
    """What an operator types here: `status`, `deploy`, and `restore` for a {service} and its {number} of replicas."""
    settings: dict[str, str]
    sites: dict[str, visitor.Site]
    """Edge -> how it is visited."""
    paths: visit.Paths
    probes: list[probes.Probe]
    folder: Path
    """That the password files of probes are in."""
    plain_port: int | None
    hosts: dict[str, list[Container]] = field(default_factory=dict)
    nodes: dict[str, str] = field(default_factory=dict)
    """Host -> the state of its node in the swarm; nothing on this machine."""
    services: dict[str, Service] = field(default_factory=dict)
    release: str = ""
    """The name of the one that serves; "" where releases have no names."""
    differing: dict[str, list[str]] = field(default_factory=dict)
    """Edge's host -> replicas that it does not send to, or sends to by mistake."""

    @property
    def published(self) -> dict[str, set[int]]:
        """Service -> ports that it may publish; every other one publishes none."""
        ports = {"edge": ("HTTP_PORT", "HTTPS_PORT")}
        if self.settings["MONITORING"] == "on":
            ports["prometheus"] = ("MONITORING_PORT",)
        return {service: {int(self.settings[name]) for name in names} for service, names in ports.items()}

    def wrong_ports(self, service: str, ports: Iterable[int]) -> list[int]:
        """Those of PORTS that SERVICE must not publish."""
        return sorted(set(ports) - self.published.get(service, set()))

    @property
    def right_ports(self) -> str:
        """The ports that may be published, in words."""
        return "; ".join(
            f"{' and '.join(map(str, sorted(ports)))} of {service}"
            for service, ports in self.published.items()
        )


# --- At an address --------------------------------------------------------------------------------------


def at(url: str, ca: Path | None, file: Path | None) -> Running:
    """What answers at URL: https://host[:port]."""
    parts = urlsplit(url if "//" in url else f"https://{url}")
    if parts.scheme != "https" or not parts.hostname:
        raise Failure(f"TARGET is {url!r}; it takes the address of a stack: https://rooms.example.org")
    port = parts.port or 443
    if ca and not ca.is_file():
        raise Failure(f"--ca: there is no {ca}; without it the authorities of this machine are trusted")
    folder = file.parent if file else ROOT
    site = visitor.Site(parts.hostname, port, parts.hostname, port, visitor.trust([ca] if ca else []))
    return Running(
        verbs={},  # of services and hosts, which are out of sight
        settings=stack_settings.defaults() | {"DOMAINS": parts.hostname, "HTTPS_PORT": str(port)},
        sites={site.authority: site},
        paths=visit.Paths(),
        probes=probes.load(file, folder) if file else [],
        folder=folder,
        plain_port=80 if port == 443 else None,
    )


# --- On this machine ---------------------------------------------------------------------------------------


def here(folder: Path) -> Running:
    """The stack of this machine whose settings are in FOLDER."""
    deployment = Deployment(folder.resolve())
    project = Project(deployment)
    settings = stack_settings.load(deployment.settings)
    _, declared = probes.declared(deployment, settings)
    there = visit.reached(settings, visit.site(settings, deployment, served.listening(project, settings)))
    found = [
        Container(
            each["Name"],
            each["Service"],
            each["State"],
            each["Health"],
            "",
            each["Image"],
            tuple(sorted({port["PublishedPort"] for port in each.get("Publishers") or []} - {0})),
        )
        for each in project.containers()
    ]
    definitions = json.loads(project.run("config", "--format", "json", quiet=True).stdout)["services"]
    services = {}
    for name, each in definitions.items():
        own = [container for container in found if container.service == name and container.state == "running"]
        replicas = int((each.get("deploy") or {}).get("replicas", each.get("scale", 1)))
        images = frozenset(container.image for container in own)
        services[name] = Service(name, replicas, len(own), images, each["image"])
    return Running(
        verbs={
            "status": deployment.verb("ps"),
            "deploy": deployment.verb("up"),
            "restore": deployment.verb("up"),
        },
        settings=settings,
        sites={there.address: there},
        paths=visit.Paths.read(served.paths(project)).served(settings),
        probes=declared,
        folder=deployment.folder,
        plain_port=int(settings["HTTP_PORT"]),
        hosts={HERE: [each for each in found if each.service in definitions]},
        services=services,
    )


# --- On the hosts of an inventory ---------------------------------------------------------------------------


def on(inventory: Path) -> Running:
    """The stack on the hosts of INVENTORY, asked over Ansible's own connection."""
    groups = hosts_of(inventory)
    facts = asked(inventory, sorted({host for hosts in groups.values() for host in hosts}))
    managers = [each for each in facts.values() if each.get("services")]
    play = f"make {{}} ENV={inventories.shown(inventory)}"
    if not managers:
        raise Failure(f"no stack runs on the hosts of {inventory}: {play.format('deploy')}")
    manager = managers[0]
    folder, addresses = Path(manager["words"][2]), {host: each["words"][3] for host, each in facts.items()}
    deployment = Deployment(folder)
    if not deployment.settings.exists():
        raise Failure(
            f"there is no {deployment.settings}: settings and secrets of this stack are on the controller that deployed it; "
            f"run this there, or {play.format('deploy')} from here"
        )
    settings = stack_settings.load(deployment.settings)
    _, declared = probes.declared(deployment, settings, inventory / probes.NAME)
    answers = [each["paths"] for each in facts.values() if each.get("paths")]
    sites = {
        host: visit.reached(settings, visit.site(settings, deployment, addresses[host]))
        for host in groups["edge"]
    }
    services, release = of_swarm(manager)
    return Running(
        verbs={
            "status": "status.yml",
            "deploy": play.format("deploy"),
            # A deploy brings back what is lost, and leaves alone what was scaled.
            "restore": f"{play.format('deploy')}, or scale.yml -e {{service}}={{number}},",
        },
        settings=settings,
        sites=sites,
        paths=(visit.Paths.read(json.dumps(answers[0])) if answers else visit.Paths()).served(settings),
        probes=declared,
        folder=folder,
        plain_port=int(settings["HTTP_PORT"]),
        hosts={host: serving(each["containers"], manager) for host, each in facts.items()},
        nodes={host: state(host, each, manager) for host, each in facts.items()},
        services=services,
        release=release,
        differing=differing(manager, facts),
    )


def hosts_of(inventory: Path) -> dict[str, list[str]]:
    """The hosts of each group of the stack. Failure where Ansible cannot read the inventory, or a group is empty."""
    with ansible():
        listing = testinfra.get_host("local://").run("ansible-inventory --list -i %s", str(inventory))
        if listing.rc:
            raise Failure(f"{inventory} cannot be read by Ansible:\n{listing.stderr.strip()}")
        found = {
            group: AnsibleRunner.get_runner(str(inventory)).get_hosts(group)
            if group in json.loads(listing.stdout)
            else []
            for group in GROUPS
        }
    missing = [group for group, hosts in found.items() if not hosts]
    if missing:
        raise Failure(
            f"{inventory} has no host in {', '.join(missing)}; it needs edge, app and data: docs/how-to/deploy.md"
        )
    return found


def asked(inventory: Path, hosts: list[str]) -> dict[str, dict[str, Any]]:
    """What host_facts.py says on each of HOSTS. Failure with all that cannot be reached."""
    program = base64.b64encode(PROGRAM.read_bytes()).decode()
    line = (
        f"python3 -c \"exec(__import__('base64').b64decode('{program}'))\""
        " {{ stack_name | default('channels-stack') | quote }} {{ stack_root | default('/srv/channels-stack') | quote }}"
        " {{ stack_folder | default(inventory_dir ~ '/.stack') | quote }}"
        " {{ ansible_host | default(inventory_hostname) | quote }}"
    )

    def ask(host: str) -> dict[str, Any] | str:
        try:
            there = testinfra.get_host(f"ansible://{host}", ansible_inventory=str(inventory))
            answer = there.ansible("shell", line, check=False, become=True)
            return str(answer["msg"]) if answer.get("unreachable") else json.loads(answer["stdout"])
        except Exception as error:  # of testinfra, of Ansible or of the host: a line for people in any case
            return complaint(error)

    with ansible(), ThreadPoolExecutor(4) as threads:
        found = dict(zip(hosts, threads.map(ask, hosts), strict=True))
    silent = [f"{host} cannot be asked: {each}" for host, each in found.items() if isinstance(each, str)]
    if silent:
        check = f"cd ansible && ansible -i {shlex.quote(os.path.relpath(inventory, ROOT / 'ansible'))} all -b -m ping"
        raise Failure(
            "\n".join([*silent, f"they must be reached by SSH and let Ansible become root; try: {check}"])
        )
    return {host: each for host, each in found.items() if not isinstance(each, str)}


def complaint(error: Exception) -> str:
    """What ERROR says of a host, in one line."""
    result = getattr(error, "result", None)
    if isinstance(result, dict):
        text = " ".join(str(result[key]) for key in ("msg", "stderr") if result.get(key))
    else:
        # testinfra shows the whole call and all of both outputs; for people is what Ansible itself says.
        said = re.search(r"\[ERROR\]: (?:Task failed: )?(.+?)(?:\\n|$)", str(error))
        text = said[1] if said else str(error)
    return re.sub(r"\s+", " ", text).strip()[:300] or type(error).__name__


@contextlib.contextmanager
def ansible():
    """Ansible as the playbooks have it: that of this Python, with its configuration."""
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{before}"
    try:
        with contextlib.chdir(ROOT / "ansible"):
            yield
    finally:
        os.environ["PATH"] = before


def of_swarm(manager: dict[str, Any]) -> tuple[dict[str, Service], str]:
    """The services that run or ought to, and the name of their release, by what a MANAGER said."""
    current = manager.get("released") or {"release": "", "services": {}}
    there = {each["name"]: each for each in manager["services"] if each["name"] not in jobs.ONCE}
    found = {}
    for name in sorted(there.keys() | current["services"].keys()):
        each = there.get(name)
        wanted = current["services"].get(name)
        if not each:
            found[name] = Service(name, wanted or 1, 0, frozenset(), "")
            continue
        own = [task for task in manager["tasks"] if task["ServiceID"] == each["id"]]
        running = [task for task in own if task["Status"]["State"] == task["DesiredState"] == "running"]
        bad = [task for task in own if task["Status"]["State"] in ("failed", "rejected", "orphaned")]
        # scale.yml sets another number than the release; none at all is not one of them.
        found[name] = Service(
            name,
            counts(each["replicas"]) or wanted or 0,
            len(running),
            frozenset(task["image"] for task in running),
            each["image"],
            each["release"],
            tuple(each["ports"]),
            tuple(str(task["Status"].get("Err") or task["Status"].get("Message") or "") for task in bad),
        )
    return found, current["release"]


def serving(containers: list[dict[str, Any]], manager: dict[str, Any]) -> list[Container]:
    """Those of a host's CONTAINERS that the MANAGER wants to run: one that drains is not healthy, and need not be."""
    wanted = {task["ID"] for task in manager["tasks"] if task["DesiredState"] == "running"}
    kept = [each for each in containers if each.pop("task") in wanted]
    return [Container(**{**each, "ports": tuple(each["ports"])}) for each in kept]


def state(host: str, facts: dict[str, Any], manager: dict[str, Any]) -> str:
    """The state of a HOST's node: `Ready Active` is that of one in service."""
    if facts["swarm"] != "active":
        return f"its engine is not in the swarm ({facts['swarm'] or 'it does not answer'})"
    return manager["nodes"].get(facts["node"], "the managers do not know it")


def differing(manager: dict[str, Any], facts: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """Where an edge and the managers do not agree on the replicas of http and ws."""
    stack = manager["words"][0]
    ids = {each["id"]: each["name"] for each in manager["services"]}
    known: dict[str, set[str]] = {}
    for task in manager["tasks"]:
        name = name_service.SERVICES.get(ids.get(task["ServiceID"], ""))
        if name and task["Status"]["State"] == task["DesiredState"] == "running":
            known.setdefault(name, set()).update(
                name_service.addresses(task, f"{stack}_{name_service.NETWORK}")
            )
    edges = {
        host: each["edge"]["replicas"]
        for host, each in facts.items()
        if (each.get("edge") or {}).get("replicas")
    }
    lines = name_service.differing(known, edges)
    return {host: [line for line in lines if f" on {host} " in line] for host in edges}
