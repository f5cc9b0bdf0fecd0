"""Three Redis with Sentinel on three hosts: where they are, what they say, which one is the master."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from deployments import Deployment

ALL = ["host1", "host2", "host3"]


def containers(deployment: Deployment, kind: str = "(redis|sentinel)(-[23])?") -> dict[str, tuple[str, str]]:
    """Service -> (host, id) of the running containers of the data stores, on hosts that are there."""
    form = ("--no-trunc", "--format", '{{.ID}} {{.Label "com.docker.swarm.service.name"}}')
    found = {}
    for host in ALL:
        for line in deployment.hosts.run(host, "docker", "ps", *form, check=False).stdout.splitlines():
            identity, _, service = line.partition(" channels-stack_")
            if re.fullmatch(kind, service):
                found[service] = host, identity
    return found


def ask(deployment: Deployment, service: str, password: str, *words: str) -> str:
    """What the container of SERVICE says to a command of the application; "" where it is not there."""
    host, identity = containers(deployment, service).get(service, ("", ""))
    port = "26379" if service.startswith("sentinel") else "6379"
    login = ("redis-cli", "-e", "-p", port, "--no-auth-warning", "--user", "app", "--pass", password)
    return host and deployment.hosts.run(host, "docker", "exec", identity, *login, *words, check=False).stdout


def password_of(deployment: Deployment) -> str:
    return urlsplit((deployment.folder / "secrets/redis_url").read_text().strip()).password or ""


def known(deployment: Deployment) -> dict[str, str]:
    """What a Sentinel of a host that is there knows of the master."""
    for service in containers(deployment, "sentinel.*"):
        words = ("sentinel", "master", "redis")
        said = ask(deployment, service, password_of(deployment), *words).splitlines()
        if said:
            return dict(zip(said[::2], said[1::2], strict=True))
    return {"ip": "", "config-epoch": "0"}


def master(deployment: Deployment) -> str:
    """The service that is the master, "" where nobody says."""
    return known(deployment)["ip"]


def hand_over(deployment: Deployment) -> str:
    """Let another one be the master, the first where that is a choice; what was said."""
    host, identity = containers(deployment)["sentinel"]
    words = ("--name", master(deployment), "--password-file", "/etc/redis/users/redis_nodes")
    return deployment.hosts.run(host, "docker", "exec", identity, "redis-node", "hand-over", *words).stdout
