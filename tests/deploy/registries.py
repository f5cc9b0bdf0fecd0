"""A registry beside the test hosts, with TLS by an authority of its own and a login; and what holds for every registry."""

from __future__ import annotations

import ipaddress
import json
import ssl
from pathlib import Path

from deployments import Deployment
from hosts import Hosts, image
from selfsigned import self_signed
from stacks import docker, eventually

USER, PASSWORD = "deployer", "canary-of-the-registry"


class Registry:
    """A registry in the network of HOSTS: `with Registry(hosts) as registry: …`.

    `address` is HOST:PORT for the hosts and this machine, `ca` the certificate of its authority. This machine's engine trusts
    that authority too while it runs: a file below /etc/docker/certs.d, removed at the end.
    """

    def __init__(self, hosts: Hosts) -> None:
        network = ipaddress.ip_network(next(iter(hosts.addresses.values())) + "/24", strict=False)
        self.ip = str(network[200])
        self.address = f"{self.ip}:5000"
        self.folder = hosts.folder / "registry"
        self.project, self.labels = hosts.project, hosts.labels("registry")
        self.name = f"{hosts.project}-registry"

    @property
    def ca(self) -> Path:
        return self.folder / "tls.pem"

    def __enter__(self) -> Registry:
        name = image.registry()
        self.folder.mkdir()
        self._certificate()
        login = self.folder / "registry_login"
        login.write_text(f"{USER}:{PASSWORD}")
        login.chmod(0o644)
        place = ["--name", self.name, "--network", f"{self.project}_lan", "--ip", self.ip]
        secrets = ["--volume", f"{self.folder}:/run/secrets:ro", "--tmpfs", "/tmp"]
        docker("run", "--detach", *self.labels, *place, *secrets, name)
        self._trust("install", "-D", "/given/tls.pem", f"/certs/{self.address}/ca.crt")
        eventually(self._answers, 30, "the registry answers")
        return self

    def __exit__(self, *_: object) -> None:
        docker("rm", "--force", "--volumes", self.name)
        self._trust("rm", "-r", f"/certs/{self.address}")
        unname(self.address)

    def _certificate(self) -> None:
        key = self.folder / "tls.key"
        self_signed("registry", self.ip, self.ca, key)
        both = self.folder / "registry_tls"
        both.write_text(self.ca.read_text() + key.read_text())
        both.chmod(0o644)

    def _trust(self, *command: str) -> None:
        """COMMAND as root beside this machine's engine, which reads /certs at each connection."""
        mounts = ["--volume", f"{self.folder}:/given:ro", "--volume", "/etc/docker/certs.d:/certs"]
        docker("run", "--rm", "--network", "none", *mounts, image.base(), *command)

    def _answers(self) -> bool:
        try:
            ssl.get_server_certificate((self.ip, 5000), timeout=2)
        except OSError:
            return False
        return True


def unname(place: str) -> None:
    """Remove the names from this machine's engine that images had to be pushed to PLACE."""
    names = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split()
    pushed = [name for name in names if name.startswith(f"{place}/")]
    if pushed:
        docker("image", "rm", *pushed)


def loses_an_image(deployment: Deployment, host: str) -> None:
    """Take the image of `ws` from HOST, and see that tasks come up there all the same.

    The login went to the cluster with the services: no playbook is needed, and no file with it is on a host.
    """
    hosts = deployment.hosts
    services = {key: each for key, each in deployment.services().items() if key in ("http", "worker", "ws")}
    name = services["ws"]["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"]
    before = {key: each["Spec"]["Mode"]["Replicated"]["Replicas"] for key, each in services.items()}

    def scale(numbers: dict[str, int]) -> None:
        words = [f"channels-stack_{key}={number}" for key, number in numbers.items()]
        deployment.docker("service", "scale", *words)

    scale(dict.fromkeys(before, 0))
    hosts.run(host, "docker", "container", "prune", "--force")
    hosts.run(host, "docker", "image", "rm", "--force", name)
    form = ("docker", "image", "ls", "--digests", "--format", "{{.Repository}}@{{.Digest}}")
    assert name not in hosts.run(host, *form).stdout
    scale({"ws": 4})
    assert name in hosts.run(host, *form).stdout
    scale(before)
    for each in hosts.names:
        places = ("/root/.docker", "/home/admin/.ansible", "/tmp")
        assert hosts.run(each, "grep", "-rls", '"auths"', *places, check=False).stdout == ""
    assert "Auths" not in json.dumps(deployment.services())
