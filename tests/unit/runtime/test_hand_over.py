"""The master's part given to another Redis on purpose (images/redis/order.py), while clients write."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest
import redis as redis_py
from processes import until
from redis_set import IMAGE, RedisSet

from channels_stack.stores import sentinels

WRITERS = 4


@pytest.fixture(scope="module")
def redis():
    with RedisSet() as servers:
        yield servers


def node(redis: RedisSet, *words: str) -> subprocess.CompletedProcess[str]:
    """`redis-node WORDS` beside the servers."""
    command = [sys.executable, str(IMAGE / "node.py"), *words, *redis.options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


class Writers:
    """Clients that write numbers into a list each, and know which of them Redis has accepted."""

    def __init__(self, url: str) -> None:
        self.url, self.ending = url, threading.Event()
        self.accepted: list[list[int]] = [[] for _ in range(WRITERS)]
        self.longest = 0.0
        self.threads = [threading.Thread(target=self.write, args=[number]) for number in range(WRITERS)]

    def __enter__(self) -> Writers:
        for thread in self.threads:
            thread.start()
        until(lambda: all(len(each) > 50 for each in self.accepted), what="all write")
        return self

    def __exit__(self, *_: object) -> None:
        self.more()
        self.ending.set()
        for thread in self.threads:
            thread.join()

    def more(self) -> None:
        """Wait until each has written more."""
        before = [len(each) for each in self.accepted]
        until(
            lambda: all(len(now) > then + 50 for now, then in zip(self.accepted, before, strict=True)),
            what="all write on",
        )

    def write(self, number: int) -> None:
        client = sentinels.client(self.url)
        value, last = 0, time.monotonic()
        while not self.ending.is_set():
            value += 1
            try:
                client.rpush(f"written-{number}", value)
            except redis_py.RedisError:
                continue  # not accepted, as far as this client knows
            self.accepted[number].append(value)
            self.longest = max(self.longest, time.monotonic() - last)
            last = time.monotonic()

    def lost(self) -> list[int]:
        """What was accepted and is not there."""
        client = sentinels.client(self.url)
        kept = [
            {int(each) for each in client.lrange(f"written-{number}", 0, -1)} for number in range(WRITERS)
        ]
        return [value for there, said in zip(kept, self.accepted, strict=True) for value in set(said) - there]


def test_nothing_that_was_accepted_is_lost(redis):
    """Sentinel's own failover alone loses what the old master accepts until it is told to follow."""
    old = redis.master()
    with Writers(redis.url) as writers:
        done = node(redis, "hand-over", "--name", old)
        assert done.returncode == 0, done.stderr + redis.logs()
        writers.more()
    print(f"figure: {done.stdout.strip()}; longest time without a write: {writers.longest:.1f} s")
    settled = node(redis, "settled")
    assert settled.returncode == 0, settled.stderr
    assert settled.stdout.strip() != old and settled.stdout.strip() == redis.master()
    assert writers.lost() == []
    assert writers.longest < 30


def test_one_that_is_not_the_master_has_nothing_to_hand_over(redis):
    master = redis.master()
    other = next(each for each in redis.servers if each != master)
    done = node(redis, "hand-over", "--name", other)
    assert (done.returncode, done.stdout.strip()) == (0, f"{master} is the master")
    assert redis.master() == master


def test_with_a_follower_away_it_is_refused_and_says_why(redis):
    master = redis.master()
    away = next(each for each in redis.servers if each != master)
    redis.signal(away, signal.SIGKILL)
    done = node(redis, "hand-over", "--name", master)
    assert done.returncode == 1 and "nothing was changed" in done.stderr and away in done.stderr
    done = node(redis, "settled", "--seconds", "1")
    assert done.returncode == 1 and f"{away}: " in done.stderr, done.stderr
    assert redis.master() == master
    redis.begin(away)
    assert node(redis, "settled").stdout.strip() == master
