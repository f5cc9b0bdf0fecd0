"""Making the settings and secrets of a deployment, once. What is there already is never touched."""

from __future__ import annotations

import os
import secrets
import subprocess
from pathlib import Path

from ..console import Failure, note
from ..paths import IMAGES, Deployment
from . import environments, secret_commands, settings, stores

APPLICATION, DATA = 10001, 999
"""User ids that read the secrets: the application's and edge's containers, and those of db and redis."""

REDIS_ACL = IMAGES / "redis/users.acl.template"
"""The access rules of Redis; `{password}` stands for the secret."""

ALERTMANAGER = IMAGES / "monitoring/alertmanager.yml"
"""Who receives alerts; by default there is no receiver."""

APP_REDIS_ACL = REDIS_ACL.with_name("app.acl.template")
"""The same of the application's own Redis."""


def write(path: Path, text: str, owner: int | None = None) -> None:
    """Create PATH with TEXT, readable by the user id OWNER (this user's own) alone; a file that exists keeps its content."""
    if path.exists():
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    if os.geteuid() == 0 and owner is not None:
        os.chown(path, owner, owner)
    note(f"made {path.name}")


def own(folder: Path, owners: dict[str, int], image: str) -> None:
    """Give each secret to its consumer where this user may not chown: a container of IMAGE, as root, may."""
    wrong = [
        name
        for name, owner in owners.items()
        if (folder / name).exists() and (folder / name).stat().st_uid != owner
    ]
    for name in wrong:
        command = [
            "docker",
            "run",
            "--rm",
            "--user",
            "0",
            "--network",
            "none",
            "-v",
            f"{folder}:/secrets",
            image,
        ]
        subprocess.run([*command, "chown", f"{owners[name]}:{owners[name]}", f"/secrets/{name}"], check=True)


def make(deployment: Deployment) -> dict[str, int]:
    """Create what is missing of stack.env, app.env and the secrets; return each secret's owner."""
    environments.create(deployment)
    deployment.secrets.mkdir(mode=0o711, exist_ok=True)
    chosen = settings.load(deployment.settings)
    database, redis, application, first = (secrets.token_urlsafe(32) for _ in range(4))
    texts = {
        "secret_key": (secrets.token_urlsafe(64), APPLICATION),
        "secret_key_fallbacks": ("\n", APPLICATION),  # none yet; Swarm takes no secret without a byte
        "demo_password": (first[:20], APPLICATION),
        "db_password": (database, DATA),
        "database_url": (f"postgresql://app:{database}@db:5432/app", APPLICATION),
        "backup_cipher": (secrets.token_urlsafe(32), DATA),
        "backup_credentials": ("", DATA),
        "redis_acl": (REDIS_ACL.read_text().replace("{password}", redis), DATA),
        "redis_url": (stores.redis_url(chosen, redis), APPLICATION),
        # Authorities of external data stores, named in their URLs as /run/secrets/data_ca.
        "data_ca": ("\n", APPLICATION),
        "redis_nodes": (secrets.token_urlsafe(32), DATA),
        "app_redis_acl": (APP_REDIS_ACL.read_text().replace("{password}", application), DATA),
        "app_redis_url": (stores.app_redis_url(application), APPLICATION),
        "monitoring_password": (secrets.token_urlsafe(32), APPLICATION),
        "alertmanager": (ALERTMANAGER.read_text(), APPLICATION),
    }
    pairs = {
        "DB_NODES": ("db_password", "database_url"),
        "REDIS_NODES": ("redis_acl", "redis_url"),
        "APP_REDIS": ("app_redis_acl", "app_redis_url"),
    }
    given: list[str] = ["monitoring_password", "alertmanager"] if chosen["MONITORING"] == "off" else []
    for name, (server, client) in pairs.items():
        if chosen[name] in ("0", "", "outside"):
            given += [
                server,
                client,
            ]  # there is none, or it is an external one: only the operator knows its address
            continue
        # Both hold one password: a lone survivor would lock the application out, so it says so instead.
        if (deployment.secrets / server).exists() != (deployment.secrets / client).exists():
            lost = client if (deployment.secrets / server).exists() else server
            raise SystemExit(
                f"secrets/{lost} is gone, but its other half is there: restore it from your backup"
            )
    owners = secret_commands.values(chosen[secret_commands.SETTING], texts)
    for halves in pairs.values():
        if len(owners.keys() & set(halves) - set(given)) == 1:
            raise Failure(
                f"{secret_commands.SETTING} names one of {' and '.join(halves)}, which hold one password: name both, or neither"
            )
    for name in secret_commands.changed(deployment, owners):
        # Not written over: it is another user's, and what runs has the old one until it is replaced.
        (deployment.secrets / name).unlink(missing_ok=True)
        write(deployment.secrets / name, owners[name], texts[name][1])
    secret_commands.remember(deployment, owners)
    for name, (text, owner) in texts.items():
        if name not in given:
            write(deployment.secrets / name, text, owner)
    return {name: owner for name, (_, owner) in texts.items()}


OLD = {
    "tls_pem": "the certificate is made from CERTIFICATE and tls/ now (docs/how-to/certificates.md)",
}
"""Secrets of earlier versions, and what is in their place."""

SERVERS = ("redis_keeper",)
"""Secrets that only servers have."""


def notes(deployment: Deployment, owners: dict[str, int], *, acl: bool = True) -> list[str]:
    """What of the secrets is not read as the operator may think, a line each, nothing secret in it.

    OWNERS: as `make` returns them. ACL: whether Redis reads the secret redis_acl, as it does not on servers.
    """
    known = {*owners, *SERVERS}
    notes = [
        f"secrets/{path.name} is read by nothing: {OLD.get(path.name, 'a typing error, or of another version')}; remove it"
        for path in sorted(deployment.secrets.iterdir())
        if path.name not in known
    ]
    rules = {"redis": (REDIS_ACL, "app"), "app_redis": (APP_REDIS_ACL, "default")}
    for name, (template, user) in rules.items():
        path = deployment.secrets / f"{name}_acl"
        if not acl or not os.access(path, os.R_OK):
            continue
        lacking = sorted(set(template.read_text().split()) - set(path.read_text().split()) - {">{password}"})
        if lacking:
            notes.append(
                f"secrets/{name}_acl was made by an earlier version and lacks {' '.join(lacking)}: add them to the user {user}'s "
                f"line, or remove {name}_acl and {name}_url, which makes both again"
            )
    return notes
