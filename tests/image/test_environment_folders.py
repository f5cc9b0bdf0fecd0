"""What of an environment the engine and git see: what it left running, what it lost, what no commit may hold."""

import os
import shutil
import subprocess

import pytest

from channels_stack_deploy.config import environments, ownership, settings
from channels_stack_deploy.console import Failure
from channels_stack_deploy.paths import COMPOSE, ENVIRONMENTS, ROOT, Deployment

from .conftest import docker

NAME = f"gone-{os.getpid()}"
PROJECT = f"channels-stack-{NAME}"


@pytest.fixture
def volume():
    """The database of an environment whose folder was removed without a purge."""
    labels = {
        ownership.COMPOSES: PROJECT,
        "com.docker.compose.volume": "db",
        ownership.LABEL: str(ENVIRONMENTS / NAME),
    }
    words = [word for item in labels.items() for word in ("--label", "=".join(item))]
    docker("volume", "create", *words, f"{PROJECT}_db")
    yield f"{PROJECT}_db"
    docker("volume", "rm", "--force", f"{PROJECT}_db")


def tool(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, "PYTHONPATH": str(COMPOSE.parent / "src/channels_stack_deploy"), **variables}
    command = ["python3", "-m", "channels_stack_deploy", "--env", NAME, *arguments]
    return subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, check=False)


def test_a_removed_folders_stack_can_still_be_purged(volume):
    assert environments.find(NAME, "purge") == Deployment(ENVIRONMENTS / NAME)
    with pytest.raises(Failure, match=f"no environment {NAME}"):
        environments.find(NAME, "ps")
    assert tool("purge", CONFIRM="yes").returncode == 0
    assert docker("volume", "ls", "--quiet", "--filter", f"name={volume}").stdout == ""
    assert f"no environment {NAME}" in tool("purge", CONFIRM="yes").stderr


def test_a_database_without_its_passwords_is_refused(volume):
    staging = Deployment(ENVIRONMENTS / NAME)
    ((problem, way_out),) = environments.problems(staging, settings.of(staging))
    assert problem.startswith(
        f"the database is there (volume {volume}), but the passwords in compose/environments/"
    )
    assert way_out.endswith(f"make purge ENV={NAME} CONFIRM=yes, which removes the data")
    assert environments.problems(staging, settings.of(staging) | {"DB_NODES": "0"}) == []


def test_nothing_that_an_environment_keeps_is_for_git(tmp_path):
    shutil.copy(ROOT / ".gitignore", tmp_path)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    kept = [name for name, value in vars(Deployment).items() if isinstance(value, property)]
    paths = []
    for folder in (COMPOSE, ENVIRONMENTS / "staging"):
        found = {name: getattr(Deployment(folder), name) for name in kept}
        # The default environment ends the search for definitions with compose.yml itself.
        del found["name"], found["definitions"]
        paths += [str(path.relative_to(ROOT)) for path in found.values()]
    folders = [
        path
        for path in paths
        if path.rpartition("/")[2] in ("secrets", "tls", "edge", "acme", "log", "releases")
    ]
    names = [path for path in paths if path not in folders] + [f"{path}/key" for path in folders]
    done = subprocess.run(
        ["git", "-C", tmp_path, "check-ignore", *names], capture_output=True, text=True, check=False
    )
    assert sorted(done.stdout.split()) == sorted(names)
