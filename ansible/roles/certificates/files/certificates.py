#!/usr/bin/env python3
"""Renew the certificate if it is due, and bring it to every edge: certificates.py CONFIG.

Run by a timer on one manager of the swarm, and by each deploy. The way to the edges is the engine's own: the certificate
becomes a secret, and a job that runs once on each edge node puts it into the folder that the edge reads. Swarm keeps secrets
encrypted and hands them over by mutual TLS; nothing else has to be open between the hosts, and the controller need not be there.
CONFIG is JSON: stack, root, edge_image, run (the command line of certbot's container). Exit code 1: the reason is on stderr.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

JOB_SECONDS = 120
"""How long the job may take on all edges; a second each on an idle host. A node that is unavailable holds it up that long."""

LABEL = "channels-stack.certificate"


class Failure(Exception):
    """What went wrong, for people."""


def docker(*arguments: str, given: bytes | None = None) -> str:
    """What the command prints; Failure with its complaint."""
    done = subprocess.run(["docker", *arguments], capture_output=True, input=given, check=False)
    if done.returncode:
        raise Failure(f"docker {' '.join(arguments[:2])}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode()


def renew(config: dict) -> None:
    """Obtain or renew what is due."""
    done = subprocess.run([*config["run"], "renew"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(done.stderr.strip() or f"certbot's container ended with {done.returncode}")
    print(done.stdout.strip())


def distribute(config: dict) -> None:
    """Bring the certificate to the edges, unless all of them have it."""
    folder = Path(config["root"], "certificate")
    text = (folder / "tls.pem").read_bytes()
    digest = hashlib.sha256(text).hexdigest()[:12]
    done = folder / "distributed"
    if done.exists() and done.read_text() == digest:
        return
    name = f"{config['stack']}_certificate-{digest}"
    clear(config)
    docker("secret", "create", "--label", f"{LABEL}={config['stack']}", name, "-", given=text)
    try:
        docker(
            *(
                "service",
                "create",
                "--detach",
                "--quiet",
                "--no-resolve-image",
                "--name",
                name,
                "--mode",
                "global-job",
            ),
            *(
                "--label",
                f"{LABEL}={config['stack']}",
                "--constraint",
                "node.labels.edge == true",
                "--read-only",
                "--cap-drop",
                "ALL",
            ),
            *("--user", "10001:10001", "--no-healthcheck", "--restart-condition", "none"),
            *("--secret", f"source={name},target=tls.pem,uid=10001,gid=10001,mode=0400"),
            *("--mount", f"type=bind,source={config['root']}/edge,target=/edge"),
            *(config["edge_image"], "install", "--mode=0400", "/run/secrets/tls.pem", "/edge/tls.pem"),
        )
        nodes = wait(name)
    finally:
        clear(config)
    done.write_text(digest)
    print(f"brought to {', '.join(nodes)}")


def wait(name: str) -> list[str]:
    """The nodes that the job NAME has ended well on, once it has on all of them."""
    end = time.monotonic() + JOB_SECONDS
    while True:
        lines = docker(
            "service", "ps", "--no-trunc", "--format", "{{.Node}}|{{.CurrentState}}|{{.Error}}", name
        ).splitlines()
        tasks = [line.split("|") for line in lines]
        bad = [
            f"{node}: {error or state}"
            for node, state, error in tasks
            if state.startswith(("Failed", "Rejected"))
        ]
        if bad:
            raise Failure("the certificate did not reach every edge: " + "; ".join(bad))
        waiting = [node for node, state, _ in tasks if not state.startswith("Complete")]
        if tasks and not waiting:
            return sorted(node for node, _, _ in tasks)
        if time.monotonic() > end:
            raise Failure(
                f"the certificate did not reach {', '.join(waiting) or 'any edge'} within {JOB_SECONDS} s"
            )
        time.sleep(0.5)


def clear(config: dict) -> None:
    """Remove the job and the secrets of earlier runs: the edges have copies of their own."""
    label = f"label={LABEL}={config['stack']}"
    for kind in ("service", "secret"):
        for name in docker(kind, "ls", "--filter", label, "--format", "{{.Name}}").split():
            remove(kind, name)


def remove(kind: str, name: str) -> None:
    """Remove it; a secret is in use until the tasks of its job are gone."""
    end = time.monotonic() + 30
    while True:
        try:
            docker(kind, "rm", name)
            return
        except Failure:
            if time.monotonic() > end:
                raise
            time.sleep(0.5)


def main() -> int:
    """Renew, then distribute."""
    config = json.loads(Path(sys.argv[1]).read_text())
    try:
        renew(config)
        distribute(config)
    except Failure as failure:
        print(f"certificates: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
