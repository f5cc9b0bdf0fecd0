"""Three Redis as one: whether all is in order, and the master's part given to another one without a lost write.

Sentinel's own `SENTINEL FAILOVER` leaves the old master as it is for 8 s, and what that one still accepts is lost. So its
writes are held back first (CLIENT PAUSE), until the followers have everything and another one is the master; then it is
ordered to follow, and its clients are disconnected: they ask the Sentinels, and repeat what they waited for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

Place = tuple[str, int]
"""Host and port."""

SECONDS = 1.0
"""For a connection and for each answer: a node that is there answers within milliseconds."""

MASTER = "redis"
"""Sentinel, client and these files call the master by this name."""

PAUSE_SECONDS = 10
"""How long writes are held back at most. It ends by itself when whoever holds them back is killed."""

LOOK_SECONDS = 0.1


class Failure(Exception):
    """What is wrong, and where."""


@dataclass(frozen=True)
class Nodes:
    """The places of all SERVERS and SENTINELS, and what their user `node` logs in with."""

    servers: list[Place]
    sentinels: list[Place]
    passwords: list[str]

    def at(self, place: Place, seconds: float = SECONDS) -> redis.Redis:
        """A client of the Redis or Sentinel at PLACE. Raises redis.RedisError where none answers or lets us in."""
        *others, last = self.passwords
        for password in others:
            try:
                return login(place, password, seconds)
            except redis.AuthenticationError:
                pass
        return login(place, last, seconds)


def login(place: Place, password: str, seconds: float) -> redis.Redis:
    """A client that has logged in. Nothing is tried twice: the callers do that, with a deadline."""
    client = redis.Redis(
        *place,
        username="node",
        password=password,
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )
    try:
        client.ping()
    except redis.RedisError:
        client.close()
        raise
    return client


def known(sentinel: redis.Redis) -> dict[str, Any]:
    """What a Sentinel knows of the master."""
    return sentinel.sentinel_master(MASTER)


def address(state: dict[str, Any]) -> Place:
    return state["ip"], state["port"]


def replication(server: redis.Redis) -> dict[str, Any]:
    """What a server reports of its role and of whom it follows."""
    return server.info("replication")


def wrong(nodes: Nodes) -> tuple[Place | None, list[str]]:
    """The master that the Sentinels name, and everything that is not in order, a line each."""
    named: dict[Place, Place] = {}
    problems = []
    for place in nodes.sentinels:
        try:
            with nodes.at(place) as sentinel:
                state = known(sentinel)
                named[place] = address(state)
                problems += [f"{name(place)}: {text}" for text in seen(nodes, sentinel, state)]
        except redis.RedisError as error:
            problems.append(f"{name(place)}: {error}")
    masters = set(named.values())
    if len(masters) != 1:
        masters_named = ", ".join(f"{name(place)} says {name(master)}" for place, master in named.items())
        return None, [
            *problems,
            f"the Sentinels do not agree on the master: {masters_named or 'none answers'}",
        ]
    master = masters.pop()
    return master, problems + following(nodes, master)


def seen(nodes: Nodes, sentinel: redis.Redis, state: dict[str, Any]) -> list[str]:
    """What is not in order in the eyes of one Sentinel, whose STATE of the master this is."""
    problems = []
    # Not sentinel_ckquorum(), which takes any answer but a bare OK for a no.
    quorum = sentinel.execute_command("SENTINEL", "CKQUORUM", MASTER)
    if not quorum.startswith(f"OK {len(nodes.sentinels)} usable"):
        problems.append(quorum)
    if state["flags"] != "master":
        problems.append(f"the master is {state['flags']}")
    replicas = {address(each): each for each in sentinel.sentinel_slaves(MASTER)}
    for place in (each for each in nodes.servers if each != address(state)):
        each = replicas.get(place, {"flags": "unknown", "master-link-status": "err"})
        if (each["flags"], each["master-link-status"]) != ("slave", "ok"):
            problems.append(f"{name(place)} is {each['flags']}, its link {each['master-link-status']}")
    return problems


def following(nodes: Nodes, master: Place) -> list[str]:
    """What is not in order with the servers themselves, each of which follows MASTER and has all that it had."""
    problems = []
    offset = 0
    for place in [master, *(each for each in nodes.servers if each != master)]:
        try:
            with nodes.at(place) as server:
                state = replication(server)
        except redis.RedisError as error:
            problems.append(f"{name(place)}: {error}")
            continue
        if place == master:
            offset = state["master_repl_offset"]
            if state["role"] != "master":
                problems.append(f"{name(place)}: it is no master, but {state['role']}")
        elif state["role"] != "slave" or (state["master_host"], state["master_port"]) != master:
            problems.append(f"{name(place)}: it does not follow {name(master)}")
        elif state["master_link_status"] != "up" or state["slave_repl_offset"] < offset:
            problems.append(f"{name(place)}: it follows, and has not everything yet")
    return problems


def settled(nodes: Nodes, seconds: float) -> str:
    """Wait until all is in order; the master's name. Raises Failure, after SECONDS, with what is not."""
    deadline = time.monotonic() + seconds
    while True:
        master, problems = wrong(nodes)
        if master and not problems:
            return name(master)
        if time.monotonic() > deadline:
            raise Failure(f"not in order after {seconds:.0f} s:\n" + "\n".join(problems))
        time.sleep(LOOK_SECONDS)


def hand_over(nodes: Nodes, old: Place) -> str:
    """Let another one be the master where OLD is it; what was done. Raises Failure, with OLD the master as before."""
    master, problems = wrong(nodes)
    if master and master != old:
        return f"{name(master)} is the master"
    if problems:
        raise Failure("nothing was changed, because not all is in order:\n" + "\n".join(problems))
    begun = time.monotonic()
    followers = [place for place in nodes.servers if place != old]
    # Its file is written and flushed when it starts to follow: that may take longer than an answer.
    with nodes.at(old, PAUSE_SECONDS) as server:
        server.client_pause(PAUSE_SECONDS * 1000, all=False)
        try:
            offset = replication(server)["master_repl_offset"]
            wait(lambda: all(has(nodes, each, offset) for each in followers), begun, "the followers have all")
            wait(lambda: started(nodes), begun, "a Sentinel begins")
            new = wait(lambda: promoted(nodes, old), begun, "another one is the master")
            # As Sentinel does it some seconds later.
            with server.pipeline() as orders:
                orders.replicaof(*new)
                orders.config_rewrite()
                orders.client_kill_filter(_type="normal")
                orders.client_kill_filter(_type="pubsub")
                orders.execute()
        finally:
            server.client_unpause()
    return f"{name(new)} is the master, writes were held back for {time.monotonic() - begun:.1f} s"


def has(nodes: Nodes, place: Place, offset: int) -> bool:
    """Whether the follower at PLACE has what its master had written at OFFSET."""
    with nodes.at(place) as server:
        return replication(server)["slave_repl_offset"] >= offset


def started(nodes: Nodes) -> bool:
    """Let the first Sentinel choose another master; False where it cannot yet."""
    with nodes.at(nodes.sentinels[0]) as sentinel:
        try:
            sentinel.execute_command("SENTINEL", "FAILOVER", MASTER)
        except redis.ResponseError:  # one is going on, or it has not heard of the followers for a moment
            return False
    return True


def promoted(nodes: Nodes, old: Place) -> Place | None:
    """The new master, once that Sentinel names it."""
    with nodes.at(nodes.sentinels[0]) as sentinel:
        new = address(known(sentinel))
    return new if new != old else None


def wait(condition: Callable[[], Any], begun: float, what: str) -> Any:
    """What CONDITION finds, as long as writes are held back. Raises Failure."""
    while not (found := condition()):
        if time.monotonic() - begun > PAUSE_SECONDS - 1:
            raise Failure(f"not within {PAUSE_SECONDS - 1} s: {what}")
        time.sleep(LOOK_SECONDS / 2)
    return found


def name(place: Place) -> str:
    """How people call a node: its host, and the port where the host has several."""
    host, port = place
    return host if port in (6379, 26379) else f"{host}:{port}"
