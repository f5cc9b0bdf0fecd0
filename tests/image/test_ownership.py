"""Whose a project is: what the engine has of it, what a folder remembers, and what is refused, with the other folder's path."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from channels_stack_deploy.config import ownership, settings
from channels_stack_deploy.local.compose import write_environment
from channels_stack_deploy.paths import EXAMPLE, Deployment

from .conftest import RUN, docker

ROOT = Path(__file__).resolve().parents[2]
COMPOSES = "com.docker.compose.project"
numbers = itertools.count()


@pytest.fixture
def name():
    """A project that does not exist yet; whatever a test makes of it is removed."""
    project = f"{RUN}-own-{next(numbers)}"
    yield project
    chosen = ["--filter", f"label={COMPOSES}={project}", "--quiet"]
    for listing, removing in (
        (["ps", "--all"], ["rm", "--force", "--volumes"]),
        (["network", "ls"], ["network", "rm"]),
        (["volume", "ls"], ["volume", "rm"]),
    ):
        found = docker(*listing, *chosen).stdout.split()
        if found:
            docker(*removing, *found)


@pytest.fixture
def folder(tmp_path, name):
    """A function (word) -> a deployment in a folder of its own that is set to the project `name`."""

    def make(word: str) -> Deployment:
        deployment = Deployment(tmp_path / word)
        deployment.folder.mkdir()
        deployment.settings.write_text(EXAMPLE.read_text() + f"COMPOSE_PROJECT_NAME={name}\n")
        deployment.application.touch()
        return deployment

    return make


def remember(deployment: Deployment) -> None:
    """What `make up` leaves in the folder."""
    images = {f"{each}_IMAGE": "image:tag" for each in ("HTTP", "WS", "WORKER", "EDGE", "REDIS", "DB")}
    write_environment(deployment, settings.load(deployment.settings), images)


def volume(name: str, **labels: str) -> None:
    """A volume as Compose makes it."""
    given = {COMPOSES: name, "com.docker.compose.volume": "db", **labels}
    words = [word for item in given.items() for word in ("--label", "=".join(item))]
    docker("volume", "create", *words, f"{name}_db")


def container(name: str, image: str, **labels: str) -> None:
    """A container as Compose makes it, not started."""
    service = {"service": "db", "oneoff": "False", "container-number": "1", "config-hash": "0"}
    given = {
        COMPOSES: name,
        **{f"com.docker.compose.{key}": value for key, value in service.items()},
        **labels,
    }
    words = [word for item in given.items() for word in ("--label", "=".join(item))]
    docker("create", *words, "--name", f"{name}-db-1", image)


def told(deployment: Deployment) -> str:
    """All problems, as one text."""
    found = ownership.problems(deployment, ownership.project(deployment))
    return "\n".join(": ".join(each) for each in found)


def tool(deployment: Deployment, *command: str) -> subprocess.CompletedProcess[str]:
    """What the tool behind make says."""
    return subprocess.run(
        [sys.executable, "-m", "channels_stack_deploy", "--folder", str(deployment.folder), *command],
        env={
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "PYTHONPATH": str(ROOT / "src/channels_stack_deploy"),
            "CONFIRM": "yes",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def owned(deployment: Deployment) -> dict[str, str]:
    """The label of this folder's things."""
    return {ownership.LABEL: ownership.identity(deployment.folder)}


def test_purge_removes_the_volumes_of_services_that_the_settings_no_longer_have(folder, name):
    deployment = folder("first")
    remember(deployment)
    label = "=".join(next(iter(owned(deployment).items())))
    docker("volume", "create", "--label", f"{COMPOSES}={name}", "--label", label, f"{name}_redis-app")
    done = tool(deployment, "purge")
    assert done.returncode == 0, done.stderr
    assert docker("volume", "ls", "--quiet", "--filter", f"label={COMPOSES}={name}").stdout == ""


def test_a_new_name_belongs_to_whoever_comes(folder):
    assert told(folder("first")) == ""


def test_what_bears_this_folder_is_its_own(folder, name):
    deployment = folder("first")
    remember(deployment)
    volume(name, **owned(deployment))
    assert told(deployment) == ""


@pytest.mark.parametrize(
    "verb", ["up", "down", "purge", "restore", "backup", "drill", "check", "compose ps", "compose down"]
)
def test_every_verb_refuses_what_is_another_folders(folder, name, verb):
    first, second = folder("first"), folder("second")
    remember(first)
    volume(name, **owned(first))
    remember(second)  # as an earlier version of `make up` did, before it failed
    done = tool(second, *verb.split())
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert f"the project {name} belongs to {first.folder}" in said and "set COMPOSE_PROJECT_NAME in" in said
    assert docker("volume", "ls", "--quiet", "--filter", f"name={name}_db").stdout.strip() == f"{name}_db"


def test_a_stack_of_an_earlier_version_belongs_to_the_folder_of_its_containers(folder, name, edge_image):
    first, second = folder("first"), folder("second")
    volume(name)
    container(name, edge_image, **{f"{COMPOSES}.environment_file": str(first.generated)})
    assert told(first) == ""
    assert f"belongs to {first.folder}" in told(second)


def test_another_programs_project_is_refused_with_its_folder(folder, name, edge_image):
    container(name, edge_image, **{f"{COMPOSES}.working_dir": "/srv/wordpress"})
    assert "belongs to /srv/wordpress" in told(folder("first"))


def test_volumes_of_an_earlier_version_alone_belong_to_the_folder_that_has_used_them(folder, name):
    first, second = folder("first"), folder("second")
    volume(name)
    remember(first)
    first.released.write_text("a release\n")
    remember(second)  # it failed at the password, so there was no release
    assert told(first) == ""
    assert f"volume {name}_db" in told(second) and "does not say whose it is" in told(second)
    assert f"volume {name}_db" in told(folder("third"))


def test_a_folder_that_has_moved_keeps_its_stack(folder, name):
    first = folder("first")
    remember(first)
    volume(name, **owned(first))
    moved = Deployment(first.folder.rename(first.folder.with_name("moved")))
    assert told(moved) == ""
    remember(moved)
    assert told(moved) == "" and ownership.identity(moved.folder) == str(first.folder)


def test_a_copy_of_a_folder_is_another_one(folder, name):
    import shutil

    first = folder("first")
    remember(first)
    volume(name, **owned(first))
    copy = Deployment(Path(shutil.copytree(first.folder, first.folder.with_name("copy"))))
    assert f"belongs to {first.folder}" in told(copy)
    assert ownership.identity(copy.folder) == str(copy.folder)


def test_another_name_would_begin_without_the_data(folder, name):
    first = folder("first")
    remember(first)
    volume(name, **owned(first))
    first.settings.write_text(f"COMPOSE_PROJECT_NAME={name}-b\n")
    (problem,) = ownership.renamed(first, settings.load(first.settings))
    assert f"is {name}-b, but this folder's stack is the project {name}" in problem[0]
    docker("volume", "rm", f"{name}_db")
    assert ownership.renamed(first, settings.load(first.settings)) == []


def test_down_and_purge_find_the_stack_without_what_make_up_wrote(folder, name, edge_image):
    first = folder("first")
    volume(name, **owned(first))
    container(name, edge_image, **owned(first))
    for verb, left in (("down", f"{name}_db"), ("purge", "")):
        done = tool(first, verb)
        assert done.returncode == 0, done.stderr
        chosen = ["--quiet", "--filter", f"label={COMPOSES}={name}"]
        assert docker("ps", "--all", *chosen).stdout == ""
        assert docker("volume", "ls", *chosen).stdout.strip() == left


def test_what_is_exported_does_not_lead_to_another_project(folder, name):
    first = folder("first")
    remember(first)
    script = (
        "import json,sys; from pathlib import Path; from channels_stack_deploy.paths import Deployment;"
        "from channels_stack_deploy.local.compose import Project;"
    )
    script += "p = Project(Deployment(Path(sys.argv[1]))); print(p.run('config', '--format', 'json', quiet=True).stdout)"
    done = subprocess.run(
        [sys.executable, "-c", script, str(first.folder)],
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ROOT / "src/channels_stack_deploy"),
            "COMPOSE_PROJECT_NAME": "another",
            "HTTP_PORT": "1",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert f'"name": "{name}"' in done.stdout and '"published": "1"' not in done.stdout


def test_everything_bears_its_folder(folder):
    import json

    first = folder("first")
    remember(first)
    # As a person calls it: nothing but Compose's own file of settings says what is meant.
    words = ["compose", "--env-file", str(first.generated), "--project-directory", str(ROOT / "compose")]
    whole = json.loads(docker(*words, "--profile", "*", "config", "--format", "json").stdout)
    for kind in ("services", "networks", "volumes"):
        assert whole[kind]
        assert {each["labels"][ownership.LABEL] for each in whole[kind].values()} == {str(first.folder)}
