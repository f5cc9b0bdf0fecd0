"""The stack's own registry, described once in compose.registry.yml: its login, its certificate, and what Swarm reads of it."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from ..build.contexts import Image
from ..config import certificates
from ..config.secrets import write
from ..paths import COMPOSE, IMAGES, Deployment
from ..swarm import render

IMAGE = Image("channels-stack/registry", IMAGES / "registry")

USER = "channels-stack"


@dataclass(frozen=True)
class Options:
    """What the inventory decides of it."""

    stack: str
    """Its name in the swarm: no release of the application belongs to it."""
    node: str
    """Host name of the node that has its volume and its port."""
    address: str
    """The node's address in the cluster: the other hosts know the registry by it, so the certificate is for it."""
    port: int
    login: Path
    """The file with its login, USER:PASSWORD; made where there is none."""


def make(deployment: Deployment, image: str, options: Options) -> render.Release:
    """Login and certificate, where they are missing or the certificate nears its end, and the service with IMAGE."""
    write(options.login, f"{USER}:{secrets.token_urlsafe(32)}\n")
    certificates.issued(deployment, "registry.pem", [options.address])
    lines = {
        "REGISTRY_IMAGE": image,
        "REGISTRY_PORT": str(options.port),
        "REGISTRY_NODE": options.node,
        "REGISTRY_LOGIN": str(options.login.resolve()),
        "STACK_DIR": str(deployment.folder.resolve()),
        "COMPOSE_PROJECT_NAME": options.stack,
        "COMPOSE_FILE": str(COMPOSE / "compose.registry.yml"),
    }
    whole = render.resolved(deployment.folder / "registry.env", lines)
    objects = render.contents(whole, options.stack)
    used = {key: {"external": True, "name": each["name"]} for key, each in objects.items()}
    services = {key: render.service(key, each, whole["volumes"]) for key, each in whole["services"].items()}
    top = {"networks": {"default": {}}, "volumes": {"registry": {}}, "secrets": used, "configs": {}}
    name = hashlib.sha256(json.dumps([services, top], sort_keys=True).encode()).hexdigest()[:12]
    for service in services.values():
        service["deploy"]["labels"] = {render.LABEL: name}
    kept = [
        {"kind": each["kind"][:-1], "name": each["name"], "content": each["content"]}
        for each in objects.values()
    ]
    files = {"registry.json": render.text("registry", services, top, options.stack)}
    return render.Release(name, files, kept, {"REGISTRY_IMAGE": image}, [])
