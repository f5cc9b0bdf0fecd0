"""Pebble, a real ACME server, beside test hosts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hosts import Hosts
from selfsigned import self_signed
from stacks import docker


@contextmanager
def pebble(
    hosts: Hosts, image: str, folder: Path, name: str, leads_to: str, valid_seconds: int
) -> Iterator[str]:
    """The address of its directory; NAME leads to the host LEADS_TO. FOLDER gets ca.pem, the authority of its own certificate."""
    container = f"{hosts.project}-pebble"
    network = next(
        iter(json.loads(docker("inspect", hosts.container("host1")))[0]["NetworkSettings"]["Networks"])
    )
    address = hosts.addresses["host1"].rpartition(".")[0] + ".200"
    folder.mkdir(parents=True, exist_ok=True)
    self_signed("pebble", address, folder / "ca.pem", folder / "key.pem")
    settings = {
        "listenAddress": "0.0.0.0:14000",
        "managementListenAddress": "0.0.0.0:15000",
        "certificate": "/etc/pebble/ca.pem",
        "privateKey": "/etc/pebble/key.pem",
        "httpPort": 80,
        "tlsPort": 443,
        # The second one is for Pebble before 2.6.
        "profiles": {"default": {"description": "for tests", "validityPeriod": valid_seconds}},
        "certificateValidityPeriod": valid_seconds,
    }
    (folder / "pebble.json").write_text(json.dumps({"pebble": settings}))
    for path in (folder.parent.parent, folder.parent, folder):
        path.chmod(0o755)
    for path in folder.iterdir():
        path.chmod(0o644)
    place = ["--name", container, "--network", network, "--ip", address]
    lead = ["--volume", f"{folder}:/etc/pebble:ro", "--add-host", f"{name}:{hosts.addresses[leads_to]}"]
    docker("run", "--detach", *place, *lead, image)
    try:
        yield f"https://{address}:14000/dir"
    finally:
        docker("rm", "--force", container)
