"""Three Redis with a Sentinel each: replaced one after the other, and what they log in to each other with.

The nodes know each other as the user `node`. Its password, the secret redis_nodes, is in a file next to that of the users, on
each of the three hosts: the first word of it is used, all are accepted. While a new one comes all nodes first accept both
(`accept`), then use the new one (`use`), then refuse the old one (`accept` with final).
"""

from __future__ import annotations

import json
import os
import shlex
from typing import Any

from ..config.rotation import NODES, read
from ..console import Failure
from ..paths import Deployment
from . import credentials
from .engine import Engine
from .render import LABEL

SERVERS = ("redis", "redis-2", "redis-3")
SENTINEL_PORT = 26379
INSIDE = "/etc/redis/users"
"""Where a container sees its host's folder (compose.swarm.sentinel.yml)."""


def sentinel_of(node: str) -> str:
    """The Sentinel on the host of the Redis NODE."""
    return node.replace("redis", "sentinel")


# --- One after the other --------------------------------------------------------------------------


def differing(engine: Engine, path: str, current: str) -> list[str]:
    """Those of three running Redis which the file PATH will replace, or whose Sentinels; CURRENT is the file they run by.

    None where not all three run yet, or not all shall: then there is nothing to be careful with. None either where they
    cannot hand over, as those of the version that had its passwords from Swarm's secrets.
    """
    services = engine.services()
    wanted, known = (definitions(engine, each) for each in (path, current))
    every = {*SERVERS, *map(sentinel_of, SERVERS)}
    if not all(every <= set(each) for each in (services, wanted, known)):
        return []
    if any(known[each].get("secrets") for each in every):
        return []
    return [
        node
        for node in SERVERS
        if any(
            bare(wanted[each]) != bare(known[each])
            # A run that was killed has left it as another release's.
            or services[each]["Spec"].get("Labels", {}).get(LABEL) != known[each]["deploy"]["labels"][LABEL]
            for each in (node, sentinel_of(node))
        )
    ]


def definitions(engine: Engine, path: str) -> dict[str, dict[str, Any]]:
    """The services of a rendered file; none where there is no file."""
    code, text, _ = engine.run(shlex.join(["cat", path]), "")
    return {} if code else json.loads(text)["services"]


def bare(service: dict[str, Any]) -> str:
    """A definition without the name of its release."""
    return json.dumps({**service, "deploy": {**service["deploy"], "labels": None}}, sort_keys=True)


def settled(engine: Engine, seconds: float) -> str:
    """Wait until two Redis follow the third and all Sentinels agree; the master's name. Failure after SECONDS."""
    return inside(engine, "settled", "--seconds", str(seconds))


def hand_over(engine: Engine, node: str) -> str:
    """Let another Redis be the master, where NODE is it; what was done. Failure where it cannot be: then all is as before."""
    return inside(engine, "hand-over", "--name", node)


def inside(engine: Engine, *words: str) -> str:
    """What `redis-node WORDS` says in a container of this host."""
    for service in (*SERVERS, *map(sentinel_of, SERVERS)):
        if container := credentials.running(engine, service):
            place = ["--password-file", f"{INSIDE}/{NODES}"]
            code, answer, complaint = engine.attempt("exec", container, "redis-node", *words, *place)
            if code:
                raise Failure(complaint.strip().removeprefix("node: "))
            return answer.strip()
    raise Failure("no Redis and no Sentinel is healthy on this host, so none can be asked for the master")


# --- What they log in with ------------------------------------------------------------------------


def accept(
    engine: Engine, deployment: Deployment, folder: str, node: str, *, final: bool, check: bool
) -> list[str]:
    """Let NODE and its Sentinel accept what the secrets say, and with FINAL nothing else; what was changed.

    FOLDER, of this host, holds what both read at their start.
    """
    passwords = read(deployment, NODES).split()
    used = passwords[:1] if final else passwords
    digests = {credentials.digest(each) for each in used}
    changed = []
    if container := credentials.running(engine, node):
        keeper = ("keeper", read(deployment, credentials.KEEPER))
        user = credentials.ask(engine, container, keeper, "ACL GETUSER node")
        changed += alter(engine, container, keeper, {"node": (user, digests)}, final=final, check=check)
    if container := credentials.running(engine, sentinel_of(node)):
        login = entry(engine, container, passwords)
        rules = {
            user: credentials.ask(engine, container, login, f"ACL GETUSER {user}", port=SENTINEL_PORT)
            for user in ("app", "node")
        }
        wanted = {
            "app": (rules["app"], {credentials.digest(credentials.redis_password(deployment))}),
            "node": (rules["node"], digests),
        }
        changed += alter(engine, container, login, wanted, final=final, check=check, port=SENTINEL_PORT)
    path = os.path.join(folder, NODES)
    there = written(engine, path)
    # Both are in it already: which one is used is not changed back.
    if there != used and (final or not set(used) <= set(there)):
        changed += [f"{path} written"]
        if not check:
            # The old one is used until all have heard of the new one.
            credentials.put(engine, path, " ".join(reversed(used)) + "\n")
    return changed


def alter(
    engine: Engine,
    container: str,
    login: tuple[str, str],
    users: dict[str, tuple[str, set[str]]],
    *,
    final: bool,
    check: bool,
    port: int = credentials.REDIS_PORT,
) -> list[str]:
    """Let each of USERS (its answer of ACL GETUSER, its hashes) have these passwords, with FINAL and no other."""
    commands, changed = [], []
    for user, (rules, wanted) in users.items():
        alive = credentials.hashes(rules)
        chosen = wanted if final else wanted | alive
        if alive and alive != chosen:
            commands.append(f"ACL SETUSER {user} resetpass {credentials.words(chosen)}")
            changed.append(f"{user}: {len(chosen - alive)} passwords accepted, {len(alive - chosen)} removed")
    if commands and not check:
        credentials.ask(engine, container, login, *commands, port=port)
    return changed


def entry(engine: Engine, container: str, passwords: list[str]) -> tuple[str, str]:
    """The login that the Sentinel in CONTAINER accepts. Failure where it knows none of PASSWORDS."""
    for each in passwords:
        if credentials.ask(engine, container, ("node", each), "PING", port=SENTINEL_PORT):
            return "node", each
    raise Failure(
        f"a running Sentinel does not know secrets/{NODES}, so its passwords cannot be changed: restore it from your backup"
    )


def use(engine: Engine, deployment: Deployment, folder: str, node: str) -> None:
    """Let NODE and its Sentinel log in to the others with the newer of two passwords, which all accept by now."""
    passwords = read(deployment, NODES).split()
    if len(passwords) < 2:
        return
    new = passwords[0]
    if container := credentials.running(engine, node):
        keeper = ("keeper", read(deployment, credentials.KEEPER))
        credentials.ask(engine, container, keeper, f"CONFIG SET masterauth {new}")
    if container := credentials.running(engine, sentinel_of(node)):
        commands = [f"SENTINEL SET redis auth-pass {new}", f"SENTINEL CONFIG SET sentinel-pass {new}"]
        credentials.ask(engine, container, entry(engine, container, passwords), *commands, port=SENTINEL_PORT)
    if written(engine, os.path.join(folder, NODES)) != passwords:
        credentials.put(engine, os.path.join(folder, NODES), " ".join(passwords) + "\n")


def written(engine: Engine, path: str) -> list[str]:
    """The passwords in the file PATH of this host."""
    code, text, _ = engine.run(shlex.join(["cat", path]), "")
    return [] if code else text.split()
