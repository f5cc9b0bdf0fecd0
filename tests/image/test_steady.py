"""Whether what was started stays and reaches its broker, by containers of the engine and their logs."""

from __future__ import annotations

import itertools
import os
import time

import pytest
from support.polling import until

from channels_stack_deploy.checks import steady
from channels_stack_deploy.console import Failure
from channels_stack_deploy.local.compose import Project
from channels_stack_deploy.paths import Deployment

from .conftest import RUN, docker

numbers = itertools.count()

# Celery's own words (5.7); {} is the wait that it announces.
CANNOT = (
    "consumer: Cannot connect to redis://:**@127.0.0.1:26479/0: Error 111 connecting to 127.0.0.1:26479. "
    "Connection refused..\\nTrying again in {}.00 seconds... (5/100)\\n"
)


@pytest.fixture
def start(tmp_path):
    """A function (what a shell runs) -> a project of one container, made as Compose makes it."""
    deployment = Deployment(tmp_path)
    deployment.settings.write_text(f"COMPOSE_PROJECT_NAME={RUN}-steady-{next(numbers)}\n")
    project = Project(deployment)
    name = f"{project.name}-celery-1"

    def make(script: str) -> tuple[Project, str]:
        known = {"project": project.name, "service": "celery", "oneoff": "False", "container-number": "1"}
        labels = [f"--label=com.docker.compose.{key}={value}" for key, value in known.items()]
        labels.append("--label=com.docker.compose.config-hash=0")
        shell = ["--entrypoint", "sh", os.environ["REDIS_IMAGE"], "-c", script]
        docker("run", "--detach", "--init", "--no-healthcheck", "--name", name, *labels, *shell)
        return project, name

    yield make
    docker("rm", "--force", "--volumes", name, check=False)


def test_a_broker_that_celery_says_it_does_not_reach_ends_make_up(start):
    project, _ = start(f": celery worker; printf '{CANNOT.format(30)}' >&2; exec sleep 300")
    with pytest.raises(Failure) as failure:
        steady.check(project, patience=steady.STEADY_SECONDS + 2)
    assert str(failure.value).startswith("celery does not reach its broker: Cannot connect to redis://")
    assert "broker=" in str(failure.value) and "app.env" in str(failure.value)


def test_celery_that_no_longer_complains_has_reached_its_broker(start, capsys):
    began = time.monotonic()
    project, _ = start(f": celery worker; printf '{CANNOT.format(4)}' >&2; exec sleep 300")
    steady.check(project)
    assert "celery: whether it reaches its broker" in capsys.readouterr().out
    assert time.monotonic() - began < steady.RETRY_SECONDS


def test_a_command_other_than_celery_may_say_what_it_likes(start):
    project, _ = start(f"printf '{CANNOT.format(30)}' >&2; exec sleep 300")
    steady.check(project, patience=steady.STEADY_SECONDS + 2)


def test_a_log_is_read_in_its_order_and_not_beyond_its_last_lines(start):
    project, name = start("for n in $(seq 1000); do echo out $n; done; exec sleep 300")
    until(lambda: "out 1000" in project.since(name, 600), what="the last line is in the log")
    docker("exec", name, "sh", "-c", "echo error >/proc/1/fd/2")  # the other stream
    until(lambda: "error" in project.since(name, 600), what="the line after it is, too")
    lines = project.since(name, 600).splitlines()
    assert all(line[:4].isdigit() and line.split()[0].endswith("Z") for line in lines)
    said = [line.split(" ", 1)[1] for line in lines]
    assert said == [*(f"out {n}" for n in range(802, 1001)), "error"]
