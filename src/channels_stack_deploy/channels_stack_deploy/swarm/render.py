"""What `docker stack deploy` reads: one release of the stack, joined from compose.yml and compose.swarm.yml.

Compose merges the files and the settings; this turns its answer into what Swarm takes. Everything that Swarm cannot
change in place (secrets, configs) gets the hash of its content into its name. The text of a secret goes to the engine
alone, never into a release.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import app_services, certificates, concurrency, stores
from ..config import services as table
from ..console import Failure
from ..local import backup, compose
from ..paths import COMPOSE, Deployment

JOBS = table.of(table.Kind.JOB)
"""Services that run once for each release, each a part of its own."""

GIVEN = ("REDIS_IMAGE", "DB_IMAGE")
"""Settings that name an image which is not built here."""

FIRST = (*table.VISITED, "worker")
"""Services of which a new release has a first task, whose work is compared with that of the others."""

LABEL = "channels-stack.release"
"""The label of a service that names the release it belongs to."""


@dataclass(frozen=True)
class Options:
    """What the inventory decides in addition to stack.env."""

    stack: str = "channels-stack"
    """Name of the stack in the swarm; the beginning of every service's name."""
    db_node: str = ""
    redis_node: str = ""
    app_redis_node: str = ""
    """Host names of the nodes that hold the volumes of each."""
    redis_nodes: tuple[str, ...] = ()
    """Host names of the other data nodes: with REDIS_NODES=3 the first two of them have the second and third Redis."""
    monitoring_node: str = ""
    """Host name of the node that holds what Prometheus has measured and publishes its port."""
    monitoring_names: tuple[str, ...] = ()
    """Names and addresses of that host, for the certificate of Prometheus."""
    update_monitor: str = "30s"
    check_path: str = "/"
    first_seconds: int = 30
    """How long a first task of the new release is open to visitors."""
    edge_folder: str = "/srv/channels-stack/edge"
    """On every edge node: settings and certificate, which an edge takes up without a restart."""
    redis_folder: str = "/srv/channels-stack/redis"
    """On the node of Redis: its users and their passwords, which change while it runs."""
    app_redis_folder: str = "/srv/channels-stack/redis-app"
    """The same on that of the application's own Redis."""
    encrypted: bool = False
    """Encrypt what goes between hosts on the overlay networks (IPsec: 26 bytes of each packet and the time of AES-GCM)."""


@dataclass(frozen=True)
class Release:
    """One rendered release: the text of each file by its name, and what the engine has to hold for it."""

    name: str
    files: dict[str, str]
    objects: list[dict[str, str]]
    """kind (secret or config), name and base64 content of each."""
    images: dict[str, str]
    networks: list[dict[str, object]]
    """name, internal, encrypted of each: made before the services, because the jobs of a release come first."""


def render(
    deployment: Deployment, settings: dict[str, str], images: dict[str, str], options: Options, name: str = ""
) -> Release:
    """The release of DEPLOYMENT with IMAGES; its NAME is the hash of its content unless one is given."""
    images = {**{key: value for key, value in settings.items() if key in GIVEN and value}, **images}
    whole = joined(deployment, settings, images, options)
    objects = contents(whole, options.stack)
    for kind in ("secrets", "configs"):
        whole[kind] = {
            key: {"external": True, "name": each["name"]}
            for key, each in objects.items()
            if each["kind"] == kind
        }
    services = {key: service(key, each, whole["volumes"]) for key, each in whole["services"].items()}
    networks = [
        {
            "name": f"{options.stack}_{key}",
            "internal": bool(each.get("internal")),
            "encrypted": options.encrypted,
        }
        for key, each in whole["networks"].items()
    ]
    whole["networks"] = {
        key: {"external": True, "name": f"{options.stack}_{key}"} for key in whole["networks"]
    }
    top = {key: whole[key] for key in ("networks", "volumes", "secrets", "configs")}
    digest = hashlib.sha256(json.dumps([services, top], sort_keys=True).encode()).hexdigest()[:12]
    name = name or digest
    for each in services.values():
        each.setdefault("deploy", {})["labels"] = {LABEL: name}
    running = {key: each for key, each in services.items() if key not in JOBS}
    firsts = {key: first(key, running[key]) for key in FIRST if running[key]["deploy"]["replicas"]}
    parts = {
        "stack": running,
        "data": {key: each for key, each in running.items() if table.kind(key) is table.Kind.DATA},
        "signing": {
            key: each
            for key, each in running.items()
            if table.kind(key) is table.Kind.APPLICATION and key != "ws"
        },
        "sockets": {"ws": running["ws"]},
        "trial": {f"trial-{key}": trial(running[key]) for key in table.VISITED},
        "first": {f"first-{key}": replica(key, each) for key, each in firsts.items()},
        "share": {f"first-{key}": each for key, each in firsts.items()},
        **{job: {job: services[job]} for job in JOBS},
    }
    files = {f"{part}.json": text(part, chosen, top, options.stack) for part, chosen in parts.items()}
    files["stack.env"] = deployment.settings.read_text()
    files["app.env"] = deployment.application.read_text()
    manifest = {"release": name, "content": digest, "images": images}
    files["manifest.json"] = json.dumps(manifest, indent=2, sort_keys=True) + "\n"
    kept = [
        {"kind": each["kind"][:-1], "name": each["name"], "content": each["content"]}
        for each in objects.values()
    ]
    return Release(name, files, kept, images, networks)


def joined(
    deployment: Deployment, settings: dict[str, str], images: dict[str, str], options: Options
) -> dict[str, Any]:
    """All definitions with all values, as Compose understands them."""
    more = {
        # Swarm never sees the placement of an external data store.
        "DB_NODE": options.db_node if settings["DB_NODES"] != "0" else "elsewhere",
        "REDIS_NODE": options.redis_node if settings["REDIS_NODES"] != "0" else "elsewhere",
        "APP_REDIS_NODE": options.app_redis_node if settings["APP_REDIS"] in stores.KEEPING else "elsewhere",
        "MONITORING_NODE": options.monitoring_node,
        **{f"REDIS_NODE_{number}": node for number, node in enumerate(options.redis_nodes[:2], 2)},
        "SITE": settings["DOMAINS"].split()[0],
        "CHECK_PATH": options.check_path or "/",
        "TRIAL_SECONDS": str(options.first_seconds),
        "UPDATE_MONITOR": options.update_monitor,
        "EDGE_FOLDER": options.edge_folder,
        "REDIS_FOLDER": options.redis_folder,
        "APP_REDIS_FOLDER": options.app_redis_folder,
        "BACKUP_FOLDER": backup.folder(settings),
        "STOP_GRACE": compose.stop_grace(settings),
        **concurrency.derived(settings),
        **stores.derived(settings),
    }
    if wrong := concurrency.problems(settings):
        raise Failure("\n".join(": ".join(row) for row in wrong))
    if "host" in settings["EDGE_TRUSTED_HOPS"].split():
        raise Failure(
            "EDGE_TRUSTED_HOPS=host is for one machine: Swarm publishes ports on every address of a host, so others could come "
            "past what is in front; name its addresses"
        )
    files = [COMPOSE / "compose.yml", COMPOSE / "compose.swarm.yml", *stores.files(settings)]
    if settings["REDIS_NODES"] == "3":
        if len({options.redis_node, *options.redis_nodes[:2]} - {""}) < 3:
            raise Failure(
                "REDIS_NODES=3 needs three hosts in the group `data`: each Redis and its Sentinel are on a host of their own"
            )
        files.append(COMPOSE / "compose.swarm.sentinel.yml")
    if settings["APP_REDIS"]:
        files.append(COMPOSE / "compose.swarm.app-redis.yml")
    if settings["BACKUP_REPOSITORY"]:
        files.append(COMPOSE / "compose.backup.yml")
    if settings["MONITORING"] == "on":
        certificates.issued(deployment, "monitoring.pem", list(options.monitoring_names))
        files += [*stores.measured(settings), COMPOSE / "compose.swarm.monitoring.yml"]
    compose.write_services(deployment)
    own = app_services.text(settings, swarm=True)
    if own:
        compose.replace(deployment.commands, own)
        files.append(deployment.commands)
    lines = {
        **{name: value for name, value in settings.items() if name not in compose.COMMAND_LINES},
        **images,
        **more,
        "STACK_DIR": str(deployment.folder.resolve()),
        "COMPOSE_PROJECT_NAME": options.stack,
        "COMPOSE_FILE": ":".join(map(str, files)),
    }
    whole = resolved(deployment.folder / "swarm.env", lines)
    if "backup" in whole["services"]:
        # It reads the volumes of the data stores.
        whole["services"]["backup"]["deploy"]["placement"] = whole["services"]["db"]["deploy"]["placement"]
    for volume in whole["volumes"].values():
        volume.pop("name", None)
    return whole


def resolved(place: Path, lines: dict[str, str]) -> dict[str, Any]:
    """The definitions of COMPOSE_FILE with the values of LINES, which are written to PLACE, as Compose understands them."""
    compose.replace(place, "".join(f"{name}={compose.quoted(value)}\n" for name, value in lines.items()))
    command = ["docker", "compose", "--project-directory", str(COMPOSE), "--env-file", str(place)]
    command += ["--profile", "release"]  # the jobs are the one of compose.single.yml
    # What the environment says would win over the file.
    environment = {name: value for name, value in os.environ.items() if name not in lines}
    done = subprocess.run(
        [*command, "config", "--format", "json"], capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode:
        raise Failure(f"the definitions cannot be joined: {done.stderr.strip()}")
    return json.loads(done.stdout)


def contents(whole: dict[str, Any], stack: str) -> dict[str, dict[str, str]]:
    """Each secret and config of the definitions: its kind, the name under which Swarm holds it, its content."""
    found = {}
    for kind in ("secrets", "configs"):
        for key, each in whole.get(kind, {}).items():
            try:
                data = Path(each["file"]).read_bytes()
            except OSError as error:
                raise Failure(f"the {kind[:-1]} {key} cannot be read: {error}") from None
            digest = hashlib.sha256(data).hexdigest()[:12]
            found[key] = {
                "kind": kind,
                "name": f"{stack}_{key}-{digest}",
                "content": base64.b64encode(data).decode(),
            }
    return found


def service(name: str, each: dict[str, Any], volumes: dict[str, Any]) -> dict[str, Any]:
    """One service as Swarm takes it; VOLUMES of the stack get what it needs."""
    # Compose's alone, or done by the engine's configuration (no-new-privileges) where Swarm has no word for it.
    for key in ("depends_on", "profiles", "restart", "security_opt"):
        each.pop(key, None)
    mounts = [*each.get("volumes", [])]
    for mount in each.pop("tmpfs", []):
        # Swarm passes over the short form without a word; its long form knows a size and no owner.
        path, _, options = mount.partition(":")
        size = re.search(r"size=(\d+)m", options)
        if "uid=" in options:
            volume = f"{name}-{Path(path).name}"
            volumes[volume] = {"driver_opts": {"type": "tmpfs", "device": "tmpfs", "o": options}}
            mounts.append({"type": "volume", "source": volume, "target": path})
        else:
            sized = {"tmpfs": {"size": int(size[1]) * 1024**2}} if size else {}
            mounts.append({"type": "tmpfs", "target": path, **sized})
    if "shm_size" in each:
        shared = int(each.pop("shm_size"))
        mounts.append({"type": "tmpfs", "target": "/dev/shm", "tmpfs": {"size": shared}})
    if mounts:
        each["volumes"] = mounts
    for port in each.get("ports", []):
        port["published"] = int(port["published"])
    user, _, group = each.get("user", "0:0").partition(":")
    for kind, mode in (("secrets", 0o400), ("configs", 0o444)):
        for used in each.get(kind) or []:
            used |= {"uid": user, "gid": group, "mode": mode}
    limits = each.get("deploy", {}).get("resources", {}).get("limits", {})
    if "cpus" in limits:
        limits["cpus"] = str(limits["cpus"])
    if "environment" in each:
        each["environment"] = {key: value or "" for key, value in each["environment"].items()}
    for key in [key for key, value in each.items() if value is None]:
        del each[key]
    return each


def trial(each: dict[str, Any]) -> dict[str, Any]:
    """One task like those of the service EACH, which no visitor reaches and which is not started again."""
    kept = {
        key: value for key, value in each["deploy"].items() if key in ("placement", "resources", "labels")
    }
    once = {
        "mode": "replicated",
        "replicas": 1,
        "endpoint_mode": "dnsrr",
        "restart_policy": {"condition": "none"},
    }
    return {**each, "deploy": {**kept, **once}}


def first(name: str, each: dict[str, Any]) -> dict[str, Any]:
    """The first task of the service EACH called NAME; the edge sends visitors there while it gives it a share of them."""
    return {**trial(each), "hostname": f"first-{name}"}


def replica(name: str, each: dict[str, Any]) -> dict[str, Any]:
    """The first task EACH of the service called NAME, which the edge finds under that name as well: as one replica of all."""
    if name not in table.VISITED:
        return each
    return {**each, "networks": {**each["networks"], "front": {"aliases": [name]}}}


def text(part: str, services: dict[str, dict[str, Any]], top: dict[str, Any], stack: str) -> str:
    """The file of one part: its services and what they use. Only `stack` and `data` define volumes."""
    definitions = {"version": "3.12", "services": services, **top}
    if part in ("trial", "first", "share", *JOBS):
        definitions["volumes"] = {key: {"external": True, "name": f"{stack}_{key}"} for key in top["volumes"]}
    return json.dumps(definitions, indent=1, sort_keys=True) + "\n"
