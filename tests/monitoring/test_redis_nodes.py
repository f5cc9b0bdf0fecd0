"""REDIS_NODES=3 with MONITORING=on: each of the three is measured, and one that is unavailable is an alert of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import stacks
from prometheus import WITHIN_SECONDS, Prometheus, monitored

NODES = {"redis", "redis-2", "redis-3"}


@pytest.fixture(scope="module")
def running() -> Iterator[stacks.Stack]:
    with monitored("measured-nodes", REDIS_NODES="3") as stack:
        yield stack


def nodes(prometheus: Prometheus, query: str) -> set[str]:
    return {each["metric"]["instance"] for each in prometheus.ask("query", query=query)["result"]}


def test_each_of_them_is_measured(prometheus):
    stacks.eventually(lambda: nodes(prometheus, "redis_up == 1") == NODES, 120, "all three are up")
    stacks.eventually(lambda: nodes(prometheus, "redis_memory_used_bytes") == NODES, 60, "their memory")
    masters = prometheus.ask("query", query='redis_instance_info{role="master"}')["result"]
    assert len(masters) == 1


def test_one_that_is_away_is_an_alert_of_its_own(prometheus, running):
    running.compose("stop", "redis-3")
    try:
        print(f"RedisNodeDown after {prometheus.fires('RedisNodeDown', WITHIN_SECONDS):.0f} s")
        assert "RedisDown" not in prometheus.firing()
    finally:
        running.compose("start", "redis-3")
    stacks.eventually(lambda: not prometheus.firing(), 240, "nothing fires any more")
