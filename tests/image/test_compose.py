"""The Compose files: every combination is valid, Swarm takes the base file, and each service is held to the same rules."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
from pathlib import Path

import pytest

from .conftest import docker, given

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "compose"
# What differs in the data stores; each alone goes with all others.
STORES = {
    "compose.sentinel.yml",
    "compose.outside-redis.yml",
    "compose.outside-db.yml",
    "compose.app-redis.yml",
    "compose.outside-app-redis.yml",
}
# Those of Swarm, and the registry, which is a stack of its own there, go with none of them: test_render.py is about them.
OVERLAYS = sorted(
    {path.name for path in COMPOSE.glob("compose.*.yml")}
    - {path.name for path in COMPOSE.glob("compose.swarm*.yml")}
    - STORES
    - {path.name for path in COMPOSE.glob("compose.monitoring.*.yml")}
    - {"compose.single.yml", "compose.registry.yml"}
)
SERVICES = {"edge", "http", "ws", "worker", "redis", "db"}
OWN = {"edge", "backup", "certificates"}
"""No official image can take their place: what asks them how they are stands in their Dockerfiles and nowhere else."""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """An env file as `make up` writes it, with every default and placeholder images."""
    return written(tmp_path_factory.mktemp("deployment"))


def written(folder: Path, **changed: str) -> Path:
    """The same with other settings, in FOLDER."""
    from channels_stack_deploy.config import settings
    from channels_stack_deploy.local.compose import write_environment
    from channels_stack_deploy.paths import Deployment

    deployment = Deployment(folder)
    for path in (deployment.settings, deployment.application):
        path.write_text("")
    names = {
        f"{name}_IMAGE": "image:tag" for name in ("HTTP", "WS", "WORKER", "EDGE", "REDIS", "DB", "BACKUP")
    }
    write_environment(deployment, settings.defaults() | changed, names)
    return deployment.generated


def config(environment: Path, *files: str, profiles: str = "") -> dict:
    """The definitions as Compose understands them."""
    options = [part for name in files for part in ("--file", str(COMPOSE / name))]
    command = [
        "docker",
        "compose",
        "--env-file",
        str(environment),
        *options,
        *(["--profile", profiles] if profiles else []),
    ]
    done = subprocess.run(
        [*command, "config", "--format", "json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


COMBINATIONS = [
    ("compose.yml", *single, *overlays)
    for single in ((), ("compose.single.yml",))
    for count in range(len(OVERLAYS) + 1 if single else 1)
    for overlays in itertools.combinations(OVERLAYS, count)
]
# Additions to one of them go with that one alone.
COMBINATIONS += [
    ("compose.yml", "compose.single.yml", "compose.monitoring.yml", path.name)
    for path in sorted(COMPOSE.glob("compose.monitoring.*.yml"))
]


@pytest.mark.parametrize(
    "files", COMBINATIONS, ids=lambda files: "+".join(name.removesuffix(".yml") for name in files)
)
def test_every_combination_is_valid(environment, files):
    assert config(environment, *files)["services"].keys() >= SERVICES


@pytest.mark.parametrize(
    ("store", "more", "fewer"),
    [
        ("compose.sentinel.yml", {f"{name}-{n}" for name in ("redis", "sentinel") for n in (2, 3)}, set()),
        ("compose.outside-redis.yml", set(), {"redis"}),
        ("compose.outside-db.yml", set(), {"db"}),
        ("compose.app-redis.yml", {"redis-app"}, set()),
    ],
)
def test_other_data_stores_go_with_every_overlay(environment, store, more, fewer):
    first = ("compose.yml", "compose.single.yml", store)
    plain = set(config(environment, *first)["services"])
    assert plain - {"sentinel"} == SERVICES - fewer | more
    # Backups belong to a database that runs here.
    others = [name for name in OVERLAYS if not (fewer and name == "compose.backup.yml")]
    assert set(config(environment, *first, *others)["services"]) >= plain


def test_the_three_redis_are_held_to_the_rules_of_one(environment):
    services = config(environment, "compose.yml", "compose.single.yml", "compose.sentinel.yml")["services"]
    for name in ("redis-2", "redis-3", "sentinel", "sentinel-2", "sentinel-3"):
        each = services[name]
        assert {secret["source"] for secret in each["secrets"]} == {"redis_acl", "redis_nodes"}
        for rule in ("user", "read_only", "cap_drop", "security_opt", "networks", "logging", "restart"):
            assert each[rule] == services["redis"][rule], (name, rule)
        assert [mount["source"] for mount in each["volumes"]] == [name]


CLIENTS = ("http", "ws", "worker", "release")
"""Services that run the application's code."""


def test_the_applications_redis_is_held_to_the_rules_of_the_layers(environment):
    services = config(
        environment, "compose.yml", "compose.single.yml", "compose.app-redis.yml", profiles="release"
    )["services"]
    own, other = services["redis-app"], services["redis"]
    rules = ("user", "read_only", "cap_drop", "security_opt", "networks", "logging", "restart", "healthcheck")
    for rule in (*rules, "tmpfs", "stop_grace_period", "image", "configs"):
        assert own[rule] == other[rule], rule
    assert [each["source"] for each in own["secrets"]] == ["app_redis_acl"]
    assert [each["source"] for each in own["volumes"]] == ["redis-app"]
    assert list(own["networks"]) == ["data"] and "ports" not in own
    for name in CLIENTS:
        assert "app_redis_url" in [each["source"] for each in services[name]["secrets"]], name
        assert services[name]["depends_on"]["redis-app"] == {
            "condition": "service_healthy",
            "required": False,
        }


def test_one_outside_is_read_and_not_started(environment):
    files = ("compose.single.yml", "compose.app-redis.yml", "compose.outside-app-redis.yml")
    services = config(environment, "compose.yml", *files, profiles="release")["services"]
    assert "redis-app" not in services
    for name in CLIENTS:
        assert services[name]["environment"]["APP_REDIS_URL_FILE"] == "/run/secrets/app_redis_url"


def test_swarm_takes_the_base_file(environment):
    variables = dict(line.split("=", 1) for line in environment.read_text().splitlines() if "=" in line)
    variables = {
        name: value.strip("'") for name, value in variables.items() if not name.startswith("COMPOSE_")
    }
    command = ["docker", "stack", "config", "--compose-file", str(COMPOSE / "compose.yml")]
    import os

    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **variables}, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Ignoring" not in done.stderr, done.stderr


def test_a_command_of_the_application_is_held_to_the_rules_of_the_worker(environment, tmp_path):
    """Its definition is made by the tool; nothing but what it runs may differ from compose.yml's."""
    from channels_stack_deploy.config import app_services

    settings = {"APP_COMMANDS": "celery: celery -A x worker", "APP_VOLUMES": "data", "APP_REDIS": ""}
    files = ["compose.yml", "compose.single.yml"]
    expected = dict(config(environment, *files)["services"]["worker"])
    made = tmp_path / "compose.app.json"
    made.write_text(app_services.text(settings))
    found = config(environment, *files, str(made))["services"]
    assert {"type": "volume", "source": "app-app-data", "target": "/srv/app/data", "volume": {}} in found[
        "http"
    ]["volumes"]
    celery, worker = found["celery"], found["worker"]
    own = ("command", "healthcheck")  # nothing can ask a foreign process how it is
    rolled = {"replicas", "update_config"}  # one of each: two schedulers would do everything twice
    assert expected.keys() == worker.keys() == celery.keys() | {"healthcheck"}
    for key in celery.keys() - {*own, "deploy"}:
        assert celery[key] == worker[key], key
    assert {key: value for key, value in celery["deploy"].items() if key not in rolled} == {
        key: value for key, value in worker["deploy"].items() if key not in rolled
    }
    made.write_text(app_services.text(settings, swarm=True))
    assert "depends_on" not in json.loads(made.read_text())["services"]["celery"]


@pytest.fixture(scope="module")
def services(environment):
    """All services, the one-shot job included."""
    return config(environment, "compose.yml", "compose.single.yml", profiles="release")["services"]


@pytest.mark.parametrize("name", sorted(SERVICES | {"release"}))
def test_every_service_is_hardened_and_bounded(services, name):
    service = services[name]
    limits = service["deploy"]["resources"]["limits"]
    assert service["read_only"] is True
    assert service["init"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"].split(":")[0] not in ("", "0")
    assert limits.keys() >= {"cpus", "memory", "pids"}
    assert "privileged" not in service


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_service_that_stays_has_a_health_check_a_log_limit_and_a_stop_time(services, name):
    service = services[name]
    if name not in OWN:
        assert service["healthcheck"]["test"][0] == "CMD", "exec form: a shell would hide a hanging probe"
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert service["stop_grace_period"]


def brought(variable: str) -> dict:
    """The configuration of the image that VARIABLE names, as `docker inspect` has it: durations in nanoseconds."""
    found = docker("image", "inspect", "--format", "{{json .Config}}", given(variable)).stdout
    return json.loads(found)


@pytest.mark.parametrize("name", sorted(OWN))
def test_an_image_of_ours_alone_brings_its_health_check(environment, name):
    found = config(environment, "compose.yml", "compose.single.yml", "compose.backup.yml", "compose.acme.yml")
    assert "healthcheck" not in found["services"][name]
    assert brought(f"{name.upper()}_IMAGE")["Healthcheck"]["Test"][0] == "CMD", (
        "exec form: a shell would hide a hanging probe"
    )


@pytest.mark.parametrize("name", ["redis", "db"])
def test_where_an_official_image_may_stand_compose_asks_what_ours_asks(services, name):
    image = brought(f"{name.upper()}_IMAGE")
    if (image["Labels"] or {}).get("org.opencontainers.image.title") != f"channels-stack {name}":
        pytest.skip("an official image brings no health check")
    ours, theirs = image["Healthcheck"], services[name]["healthcheck"]
    assert theirs["test"][: len(ours["Test"])] == ours["Test"]  # what follows are names of this stack
    assert theirs["retries"] == ours["Retries"]
    for key in ("Interval", "Timeout", "StartPeriod", "StartInterval"):
        text = theirs[re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).lower()]
        minutes, seconds = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", text).groups(default="0")
        assert 60 * int(minutes) + int(seconds) == ours[key] / 1e9, key


def test_the_engine_waits_longer_than_a_process_of_the_application_may_take(environment, tmp_path):
    """A stop_grace_period that stood still was a SIGKILL in the middle of every drain with a longer STOP_SECONDS."""
    graces = [
        {
            config(made, "compose.yml")["services"][name]["stop_grace_period"]
            for name in ("http", "ws", "worker")
        }
        for made in (environment, written(tmp_path, STOP_SECONDS="90"))
    ]
    assert graces == [{"30s"}, {"1m35s"}]


def test_only_the_edge_publishes_ports(services):
    assert {name for name, service in services.items() if service.get("ports")} == {"edge"}


@pytest.mark.parametrize(
    ("name", "networks"),
    [
        ("edge", {"public", "front"}),
        ("http", {"front", "data", "out"}),
        ("ws", {"front", "data", "out"}),
        ("worker", {"data", "out"}),
        ("release", {"data", "out"}),
        ("redis", {"data"}),
        ("db", {"data"}),
    ],
)
def test_networks_are_those_of_the_design(services, name, networks):
    assert services[name]["networks"].keys() == networks


def test_networks_without_a_way_out(environment):
    networks = config(environment, "compose.yml")["networks"]
    assert {name for name, each in networks.items() if each.get("internal")} == {"front", "data"}


@pytest.mark.parametrize("name", sorted(SERVICES | {"release"}))
def test_no_secret_stands_in_the_environment(services, name):
    told = services[name].get("environment") or {}
    secret = [
        key
        for key in told
        if any(word in key for word in ("PASSWORD", "SECRET", "URL")) and not key.endswith("_FILE")
    ]
    assert [key for key in secret if key != "EDGE_MAX_URI_BYTES"] == []


@pytest.mark.parametrize(
    "value", ["it's", "it's so", "'${LEAK}", "x'${LEAK}'", 'a "$LEAK" # b', "back\\slash $LEAK"]
)
def test_a_value_of_a_project_is_taken_literally(tmp_path, monkeypatch, value):
    """What `make adopt` copies to app.env: in the place of ${NAME} Compose would put what this machine's environment has."""
    from channels_stack_deploy.local.compose import quoted

    monkeypatch.setenv("LEAK", "of-this-machine")
    (tmp_path / "app.env").write_text(f"A={quoted(value)}\nB=1\n")
    (tmp_path / "one.yml").write_text("services: {a: {image: x, env_file: app.env}}\n")
    command = ["docker", "compose", "--file", str(tmp_path / "one.yml"), "config", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # `config` shows each $ twice, for who reads it as a definition.
    assert json.loads(done.stdout)["services"]["a"]["environment"] == {
        "A": value.replace("$", "$$"),
        "B": "1",
    }
