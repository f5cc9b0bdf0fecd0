#!/usr/bin/python3
"""One of three Redis servers with a Sentinel each: writes its configuration, then becomes it.

    redis-node server    --name redis-2 …      a Redis; extra arguments go to redis-server
    redis-node sentinel  --name sentinel-2 …   a Sentinel
    redis-node settled   --seconds 60          wait until all is in order (order.py), and print the master's name
    redis-node hand-over --name redis-2        let another one be the master, where redis-2 is it

A server asks the Sentinels who is the master before it starts: after an outage it must not begin as the master that
it was, while another one is. Where no Sentinel answers, its last role counts, and on the very first start the first
of --servers is the master. A Sentinel keeps what it knows (epochs, replicas, other Sentinels) over a start;
everything else is written again, so that a new release or password is taken up.

Nodes log in to each other as the user `node`. The file of its passwords holds one, or two while a new one comes: both are
accepted, and the first one is used.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import re
import socket
import sys
import time

import redis
from order import MASTER, Failure, Nodes, Place, address, hand_over, known, settled

SERVER_PORT, SENTINEL_PORT = 6379, 26379
# The services of compose.sentinel.yml.
SERVERS, SENTINELS = "redis,redis-2,redis-3", "sentinel,sentinel-2,sentinel-3"
# How long a master may be silent before it counts as gone. Above the pause of a busy disk; the whole failover takes
# two or three seconds more.
DOWN_MILLISECONDS = 4000
# After twice this a failover that came to nothing (a vote without a winner) is tried again.
FAILOVER_MILLISECONDS = 4000
# A master that no replica has followed for this long takes no more writes: it may be cut off, and another be master.
LAG_SECONDS = 10
# The lowest is preferred; 100 is Redis's default.
FIRST_PRIORITY = 50
BASE = "/etc/redis/redis.conf"

# Between the nodes: what Sentinel and replication do (redis.io, "Redis Access Control List authentication").
NODE_RULES = (
    "~* &* -@all +multi +exec +ping +info +role +slaveof +replicaof +config|rewrite +client|setname +client|kill "
    "+client|setinfo +client|pause +client|unpause +script|kill +publish +subscribe +psync +replconf"
)
# What a client asks a Sentinel.
CLIENT_RULES = (
    "resetkeys resetchannels -@all +ping +hello +auth +role +client|setname +client|setinfo +sentinel|master "
    "+sentinel|masters +sentinel|get-master-addr-by-name +sentinel|sentinels +sentinel|replicas"
)
# Lines of a Sentinel's file that it has learned, and that are kept.
LEARNED = re.compile(
    r"sentinel (myid|current-epoch|monitor|config-epoch|leader-epoch|known-replica|known-sentinel) "
)

# A name is found in DNS once its container runs and, on Swarm, is healthy.
NAME_SECONDS = 120


def place(text: str, port: int) -> Place:
    """Host and port of ``host[:port]``."""
    host, _, given = text.partition(":")
    return host, int(given or port)


def read(path: str) -> str:
    """The text of a secret's file. Raises Failure."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}") from None


def lines_of(path: str) -> list[str]:
    """The lines of a file; none where there is no file."""
    with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8") as file:
        return file.read().splitlines()
    return []


def write(path: str, lines: list[str]) -> None:
    """Replace ``path`` in one step, readable by this user only: it holds a password."""
    new = f"{path}.new"
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    os.replace(new, path)


def asked(nodes: Nodes) -> Place | None:
    """The master, as the Sentinel says that knows the latest election; None when none answers."""
    states = []
    for each in nodes.sentinels:
        try:
            with nodes.at(each) as sentinel:
                states.append(known(sentinel))
        except redis.RedisError as error:
            print(f"node: sentinel {each[0]}:{each[1]}: {error}", flush=True)
    if not states:
        return None
    return address(max(states, key=lambda state: state["config-epoch"]))


def last_role(path: str) -> list[str]:
    """The line that made this server a replica, as Sentinel had it written; none when it was the master."""
    return [line for line in lines_of(path) if re.match(r"(replicaof|slaveof) ", line)][-1:]


def server(options: argparse.Namespace, nodes: Nodes) -> list[str]:
    """Write the files of a Redis; its command line."""
    me = place(options.name, SERVER_PORT)
    path, acl = os.path.join(options.folder, "node.conf"), os.path.join(options.folder, "users.acl")
    master = asked(nodes)
    if master is None and os.path.exists(path):
        role = last_role(path)
    else:
        master = master or nodes.servers[0]
        role = [] if master == me else [f"replicaof {master[0]} {master[1]}"]
    print(f"node: {options.name} starts as {role[0] if role else 'master'}", flush=True)
    write(acl, [read(options.acl).strip(), f"user node on {digests(nodes.passwords)} {NODE_RULES}"])
    settings = [
        f"include {options.base}",
        f"port {me[1]}",
        f"dir {options.folder}",
        f"aclfile {acl}",
        "masteruser node",
        f"masterauth {nodes.passwords[0]}",
        f"replica-announce-ip {me[0]}",
        f"replica-announce-port {me[1]}",
        # Where there is a choice the first one: backups are made and restored on its node.
        f"replica-priority {FIRST_PRIORITY if me == nodes.servers[0] else 100}",
        "repl-diskless-sync-delay 0",  # a new master's replicas follow at once
        "min-replicas-to-write 1",
        f"min-replicas-max-lag {LAG_SECONDS}",
    ]
    write(path, [*settings, *role])
    return ["redis-server", path, *options.more]


def sentinel(options: argparse.Namespace, nodes: Nodes) -> list[str]:
    """Write the file of a Sentinel; its command line."""
    me = place(options.name, SENTINEL_PORT)
    first, password = nodes.servers[0], nodes.passwords[0]
    path = os.path.join(options.folder, "sentinel.conf")
    learned = [line for line in lines_of(path) if LEARNED.match(line)]
    monitors = [line for line in learned if line.startswith("sentinel monitor ")]
    if not monitors:
        wait_for_name(first[0])
    quorum = len(nodes.sentinels) // 2 + 1
    settings = [
        f"port {me[1]}",
        "bind * -::*",
        "protected-mode no",  # no client is let in without a password
        f"dir {options.folder}",
        "user default off",
        f"user node on {digests(nodes.passwords)} ~* &* +@all",
        "user health on nopass resetkeys resetchannels -@all +ping",
        f"user app on {' '.join(passwords(read(options.acl)))} {CLIENT_RULES}",
        "sentinel resolve-hostnames yes",
        "sentinel announce-hostnames yes",
        f"sentinel announce-ip {me[0]}",
        f"sentinel announce-port {me[1]}",
        "sentinel sentinel-user node",
        f"sentinel sentinel-pass {password}",
        *(monitors or [f"sentinel monitor {MASTER} {first[0]} {first[1]} {quorum}"]),
        f"sentinel auth-user {MASTER} node",
        f"sentinel auth-pass {MASTER} {password}",
        f"sentinel down-after-milliseconds {MASTER} {DOWN_MILLISECONDS}",
        f"sentinel failover-timeout {MASTER} {FAILOVER_MILLISECONDS}",
        *(line for line in learned if line not in monitors),
    ]
    write(path, settings)
    return ["redis-server", path, "--sentinel"]


def wait_for_name(host: str) -> None:
    """Wait until ``host`` has an address: without one a Sentinel ends at once. Raises Failure."""
    deadline = time.monotonic() + NAME_SECONDS
    while True:
        try:
            socket.getaddrinfo(host, None)
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise Failure(f"{host} has no address after {NAME_SECONDS} s: {error}") from None
        time.sleep(0.2)


def digests(given: list[str]) -> str:
    """Passwords as an ACL keeps them."""
    return " ".join(f"#{hashlib.sha256(each.encode()).hexdigest()}" for each in given)


def passwords(acl: str) -> list[str]:
    """The passwords of the user `app`, as its rules hold them. Raises Failure."""
    words = next((line.split() for line in acl.splitlines() if line.startswith("user app ")), [])
    found = [word for word in words if re.match(r"[>#]|nopass$", word)]
    if not found:
        raise Failure("the ACL file has no user `app` with a password")
    return found


def nodes_of(options: argparse.Namespace) -> Nodes:
    """All of them. Raises Failure."""
    given = read(options.password_file).split()
    if not given:
        raise Failure(f"{options.password_file} holds no password")
    return Nodes(
        [place(each, SERVER_PORT) for each in options.servers.split(",")],
        [place(each, SENTINEL_PORT) for each in options.sentinels.split(",")],
        given,
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="redis-node", allow_abbrev=False)
    parser.add_argument("role", choices=("server", "sentinel", "settled", "hand-over"))
    parser.add_argument(
        "--name", help="our own host[:port], as the others reach us; of a Redis for hand-over"
    )
    parser.add_argument("--servers", default=SERVERS, help="host[:port] of each Redis, with commas between")
    parser.add_argument("--sentinels", default=SENTINELS, help="host[:port] of each Sentinel")
    parser.add_argument("--acl", default="/run/secrets/redis_acl")
    parser.add_argument("--password-file", default="/run/secrets/redis_nodes")
    parser.add_argument("--base", default=BASE, help="the configuration that a single Redis has too")
    parser.add_argument("--folder", default="/data")
    parser.add_argument("--seconds", type=float, default=60, help="how long settled waits")
    options, options.more = parser.parse_known_args(arguments)
    if options.more and options.role != "server":
        parser.error(f"unknown: {' '.join(options.more)}")
    if not options.name and options.role != "settled":
        parser.error("--name is missing")
    try:
        nodes = nodes_of(options)
        if options.role == "settled":
            print(settled(nodes, options.seconds))
            return 0
        if options.role == "hand-over":
            print(hand_over(nodes, place(options.name, SERVER_PORT)))
            return 0
        command = {"server": server, "sentinel": sentinel}[options.role](options, nodes)
    except (Failure, redis.RedisError, OSError) as error:
        print(f"node: {error}", file=sys.stderr)
        return 1
    os.execvp(command[0], command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
