"""New secrets in the place of old ones, in steps that may be cut short at any point and are gone on with by the next run.

The secrets of a deployment are what its files say; PostgreSQL and Redis accept old and new until nothing uses the old ones
(swarm/stores.py). SECRET_KEY takes two steps, because what one process signs another one reads: first all know the new key as one
that is accepted, then it signs. What was begun is in `rotation.json` until all of it is in effect.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from ..console import Failure
from ..paths import Deployment
from . import secret_commands, settings
from .stores import APPLICATION, PLACES

KINDS = ("secret_key", "db", "redis", "app_redis")
HOSTS = {"db": "database_url", "redis": "redis_url", "app_redis": "app_redis_url"}
"""Data stores of the stack, and the secret whose host name shows whether the application uses them."""

ACLS = {"redis": "redis_acl", "app_redis": "app_redis_acl"}
"""The other halves of their addresses, for Compose."""

NODES = "redis_nodes"
"""The secret that three Redis and their Sentinels log in to each other with. It goes with the kind `redis`; while a new one comes
it is two words, the new one first."""

OWNER = "app"
"""PostgreSQL's role that owns everything: the one that made the cluster."""


def begun(deployment: Deployment) -> dict[str, str]:
    """New secrets, kind -> value, of a rotation that is not in effect yet."""
    path = deployment.folder / "rotation.json"
    return json.loads(path.read_text()) if path.exists() else {}


def chosen(deployment: Deployment, words: str) -> list[str]:
    """The kinds in WORDS (separated by commas; all where it is empty); Failure where one is not here to be rotated."""
    wanted = [word for word in re.split(r"[\s,]+", words) if word]
    unknown = sorted(set(wanted) - set(KINDS))
    if unknown:
        raise Failure(f"what={','.join(unknown)} is no secret to rotate; there are: {', '.join(KINDS)}")
    outside = {kind: host for kind in HOSTS if (host := outside_host(deployment, kind))}
    if "app_redis" in wanted and outside.get("app_redis") == "nowhere":
        raise Failure("app_redis: the application has no Redis of its own here (APP_REDIS)")
    for kind in wanted:
        if kind in outside:
            raise Failure(
                f"{HOSTS[kind]} leads to {outside[kind]}, which is not the stack's: change the password there and in "
                f"secrets/{HOSTS[kind]}, then deploy.yml"
            )
    named = commanded(deployment)
    for kind in wanted:
        if kind in named:
            raise Failure(
                f"{kind}: {named[kind]} comes from its command (SECRET_COMMANDS): change it where that reads it, then deploy.yml"
            )
    return wanted or [kind for kind in KINDS if kind not in outside and kind not in named]


def commanded(deployment: Deployment) -> dict[str, str]:
    """Kinds that a rotation cannot replace, with the secret that would have its former value again by the next deploy."""
    text = settings.of(deployment)[secret_commands.SETTING]
    names = {
        "secret_key": ("secret_key", "secret_key_fallbacks"),
        **{kind: (name,) for kind, name in HOSTS.items()},
    }
    return {
        kind: name
        for kind, those in names.items()
        for name in those
        if name in secret_commands.commands(text)
    }


def outside_host(deployment: Deployment, kind: str) -> str:
    """The host of a data store that is not a service of the stack; "" where it is one."""
    host = urlsplit(read(deployment, HOSTS[kind])).hostname or ""
    service = APPLICATION if kind == "app_redis" else kind
    return "" if host == service or (kind == "redis" and three(deployment)) else host or "nowhere"


def three(deployment: Deployment) -> bool:
    """Whether the application reaches the stack's three Redis, by their Sentinels."""
    return urlsplit(read(deployment, "redis_url")).hostname == PLACES


def begin(deployment: Deployment, wanted: list[str]) -> dict[str, str]:
    """Make the new secrets of the kinds WANTED, or take up those that an earlier run has begun; the new key is accepted then."""
    new = begun(deployment)
    if not new:
        makers = {
            "secret_key": lambda: secrets.token_urlsafe(64),
            "db": lambda: secrets.token_urlsafe(32),
            **dict.fromkeys(ACLS, lambda: secrets.token_urlsafe(32)),
        }
        new = {kind: makers[kind]() for kind in wanted}
        if "redis" in wanted and three(deployment):
            new[NODES] = secrets.token_urlsafe(32)
        replace(deployment.folder / "rotation.json", json.dumps(new))
    if "secret_key" in new and read(deployment, "secret_key") != new["secret_key"]:
        known = read(deployment, "secret_key_fallbacks").split()
        put(deployment, "secret_key_fallbacks", " ".join(dict.fromkeys([*known, new["secret_key"]])) + "\n")
    return new


def switch(deployment: Deployment) -> None:
    """Let the secrets' files say the new ones. Each step leaves files that work."""
    new = begun(deployment)
    if "db" in new:
        put(
            deployment,
            "database_url",
            with_login(read(deployment, "database_url"), role(new["db"]), new["db"]),
        )
    if NODES in new:
        put(deployment, NODES, " ".join(dict.fromkeys([new[NODES], *read(deployment, NODES).split()])))
    for kind, acl in ACLS.items():
        if kind in new:
            old = read(deployment, HOSTS[kind])
            user = unquote(urlsplit(old).username or "") or ("" if kind == "app_redis" else OWNER)
            put(deployment, HOSTS[kind], with_login(old, user, new[kind]))
            rules, before = read(deployment, acl), unquote(urlsplit(old).password or "")
            put(deployment, acl, rules.replace(f">{before} ", f">{new[kind]} ") + "\n")
    if "secret_key" in new:
        before, known = read(deployment, "secret_key"), read(deployment, "secret_key_fallbacks").split()
        older = dict.fromkeys(key for key in [before, *known] if key != new["secret_key"])
        put(deployment, "secret_key_fallbacks", " ".join([*older, new["secret_key"]]) + "\n")
        put(deployment, "secret_key", new["secret_key"])
        put(deployment, "secret_key_fallbacks", " ".join(older) + "\n")


def switched(deployment: Deployment) -> bool:
    """Whether a rotation has begun and the files say all of its secrets."""
    new = begun(deployment)
    files = {"secret_key": "secret_key", NODES: NODES, **HOSTS}
    current = {
        kind: unquote(urlsplit(text).password or "") if kind in HOSTS else text.split()[0]
        for kind in new
        if (text := read(deployment, files[kind]))
    }
    return bool(new) and current == new


def end(deployment: Deployment) -> bool:
    """Forget a rotation whose secrets the files say: to be called once they are in effect. Returns whether there was one."""
    if not switched(deployment):
        return False
    if NODES in begun(deployment):
        put(deployment, NODES, read(deployment, NODES).split()[0])
    (deployment.folder / "rotation.json").unlink()
    return True


def role(password: str) -> str:
    """The login role for a PASSWORD: one for each, so that two are accepted at a time."""
    return f"{OWNER}_{hashlib.sha256(password.encode()).hexdigest()[:8]}"


def with_login(url: str, user: str, password: str) -> str:
    """URL with another user and password."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{place}"))


def read(deployment: Deployment, name: str) -> str:
    """The secret NAME without the line's end; "" where there is none."""
    path = deployment.secrets / name
    return path.read_text().strip() if path.exists() else ""


def put(deployment: Deployment, name: str, text: str) -> None:
    """Let the secret NAME be TEXT."""
    replace(deployment.secrets / name, text)


def replace(path: Path, text: str) -> None:
    """Write PATH in one step, for this user alone, and only where it would change."""
    if path.exists() and path.read_text() == text:
        return
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w") as file:
        file.write(text)
    new.replace(path)
