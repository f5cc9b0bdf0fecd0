"""APP_COMMANDS and APP_VOLUMES: what they become, and that a mistake is named."""

import pytest

from channels_stack_deploy.config import app_services, services
from channels_stack_deploy.console import Failure


def settings(lines="", volumes="", redis=""):
    return {"APP_COMMANDS": lines, "APP_VOLUMES": volumes, "APP_REDIS": redis}


def test_each_command_is_a_service():
    found = app_services.definitions(
        settings("celery: celery -A x worker; beat: sh -c 'echo a; echo b'", "data")
    )
    assert found["services"]["celery"]["command"] == ["celery", "-A", "x", "worker"]
    assert "app-app-data:/srv/app/data" in found["services"]["celery"]["volumes"]


def test_each_volume_is_in_every_service_of_the_application():
    found = app_services.definitions(settings(volumes="data /srv/queue"))
    assert found["volumes"].keys() == {"app-app-data", "app-queue"}
    assert found["services"].keys() == {"http", "ws", "worker", "release"}


def test_on_servers_the_jobs_of_a_release_have_them_too():
    """Where SQLite lies in one, the migrations would not find the database."""
    found = app_services.definitions(settings(volumes="data"), swarm=True)["services"]
    for job in ("release", "static", "migrations"):
        assert found[job]["volumes"] == ["app-app-data:/srv/app/data"]


def test_without_them_there_is_no_file():
    assert app_services.text(settings()) == ""


def test_the_release_looks_for_the_program_of_each():
    release = app_services.definitions(
        settings("celery: celery -A x worker; beat: celery -A x beat; bot: ./bot")
    )
    assert release["services"]["release"] == {
        "command": ["channels-stack", "release", "--program=./bot", "--program=celery"]
    }


def test_swarm_gets_nothing_that_only_compose_knows():
    found = app_services.definitions(settings("celery: x"), swarm=True)["services"]["celery"]
    assert not {"depends_on", "restart"} & found.keys()


def test_on_servers_a_command_runs_where_the_application_does():
    """Not on a host that has the public ports alone, or the data."""
    found = app_services.definitions(settings("celery: x"), swarm=True)["services"]["celery"]
    assert found["deploy"]["placement"] == {"constraints": ["node.labels.app == true"]}


def test_a_command_reads_the_address_of_the_applications_redis_where_there_is_one():
    for redis, given in (("", False), ("both", True), ("outside", True)):
        each = app_services.definitions(settings("celery: x", redis=redis))["services"]["celery"]
        assert ("app_redis_url" in each["secrets"]) is given
        assert ("APP_REDIS_URL_FILE" in each["environment"]) is given
        assert ("redis-app" in each["depends_on"]) is given


@pytest.mark.parametrize("lines", ["celery", "Celery: x", "a: x; a: y", "a:", "a: 'x"])
def test_a_wrong_command_is_named(lines):
    with pytest.raises(Failure, match="APP_COMMANDS"):
        app_services.commands(settings(lines))


@pytest.mark.parametrize("name", services.NAMES)
def test_a_name_of_the_stacks_own_is_rejected_in_one_line(name):
    with pytest.raises(Failure) as failure:
        app_services.commands(settings(f"celery: celery worker; {name}: x"))
    text = str(failure.value)
    assert text.startswith("APP_COMMANDS: ") and repr(name) in text and "\n" not in text
