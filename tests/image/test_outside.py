"""Data stores of somebody else's (REDIS_NODES=0, DB_NODES=0, APP_REDIS=outside): TLS under names that their certificates hold."""

from __future__ import annotations

from collections.abc import Iterator

import prometheus
import pytest
import stacks
from outside import Outside, authority

from channels_stack_deploy.config import services as table

from .conftest import RUN, docker


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory, redis_image: str, db_image: str) -> Iterator[Outside]:
    folder = tmp_path_factory.mktemp("outside")
    with Outside(f"{RUN}-outside", folder, "bridge", redis_image, db_image) as made:
        yield made
        print(docker("logs", "--tail", "20", f"{made.name}-db", check=False).stderr)


@pytest.fixture(scope="module")
def running(outside: Outside) -> Iterator[stacks.Stack]:
    """A whole stack on them: released, and healthy."""
    few = {"HTTP_REPLICAS": "1", "WS_REPLICAS": "1", "HTTP_PROCESSES": "1"}
    none = {"REDIS_NODES": "0", "DB_NODES": "0", "APP_REDIS": "outside"}
    secrets = outside.secrets(outside.ca)
    secrets["app_redis_url"] = secrets["redis_url"].replace("/0?", "/1?")
    measured = {"MONITORING": "on", "MONITORING_PORT": str(stacks.free_port())}
    with stacks.own("outside", secrets, **none, **few, **measured) as made:
        yield made


def test_no_data_store_of_the_stack_is_started(running):
    services = {name.removeprefix(f"{running.project}-").rpartition("-")[0] for name in running.containers()}
    measuring = {each.name for each in table.SERVICES if each.image == "MONITORING_IMAGE"}
    assert services == {"edge", "http", "ws", "worker", *measuring}


@pytest.mark.parametrize("metric", ["pg_up", "redis_up"])
def test_they_are_measured(running, metric):
    """Through a network of the exporters' own, with the authority that the addresses name."""
    found = prometheus.of_stack(running)

    def values() -> list[str]:
        return [each["value"][1] for each in found.ask("query", query=metric)["result"]]

    stacks.eventually(lambda: values() == ["1"], 120, f"{metric} is 1")


def test_the_tables_were_made_and_every_connection_is_encrypted(outside, running):
    assert int(outside.sql("SELECT count(*) FROM django_migrations")) > 0
    of_containers = "FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE client_addr IS NOT NULL"
    assert outside.sql(f"SELECT count(*) {of_containers} AND NOT ssl") == "0"


def test_every_process_is_ready_and_reports_itself_through_that_redis(running):
    table = running.compose("exec", "-T", "ws", "channels-stack", "status")
    assert {line.split()[0] for line in table.splitlines()[1:]} == {"http", "ws", "worker"}


def test_the_application_finds_its_redis_by_the_variable_that_projects_read(running):
    """The address brings TLS, the authority and the number of the database along."""
    code = (
        "import os, redis\n"
        "client = redis.Redis.from_url(os.environ['REDIS_URL'])\n"
        "client.set('seen', 'yes')\n"
        "print(client.get('seen').decode(), client.client_info()['db'])\n"
    )
    assert running.compose("exec", "-T", "http", "python", "-c", code).strip() == "yes 1"


def test_a_certificate_of_another_authority_is_refused(outside, running):
    """Nobody in between can be the database or the Redis."""
    stranger = authority(outside.folder, "strangers")
    code = (
        "import os, redis, psycopg\n"
        "from channels_stack.sentinels import client\n"
        "read = lambda name: open(os.environ[name]).read().strip().replace('/run/secrets/data_ca', '/ca.pem')\n"
        "for ask in (lambda: client(read('REDIS_URL_FILE')).ping(), lambda: psycopg.connect(read('DATABASE_URL_FILE'))):\n"
        "    try:\n"
        "        ask()\n"
        "    except (redis.RedisError, psycopg.Error) as error:\n"
        "        print('refused:', str(error).replace(chr(10), ' '))\n"
        "    else:\n"
        "        print('let in')\n"
    )
    said = running.compose(
        *("run", "--rm", "--no-deps", "--volume", f"{stranger}:/ca.pem:ro", "-T", "ws", "python", "-c", code)
    ).splitlines()
    assert len(said) == 2, said
    assert all("certificate verify failed" in line for line in said), said


def test_a_release_says_so_at_once(outside, running, tmp_path):
    """No wait makes that certificate another one."""
    url = tmp_path / "url"
    url.write_text(outside.secrets(outside.ca)["database_url"].replace("/run/secrets/data_ca", "/ca.pem"))
    stranger = authority(outside.folder, "others")
    given = (
        "--volume",
        f"{url}:/url:ro",
        "--volume",
        f"{stranger}:/ca.pem:ro",
        "--env",
        "DATABASE_URL_FILE=/url",
    )
    command = ("release", "sh", "-c", "channels-stack release; echo code $?")
    said = running.compose("run", "--rm", "--no-deps", *given, "-T", *command)
    assert f"release failed: database {outside.address}:{outside.db_port}: " in said
    assert said.count("certificate verify failed") == 1 and said.endswith("code 1\n"), said
