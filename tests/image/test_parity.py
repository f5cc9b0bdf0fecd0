"""Staging, this machine's default stack and servers run the same: their rendered definitions, compared value by value.

What may differ stands here, whole; docs/how-to/environments.md says the same to people.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from channels_stack_deploy.config import app_services, secrets, settings
from channels_stack_deploy.local.compose import Project, write_environment
from channels_stack_deploy.paths import ROOT, Deployment
from channels_stack_deploy.swarm import render

NAMES = ("HTTP", "WS", "WORKER", "EDGE", "REDIS", "DB", "BACKUP", "MONITORING")
IMAGES = {f"{name}_IMAGE": f"image/{name.lower()}:tag" for name in NAMES}
COMMON = {
    "APP_COMMANDS": "celery: celery -A mysite worker",
    "APP_VOLUMES": "data",
    "BACKUP_REPOSITORY": "volume",
    "BIND_ADDRESS": "0.0.0.0",
    "MONITORING": "on",
}
"""Every kind of service is there: commands of the application's own, backups, and monitoring."""

STAGING = {
    "HTTP_PORT": "8080",
    "HTTPS_PORT": "8443",
    "DOMAINS": "staging.example.org",
    "HTTP_REPLICAS": "1",
    "WS_REPLICAS": "1",
    "LOG_LEVEL": "debug",
}
"""As docs/how-to/environments.md proposes it."""


def environment(folder: Path, chosen: dict[str, str]) -> tuple[Deployment, dict[str, str]]:
    """A deployment in FOLDER that is set as CHOSEN, with secrets and every default."""
    deployment = Deployment(folder)
    secrets.make(deployment)
    deployment.settings.write_text("".join(f"{name}={value}\n" for name, value in chosen.items()))
    secrets.make(deployment)  # what these settings need besides
    return deployment, settings.load(deployment.settings)


def composed(folder: Path, project: str, **chosen: str) -> dict:
    """What Compose runs on one machine, the release included; without the folder's and the PROJECT's own names."""
    deployment, values = environment(folder, {**COMMON, "COMPOSE_PROJECT_NAME": project, **chosen})
    deployment.commands.write_text(app_services.text(values))
    write_environment(deployment, values, IMAGES)
    text = Project(deployment).run("--profile", "*", "config", "--format", "json", quiet=True).stdout
    return json.loads(text.replace(str(folder), "FOLDER").replace(project, "PROJECT"))


APPLICATION = ("http", "ws", "worker", "celery", "release")
"""Services that run the application, and read its settings."""


def leaves(value: object, place: str = "") -> dict[str, object]:
    """Each single value of a definition by its place, `http.deploy.replicas`."""
    if isinstance(value, dict):
        found = [leaves(each, f"{place}.{key}" if place else key) for key, each in value.items()]
    elif isinstance(value, list):
        found = [leaves(each, f"{place}.{number}") for number, each in enumerate(value)]
    else:
        return {place: value}
    return {key: each for part in found for key, each in part.items()}


def differing(one: dict, other: dict) -> set[str]:
    """The places at which two definitions have another value, or one of them none."""
    first, second = (
        # When its secrets were written differs in each deployment, and says nothing of what runs.
        {
            place: value
            for place, value in leaves(each).items()
            if not place.endswith(".channels-stack.secrets")
        }
        for each in (one, other)
    )
    return {
        place
        for place in first.keys() | second.keys()
        if first.get(place, "nothing") != second.get(place, "nothing")
    }


@pytest.fixture(scope="module")
def default(tmp_path_factory):
    return composed(tmp_path_factory.mktemp("default"), "parity-default")


@pytest.fixture(scope="module")
def staging(tmp_path_factory):
    return composed(tmp_path_factory.mktemp("staging"), "parity-staging", **STAGING)


def test_staging_differs_by_its_settings_alone(default, staging):
    told = {
        f"services.{service}.environment.{name}"
        for service in (*APPLICATION, "traffic")
        for name in ("DOMAINS", "HTTP_PORT", "HTTPS_PORT", "LOG_LEVEL")
    }
    ports = {f"services.edge.ports.{number}.published" for number in range(2)}
    told.add("services.blackbox.environment.SITE")
    replicas = {f"services.{service}.deploy.replicas" for service in ("http", "ws")}
    assert differing(default, staging) == told | ports | replicas


ENGINES = ("depends_on", "profiles", "restart", "security_opt", "labels", "entrypoint", "deploy")
"""How the engine runs a service: each of Compose and Swarm has its own words for that, and `meant` takes over what both have."""

MEMORY = "tmpfs"
"""What a mount is of that holds nothing but memory."""


def meant(each: dict, volumes: dict) -> dict:
    """What a service is, in one form for Compose and for Swarm, which say the same in different words."""
    found = {key: value for key, value in each.items() if key not in ENGINES and value is not None}
    in_memory = {word.partition(":")[0] for word in found.pop("tmpfs", [])}
    in_memory |= {"/dev/shm"} if found.pop("shm_size", None) else set()
    mounts = set()
    for mount in found.pop("volumes", []):
        of_memory = volumes.get(mount.get("source"), {}).get("driver_opts", {}).get("type") == MEMORY
        if of_memory or mount["type"] == MEMORY:
            in_memory.add(mount["target"])
        else:
            mounts.add((mount["type"], mount["source"], mount["target"]))
    limits = each["deploy"]["resources"]["limits"]
    return {
        **found,
        "in memory": in_memory,
        "mounts": mounts,
        "secrets": {used["source"] for used in found.get("secrets", [])},
        "configs": {used["source"] for used in found.get("configs", [])},
        "networks": set(found["networks"]),
        "ports": {port["target"]: str(port["published"]) for port in found.get("ports", [])},
        "limits": {**limits, "cpus": float(limits["cpus"]), "memory": int(limits["memory"])},
        "replicas": each["deploy"].get("replicas", 1),
    }


SERVERS = {
    # Each task of the job writes to the log of an operator who waits for it.
    "release": {"environment.LOG_FORMAT"},
    # In a folder of its host, which the roles bring; a folder of the environment here.
    "edge": {"mounts"},
    # Redis's users lie in a folder, because their passwords change while it runs.
    "redis": {"command.3", "mounts", "secrets"},
    # No edge need be on its host, so it has a certificate of its own.
    "prometheus": {"mounts", "secrets"},
    # Swarm knows the host's name in a service's definition, Compose the namespace that has it.
    "node-exporter": {"hostname", "uts"},
}
"""All in which a service on servers is not the one that Compose runs."""

JOBS = {"static", "migrations", "pages"}
"""Jobs of a release on several servers; on one machine `release` is all."""


def test_servers_run_the_same_but_for_what_is_listed(default, tmp_path):
    deployment, values = environment(tmp_path, COMMON)
    places = dict.fromkeys(("db_node", "redis_node", "monitoring_node"), "one")
    options = render.Options(**places, monitoring_names=("one",))
    release = render.render(deployment, values, IMAGES, options)
    parts = [
        json.loads(release.files[f"{name}.json"]) for name in ("stack", "release", "traffic", *sorted(JOBS))
    ]
    services = {name: each for part in parts for name, each in part["services"].items()}
    assert services.keys() - JOBS == default["services"].keys()
    volumes = parts[0]["volumes"]
    found = {
        name: differing(meant(each, default["volumes"]), meant(services[name], volumes))
        for name, each in default["services"].items()
    }
    assert {name: places for name, places in found.items() if places} == SERVERS


def test_the_page_proposes_these_settings():
    page = (ROOT / "docs/how-to/environments.md").read_text()
    (block,) = re.findall(r"```sh\n# compose/environments/staging/stack.env\n(.*?)```", page, re.S)
    assert dict(line.split("=", 1) for line in block.splitlines()) == STAGING
