"""The table of services is what the Compose files define."""

import re

import pytest

from channels_stack_deploy.config import services, settings, stores
from channels_stack_deploy.config.services import Kind

TOP = re.compile(r"^services:\n(?P<body>(?:(?:[ #].*)?\n)*)", re.M)
MADE = {"trial-http", "trial-ws", "first-http", "first-ws", "first-worker"}
"""Written by swarm/render.py, first ones by local/first.py as well."""

APART = {"compose.registry.yml"}
"""A stack of its own in the swarm."""


@pytest.fixture
def defined(root):
    """Name of a Compose file -> name of each of its services -> its text."""
    found = {}
    for path in sorted((root / "compose").glob("compose*.yml")):
        if path.name not in APART:
            body = TOP.search(path.read_text())["body"]
            parts = re.split(r"^  ([a-z0-9-]+):", body, flags=re.M)[1:]
            found[path.name] = dict(zip(parts[::2], parts[1::2], strict=True))
    return found


def test_every_service_of_the_compose_files_has_a_row(defined):
    names = {name for file in defined.values() for name in file}
    assert len(defined) > 10
    assert names | MADE == set(services.NAMES)


def test_jobs_of_servers_are_those_of_compose_swarm_yml(defined):
    on_servers = {service.name for service in services.SERVICES if not service.one_machine}
    added = defined["compose.swarm.yml"].keys() - defined["compose.yml"].keys() - {"release", "traffic"}
    assert added | MADE == on_servers
    assert {"release", "traffic", *added} == set(services.of(Kind.JOB))


def test_every_image_is_the_one_of_its_definition(defined):
    images = {}
    for file in defined.values():
        for name, text in file.items():
            if match := re.search(r"^    image: \$\{(\w+)", text, re.M):
                images[name] = match[1]
    assert images.keys() >= {"edge", "http", "ws", "worker", "release", "db", "redis", "backup"}
    rows = {service.name: service.image for service in services.SERVICES}
    assert {name: rows[name] for name in images} == images


def test_every_data_store_is_of_that_kind():
    chosen = settings.defaults()
    every = {
        name
        for nodes in ("1", "3")
        for name in stores.services(chosen | {"REDIS_NODES": nodes, "APP_REDIS": "both"})
    }
    assert every == set(services.of(Kind.DATA))


def test_volumes_of_the_application_are_where_its_code_runs():
    assert services.with_volumes(swarm=False) == ("http", "ws", "worker", "release")
    assert services.with_volumes(swarm=True) == ("http", "ws", "worker", "release", "static", "migrations")


def test_a_service_of_app_commands_is_the_applications():
    assert services.kind("celery") is Kind.APPLICATION
