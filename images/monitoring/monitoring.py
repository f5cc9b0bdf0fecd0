#!/usr/bin/python3
"""Starts one program of the image (`monitoring PROGRAM`), with what it takes from settings and secrets.

    prometheus    /run/secrets/monitoring_password, RETENTION, REDIS_NODES; TLS by a certificate of its own or that of the edge
    alertmanager  /run/secrets/alertmanager, its whole configuration; monitoring_password
    blackbox      SITE, the host name that visitors use; monitoring_password
    postgres      /run/secrets/database_url; monitoring_password
    redis         /run/secrets/redis_url; monitoring_password
    node          the machine's file systems below /host

A secret reaches a program in its environment or in a file below /tmp, never on a command line.
All but `node` are in a network of the application's processes as well, so they give no answer without the password:
two of them ask whatever address they are given, which would be a way past the networks.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

SECRETS = Path("/run/secrets")
MADE = Path("/tmp")
USER = "prometheus"
EXPORTER = "redis-exporter:9121"
CERTIFICATES = (
    SECRETS / "monitoring_tls",
    Path("/srv/certificate/tls.pem"),
    Path("/etc/edge/tls.pem"),
)
"""Its own, on servers, where it is not on the host of an edge; of the edge: by ACME, else the given or local one."""


def prometheus() -> list[str]:
    """The server behind TLS and a password, which an outside Prometheus uses too (/federate)."""
    certificate = next((str(path) for path in CERTIFICATES if path.exists()), "")
    if not certificate:
        raise FileNotFoundError(f"no certificate: neither {' nor '.join(map(str, CERTIFICATES))} is there")
    (MADE / "redis.json").write_text(json.dumps(redis_targets(os.environ["REDIS_NODES"])))
    return [
        "prometheus",
        "--config.file=/etc/prometheus/prometheus.yml",
        guarded(tls_server_config={"cert_file": certificate, "key_file": certificate}),
        "--storage.tsdb.path=/srv/prometheus",
        f"--storage.tsdb.retention.time={os.environ['RETENTION']}",
        "--storage.tsdb.retention.size=2GB",
        "--log.level=warn",
    ]


def redis_targets(nodes: str) -> list[dict[str, object]]:
    """How Prometheus asks for each Redis: one exporter asks them all."""
    if nodes != "3":
        return [{"targets": [EXPORTER], "labels": {"instance": "redis"}}]
    return [
        {
            "targets": [EXPORTER],
            "labels": {
                "instance": name,
                "__metrics_path__": "/scrape",
                "__param_target": f"redis://{name}:6379",
            },
        }
        for name in ("redis", "redis-2", "redis-3")
    ]


def alertmanager() -> list[str]:
    """Sends what fires where its configuration says; the default one sends nothing, and shows it all in Prometheus.

    Behind the same password: in the network that leads out, the application's processes reach it.
    """
    return [
        "prometheus-alertmanager",
        f"--config.file={SECRETS}/alertmanager",
        guarded(),
        "--storage.path=/srv/alertmanager",
        "--cluster.listen-address=",
        "--log.level=warn",
    ]


def blackbox() -> list[str]:
    """Asks the edge for a page as a visitor would; its certificate is read, and not checked against an authority."""
    site = os.environ["SITE"].split()[0]
    page = {
        "prober": "http",
        "timeout": "5s",
        "http": {
            "headers": {"Host": site},
            "follow_redirects": False,
            "valid_status_codes": list(range(200, 500)),
            "tls_config": {"insecure_skip_verify": True, "server_name": site},
        },
    }
    (MADE / "blackbox.yml").write_text(json.dumps({"modules": {"page": page}}))
    return [
        "prometheus-blackbox-exporter",
        f"--config.file={MADE}/blackbox.yml",
        guarded(),
        "--log.level=warn",
    ]


def postgres() -> list[str]:
    """Connections, transactions, and the archive of the write-ahead log."""
    address = secret("database_url")
    if "sslmode=" not in address:
        address += (
            "&" if "?" in address else "?"
        ) + "sslmode=disable"  # in the internal network, as the application
    os.environ["DATA_SOURCE_NAME"] = address
    return ["prometheus-postgres-exporter", "--config.file=/dev/null", guarded(), "--log.level=warn"]


def redis() -> list[str]:
    """Memory, clients and commands of the Redis of the channel layers; of three, Prometheus names the one that it asks for."""
    parts = urlsplit(secret("redis_url"))
    if parts.scheme == "redis+sentinel":
        login = parts.netloc.rpartition("@")[0]
        user, _, password = login.partition(":")
        os.environ["REDIS_ADDR"] = ""
        os.environ["REDIS_USER"], os.environ["REDIS_PASSWORD"] = unquote(user), unquote(password)
    else:
        os.environ["REDIS_ADDR"] = urlunsplit(parts._replace(query=""))
        # As the application's client reads it; the exporter has no way to be given it in the address.
        for path in parse_qs(parts.query).get("ssl_ca_certs", []):
            os.environ["REDIS_EXPORTER_TLS_CA_CERT_FILE"] = path
    # The one program here without a file for it.
    os.environ["REDIS_EXPORTER_BASIC_AUTH_USERNAME"] = USER
    os.environ["REDIS_EXPORTER_BASIC_AUTH_PASSWORD"] = secret("monitoring_password")
    return ["prometheus-redis-exporter", "-connection-timeout=3s"]


def node() -> list[str]:
    """The machine: disks, memory, load, clock, processes that the kernel has killed."""
    paths = ("--path.rootfs=/host", "--path.procfs=/host/proc", "--path.sysfs=/host/sys")
    # Debian's package has them on; here they fail at every question, with a line in the log.
    without = ("--no-collector.systemd", "--no-collector.textfile")
    return ["prometheus-node-exporter", *paths, *without, "--log.level=warn"]


def guarded(**others: object) -> str:
    """The option that lets in who knows the password; OTHERS is what the file holds too."""
    password = secret("monitoring_password")
    hashed = subprocess.run(
        ["htpasswd", "-niBC", "10", USER], input=password, capture_output=True, text=True, check=True
    ).stdout.strip()
    web = {"basic_auth_users": {USER: hashed.partition(":")[2]}, **others}
    (MADE / "web.yml").write_text(json.dumps(web))  # JSON is YAML
    return f"--web.config.file={MADE}/web.yml"


def secret(name: str) -> str:
    return (SECRETS / name).read_text().strip()


PROGRAMS: dict[str, Callable[[], list[str]]] = {
    each.__name__: each for each in (prometheus, alertmanager, blackbox, postgres, redis, node)
}


def main(arguments: list[str]) -> None:
    if len(arguments) != 1 or arguments[0] not in PROGRAMS:
        sys.exit(f"monitoring: name one of {', '.join(PROGRAMS)}")
    os.umask(0o077)
    try:
        command = PROGRAMS[arguments[0]]()
    except (OSError, KeyError) as error:
        sys.exit(f"monitoring: {arguments[0]}: {error}")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
