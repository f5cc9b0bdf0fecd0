"""Hosts of the project's own compose file, which this stack does not run."""

import pytest
from overlays import CORE, GROUPS, REQUIRED, changed, layer

from channels_stack.config import app_redis, compose_hosts
from channels_stack.config.settings import Settings
from channels_stack.project import elsewhere, parts

TEXT = """\
x-app: &app
  services:
    - none
services:
  web: {<<: *app, command: web}
  # mail:
  rabbitmq:
    image: rabbitmq:3
    container_name: shop-mq
    environment:
      POSTGRES: x
  "db-replica":
    image: postgres
  cache:
    hostname: cache.local
volumes:
  data:
"""
OTHER = "amqp://guest@broker.example:5672//"


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """A project that works in a folder below that of its compose file."""
    (tmp_path / "backend").mkdir()
    (tmp_path / "docker-compose.production.yml").write_text(TEXT)
    (tmp_path / "values.yml").write_text("services:\n  none:\n")
    monkeypatch.chdir(tmp_path / "backend")
    (tmp_path / "installed").mkdir()
    (tmp_path / "installed/celery.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path / "installed"))


def test_the_names_in_a_compose_file():
    assert compose_hosts.named(TEXT) == {"web", "rabbitmq", "shop-mq", "db-replica", "cache", "cache.local"}
    assert [host for host in ("cache", "none", "db", "", "data") if compose_hosts.is_one(host)] == ["cache"]


@pytest.mark.parametrize("broker", ["amqp://guest:guest@rabbitmq:5672//", "redis://cache:6379/1"])
def test_a_broker_is_the_stacks_redis(broker):
    assert changed({"CELERY_BROKER_URL": broker})["CELERY_BROKER_URL"] == REQUIRED["REDIS_URL"]
    assert "CELERY_BROKER_URL" not in changed({"CELERY_BROKER_URL": OTHER})


def test_results_are_in_the_applications_redis():
    own = "redis://:x@redis-app:6379/0"
    found = changed(
        {"CELERY_BROKER_URL": OTHER, "CELERY_RESULT_BACKEND": "redis://cache/1"}, APP_REDIS_URL=own
    )
    assert found["CELERY_RESULT_BACKEND"] == own


def test_a_layer_moves_to_the_stacks_redis():
    found = changed({"CHANNEL_LAYERS": {"default": layer(("cache", 6379))}})["CHANNEL_LAYERS"]["default"]
    assert found["BACKEND"] == CORE and found["CONFIG"]["hosts"][0]["address"] == REQUIRED["REDIS_URL"]
    rabbit = {"BACKEND": "channels_rabbitmq.core.RabbitmqChannelLayer", "CONFIG": {"host": "amqp://rabbitmq"}}
    assert changed({"CHANNEL_LAYERS": {"default": rabbit}})["CHANNEL_LAYERS"]["default"]["BACKEND"] == GROUPS


def test_a_replica_moves_with_its_master_and_another_database_is_reported():
    own = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "shop",
        "USER": "u",
        "HOST": "postgres",
        "PORT": 5432,
    }
    replica = {**own, "HOST": "db-replica", "PORT": "", "TEST": {"MIRROR": "default"}}
    given = {"default": own, "replica": replica, "old": {**own, "HOST": "cache", "NAME": "old"}}
    found = changed({"DATABASES": given})["DATABASES"]
    assert (found["replica"]["HOST"], found["replica"]["NAME"]) == ("db", "app")
    assert found["replica"]["TEST"] == {"MIRROR": "default"}
    assert found["old"] == given["old"]
    (line,) = [line for line in parts.risks({"DATABASES": found}) if line.startswith("DATABASES")]
    assert line.startswith("DATABASES['old']: cache is a service of the project's own compose file")


def test_caches_and_clients_move_to_the_applications_redis(monkeypatch):
    url = "redis://:x@redis-app:6379/0"
    monkeypatch.setenv("APP_REDIS_URL", url)
    monkeypatch.setenv("REDIS_URL", REQUIRED["REDIS_URL"])
    assert (
        app_redis.is_lost("cache")
        and not app_redis.is_lost("redis-app")
        and not app_redis.is_lost("cache.example")
    )
    cache = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://cache:6379/2"}
    settings = Settings.from_environment({**REQUIRED, "APP_REDIS_URL": url})
    (found,) = [
        each
        for each in parts.find({"CACHES": {"default": cache}}, settings, ("redis",))
        if each.name == "CACHES"
    ]
    assert found.value["default"]["LOCATION"] == "redis://:x@redis-app:6379/2"
    assert "at cache of its own compose file" in found.why


def test_another_server_is_reported():
    project = {
        "STORAGES": {"default": {"OPTIONS": {"endpoint_url": "http://rabbitmq:9000"}}},
        "TRACES": "http://collector.example:4318",
        "SITE": "http://unknown/",
    }
    (line,) = elsewhere.risks(project)
    assert line == (
        "STORAGES['default']['OPTIONS']['endpoint_url']: rabbitmq is a service of the project's own compose file, "
        "which this stack does not run; give it the address of one of yours, by a variable in app.env"
    )
