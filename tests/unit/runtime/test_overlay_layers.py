"""The overlay's part `layers`."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils.module_loading import import_string
from overlays import CORE, GROUPS, KEY, MEMORY, REQUIRED, changed, layer

from channels_stack.config.settings import Settings
from channels_stack.layers.config import channel_layers
from channels_stack.project import parts


@pytest.mark.parametrize(
    "lost",
    [
        MEMORY,
        {"BACKEND": CORE},
        layer(("127.0.0.1", 6379)),
        layer("redis://localhost:6379/1"),
        layer({"address": "redis://127.0.0.1"}),
        layer({"host": "localhost", "port": 6379}),
        layer(("redis", 6379)),  # the stack's own, but without its password
        layer("redis://redis:6379/0"),
        layer({"sentinels": [("localhost", 26379)], "master_name": "m"}),
        layer("unix:///run/redis.sock"),
    ],
)
def test_a_layer_that_no_other_process_can_reach_is_moved_and_keeps_its_class(lost):
    found = changed({"CHANNEL_LAYERS": {"default": lost}})["CHANNEL_LAYERS"]
    expected = channel_layers_of_the_stack(found)
    if lost is not MEMORY:
        expected["default"]["BACKEND"] = CORE
        del expected["default"]["CONFIG"]["bridge"]  # of the groups layer
    assert found == expected


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (MEMORY, f"{GROUPS} instead of channels.layers.InMemoryChannelLayer"),
        (layer("redis://localhost"), f"{CORE} stays ({GROUPS} loses no event"),
        (layer("redis://localhost", "game.layers.OwnRedisLayer"), "game.layers.OwnRedisLayer stays"),
    ],
)
def test_every_change_of_a_class_is_reported_and_every_one_that_stays(own, words):
    settings = Settings.from_environment(REQUIRED)
    (override,) = parts.find({"CHANNEL_LAYERS": {"default": own}}, settings, ["layers"])
    assert words in str(override)


def test_a_layer_that_moves_keeps_what_the_project_says_of_it():
    own = {"BACKEND": CORE, "CONFIG": {"hosts": [("localhost", 6379)], "capacity": 7, "prefix": "chess"}}
    config = changed({"CHANNEL_LAYERS": {"default": own}})["CHANNEL_LAYERS"]["default"]["CONFIG"]
    assert (config["capacity"], config["prefix"]) == (7, "chess")
    assert config["hosts"][0]["address"] == REQUIRED["REDIS_URL"] and config["hosts"][0]["socket_timeout"]


def channel_layers_of_the_stack(found: dict[str, Any]) -> dict[str, Any]:
    """What channel_layers() gives, with the objects in FOUND that are new each time."""
    ours = channel_layers(REQUIRED["REDIS_URL"], "channels-stack")
    for alias, each in ours.items():
        each["CONFIG"]["hosts"][0]["retry"] = found[alias]["CONFIG"]["hosts"][0]["retry"]
    return ours


@pytest.mark.parametrize(
    "kept",
    [
        layer({"address": "redis://cache.example:6379", "socket_timeout": 3600}),
        layer({"address": REQUIRED["REDIS_URL"], "socket_timeout": 15}),
        {"BACKEND": "channels_postgres.core.PostgresChannelLayer"},
    ],
)
def test_a_layer_of_the_projects_own_stays(kept):
    assert "CHANNEL_LAYERS" not in changed({"CHANNEL_LAYERS": {"default": kept}})


@pytest.mark.parametrize(
    ("host", "wanted"),
    [
        ("redis://cache.example:6379", {"address": "redis://cache.example:6379", "socket_timeout": 15}),
        (("cache.example", 6379), {"host": "cache.example", "port": 6379, "socket_timeout": 15}),
        (
            {"address": "redis://cache.example", "max_connections": 9},
            {"address": "redis://cache.example", "max_connections": 9, "socket_timeout": 15},
        ),
    ],
)
def test_a_core_layer_that_stays_gets_the_time_limit_that_keeps_silent_sockets(host, wanted):
    """tests/unit/runtime/test_stock.py shows what happens to it otherwise."""
    own = {**layer(host), "CONFIG": {"hosts": [host], "capacity": 7}}
    found = changed({"CHANNEL_LAYERS": {"default": own}})["CHANNEL_LAYERS"]["default"]
    assert found == {"BACKEND": CORE, "CONFIG": {"hosts": [wanted], "capacity": 7}}


def test_a_layer_on_the_stacks_redis_gets_its_whole_connection():
    found = changed({"CHANNEL_LAYERS": {"default": layer(REQUIRED["REDIS_URL"])}})["CHANNEL_LAYERS"][
        "default"
    ]
    (host,) = found["CONFIG"]["hosts"]
    assert found["BACKEND"] == CORE
    assert host["address"] == REQUIRED["REDIS_URL"] and host.keys() >= {"socket_timeout", "retry"}


def test_a_project_that_knows_one_layer_sends_its_jobs_to_the_worker():
    found = changed({"CHANNEL_LAYERS": {"default": MEMORY}}, APP_WORKER_CHANNELS="jobs mail")[
        "CHANNEL_LAYERS"
    ]
    assert found["default"]["BACKEND"] == "channels_stack.groups.single.SingleGroupsLayer"
    assert found["default"]["CONFIG"]["jobs"] == ["jobs", "mail"]
    queueing = changed(
        {"CHANNEL_LAYERS": {"default": layer("redis://localhost")}}, APP_WORKER_CHANNELS="jobs"
    )
    assert (
        queueing["CHANNEL_LAYERS"]["default"]["BACKEND"] == "channels_stack.single_layer.SingleQueueingLayer"
    )
    groups = {"CHANNEL_LAYERS": {"default": layer("redis://localhost", GROUPS)}}
    single = changed(groups, APP_WORKER_CHANNELS="jobs")["CHANNEL_LAYERS"]["default"]
    assert single["BACKEND"] == "channels_stack.groups.single.SingleGroupsLayer"
    assert import_string(single["BACKEND"])(**single["CONFIG"]).job_channels == {"jobs"}
    own = {"CHANNEL_LAYERS": {"default": layer("redis://localhost", "game.OwnRedisLayer")}}
    assert "tasks" not in changed(own, APP_WORKER_CHANNELS="jobs")["CHANNEL_LAYERS"]
    two = {"CHANNEL_LAYERS": {"default": MEMORY, "tasks": MEMORY}}
    assert changed(two, APP_WORKER_CHANNELS="jobs")["CHANNEL_LAYERS"]["default"]["BACKEND"] == GROUPS


IN_POSTGRESQL = {
    "BACKEND": "channels_postgres.core.PostgresChannelLayer",
    "CONFIG": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "chat",
        "USER": "me",
        "PASSWORD": "mine",
        "HOST": "localhost",
        "PORT": "5432",
        "expiry": 30,
    },
}


RABBIT = "channels_rabbitmq.core.RabbitmqChannelLayer"


@pytest.mark.parametrize(
    "own",
    [
        IN_POSTGRESQL,
        {**IN_POSTGRESQL, "CONFIG": {**IN_POSTGRESQL["CONFIG"], "HOST": ""}},
        {"BACKEND": RABBIT, "CONFIG": {"host": "amqp://guest:guest@127.0.0.1/asgi"}},
        {"BACKEND": "nats_layer.Layer", "CONFIG": {"servers": ["nats://localhost:4222"]}},
        {"BACKEND": "own.Layer", "CONFIG": {"host": "localhost", "port": 7000}},
        {"BACKEND": "own.Layer", "CONFIG": {"host": ("localhost", 5672)}},
        {"BACKEND": "own.Layer", "CONFIG": {"hosts": ["mq.example:5672", "localhost:5672"]}},
        {"BACKEND": "own.Layer", "CONFIG": {"hosts": [("mq.example", 5672), ["[::1]", 5672]]}},
        {"BACKEND": "own.Layer", "CONFIG": {"broker": {"servers": [{"host": "::1"}]}}},
    ],
)
def test_a_layer_that_is_not_on_redis_and_looks_for_its_server_here_becomes_ours(own):
    settings = Settings.from_environment(REQUIRED)
    (override,) = parts.find({"CHANNEL_LAYERS": {"default": own}}, settings, ["layers"])
    assert override.value["default"]["BACKEND"] == GROUPS
    assert f"{GROUPS} instead of {own['BACKEND']}" in str(override)
    assert "guest" not in str(override) and "mine" not in str(override)


ENDLESS: dict[str, Any] = {"host": "mq.example"}
ENDLESS["self"] = [ENDLESS]


@pytest.mark.parametrize(
    "config",
    [
        {"host": "mq.example", "fallback": "http://localhost/x"},
        {"host": "mq.example", "label": ("localhost", 7)},
        {"host": "amqp://[::1", "label": "localhost"},
        ENDLESS,
    ],
)
def test_a_layer_that_names_this_container_for_something_else_stays(config):
    own = {"BACKEND": "own.Layer", "CONFIG": config}
    assert "CHANNEL_LAYERS" not in changed({"CHANNEL_LAYERS": {"default": own}})


def test_an_address_that_cannot_be_read_is_for_the_layer_to_refuse():
    own = layer("redis://u:hunter2@[::1", "game.OwnRedisLayer")
    assert "CHANNEL_LAYERS" not in changed({"CHANNEL_LAYERS": {"default": own}})


@pytest.mark.parametrize("host", ["postgres", "db"])
def test_a_layer_in_the_projects_own_database_becomes_ours(host):
    """channels_postgres 1.1 starts a listener for each first socket, and each delivers what all do."""
    config = {**IN_POSTGRESQL["CONFIG"], "HOST": host}
    default = {name: config[name] for name in ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT")}
    project = {
        "CHANNEL_LAYERS": {"default": {**IN_POSTGRESQL, "CONFIG": config}},
        "DATABASES": {"default": default},
    }
    assert changed(project)["CHANNEL_LAYERS"]["default"]["BACKEND"] == GROUPS


def test_a_layer_in_another_database_stays():
    config = {**IN_POSTGRESQL["CONFIG"], "HOST": "events.example", "NAME": "events"}
    default = {"ENGINE": config["ENGINE"], "HOST": "localhost", "NAME": "chat"}
    project = {
        "CHANNEL_LAYERS": {"default": {**IN_POSTGRESQL, "CONFIG": config}},
        "DATABASES": {"default": default},
    }
    assert "CHANNEL_LAYERS" not in changed(project)


def test_a_groups_layer_is_kept_and_moved_with_what_the_project_says_of_it():
    own = {"BACKEND": GROUPS, "CONFIG": {"hosts": ["redis://localhost"], "history": {"size": 7}}}
    found = changed({"CHANNEL_LAYERS": {"default": own}})["CHANNEL_LAYERS"]["default"]
    assert found["BACKEND"] == GROUPS
    assert found["CONFIG"]["hosts"][0]["address"] == REQUIRED["REDIS_URL"]
    made = import_string(GROUPS)(**found["CONFIG"])
    assert made.history.policy.of("any").size == 7
    ours = {"BACKEND": GROUPS, "CONFIG": {"hosts": [REQUIRED["REDIS_URL"]]}}
    assert "CHANNEL_LAYERS" not in changed({"CHANNEL_LAYERS": {"default": ours}})


def test_several_lost_layers_share_nothing():
    found = changed({"CHANNEL_LAYERS": {"default": MEMORY, "games": MEMORY}})["CHANNEL_LAYERS"]
    assert found["default"]["CONFIG"]["prefix"] != found["games"]["CONFIG"]["prefix"]


def test_an_encrypted_layer_stays_encrypted():
    own = {"default": {"BACKEND": CORE, "CONFIG": {"symmetric_encryption_keys": ["old"]}}}
    found = changed({"SECRET_KEY": "old", "CHANNEL_LAYERS": own})["CHANNEL_LAYERS"]
    assert found["default"]["CONFIG"]["symmetric_encryption_keys"] == [KEY]


SENTINELS = "redis+sentinel://app:hunter2@sentinel,sentinel-2/redis/0"
"""What REDIS_URL is where three servers with Sentinel take the place of one."""


@pytest.mark.parametrize(
    "hosts",
    [
        [SENTINELS],  # as a project writes it that reads REDIS_URL itself; redis-py cannot read it
        [{"address": SENTINELS}],
        ["redis://app:hunter2@redis:6379/0"],  # the first of the servers, which is not always the master
        [("127.0.0.1", 6379)],
    ],
)
def test_layers_that_would_miss_the_master_are_taken_to_the_sentinels(hosts):
    own = {"default": {"BACKEND": CORE, "CONFIG": {"hosts": hosts}}}
    found = changed({"CHANNEL_LAYERS": own}, REDIS_URL=SENTINELS)["CHANNEL_LAYERS"]
    assert found["default"]["CONFIG"]["hosts"][0]["sentinels"].url == SENTINELS


def test_layers_that_know_the_sentinels_stay():
    own = channel_layers(SENTINELS, "own")
    assert "CHANNEL_LAYERS" not in changed({"CHANNEL_LAYERS": own}, REDIS_URL=SENTINELS)
    host = {"sentinels": [("elsewhere", 26379)], "socket_timeout": 30}
    own = {"default": {"BACKEND": CORE, "CONFIG": {"hosts": [host]}}}
    assert "CHANNEL_LAYERS" not in changed({"CHANNEL_LAYERS": own}, REDIS_URL=SENTINELS)
