"""New passwords for three Redis and their Sentinels while they run, as a rotation on servers gives them: nothing is restarted.

The six run by Compose with what compose.swarm.sentinel.yml changes: a folder of "its host" for each pair.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from .conftest import RUN, docker, wait_for
from .test_redis_nodes import ROOT, SECONDS, SENTINELS, SERVERS  # isort: split

from channels_stack_deploy.config import rotation, secrets, settings
from channels_stack_deploy.console import Failure
from channels_stack_deploy.local.compose import write_environment
from channels_stack_deploy.paths import Deployment
from channels_stack_deploy.swarm import credentials, redis_ha
from channels_stack_deploy.swarm.engine import Engine

PROJECT = f"{RUN}-rotated"


class Three:
    """The six services, and what the playbook does to them."""

    def __init__(self, deployment: Deployment, engine: Engine, folder: Path) -> None:
        self.deployment, self.engine, self.folder = deployment, engine, folder

    def compose(self, *arguments: str) -> str:
        place = ["--project-directory", str(ROOT / "compose"), "--env-file", str(self.deployment.generated)]
        return docker("compose", *place, *arguments, timeout=180).stdout

    def accept(self, *those: str, final: bool = False) -> list[str]:
        changed = []
        for node in those or SERVERS:
            place = f"{self.folder}/{node}"
            given = {"final": final, "check": False}
            changed += credentials.users(
                self.engine, self.deployment, f"{place}/users.acl", node=node, **given
            )
            changed += redis_ha.accept(self.engine, self.deployment, place, node, **given)
        return changed

    def use(self) -> None:
        for node in SERVERS:
            redis_ha.use(self.engine, self.deployment, f"{self.folder}/{node}", node)

    def lets_in(self, user: str, password: str) -> list[str]:
        """Which of the six accept this login."""
        found = []
        for service in (*SERVERS, *SENTINELS):
            port = "26379" if service in SENTINELS else "6379"
            login = ["-p", port, "--no-auth-warning", "--user", user, "--pass", password]
            said = docker(
                "exec", f"{PROJECT}-{service}-1", "redis-cli", "-e", *login, "ping", check=False
            ).stdout
            found += [service] if said.strip() == "PONG" else []
        return found

    def started(self) -> str:
        names = [f"{PROJECT}-{service}-1" for service in (*SERVERS, *SENTINELS)]
        return docker("inspect", "-f", "{{.Id}} {{.State.StartedAt}}", *names).stdout

    def passwords(self) -> tuple[str, str]:
        """The application's, and that of the nodes."""
        url = urlsplit(rotation.read(self.deployment, "redis_url"))
        return url.password or "", rotation.read(self.deployment, "redis_nodes").split()[0]


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory, redis_image: str, engine: Engine) -> Iterator[Three]:
    deployment = Deployment(tmp_path_factory.mktemp("rotated"))
    deployment.settings.write_text(f"REDIS_NODES=3\nCOMPOSE_PROJECT_NAME={PROJECT}\n")
    secrets.make(deployment)
    images = {f"{name}_IMAGE": "not:started" for name in ("HTTP", "WS", "WORKER", "EDGE", "DB")}
    write_environment(deployment, settings.load(deployment.settings), {**images, "REDIS_IMAGE": redis_image})
    folder = tmp_path_factory.mktemp("hosts")
    for path in (folder, *list(folder.parents)[:2]):
        path.chmod(0o755)
    given = ["--acl", f"{redis_ha.INSIDE}/users.acl", "--password-file", f"{redis_ha.INSIDE}/redis_nodes"]
    overlay = {
        service: {
            "command": ["redis-node", role, "--name", service, *given],
            "volumes": [f"{folder}/{service.replace('sentinel', 'redis')}:{redis_ha.INSIDE}:ro"],
            "labels": {"com.docker.swarm.service.name": f"{engine.stack}_{service}"},
        }
        for role, services in (("server", SERVERS), ("sentinel", SENTINELS))
        for service in services
    }
    (folder / "overlay.json").write_text(json.dumps({"services": overlay}))
    text = deployment.generated.read_text().splitlines()
    deployment.generated.write_text(
        "\n".join(
            f"{line}:{folder}/overlay.json" if line.startswith("COMPOSE_FILE=") else line for line in text
        )
    )
    made = Three(deployment, engine, folder)
    made.accept()
    try:
        made.compose("up", "--detach", "--no-build", *SERVERS, *SENTINELS)
        healthy = [
            "ps",
            "--quiet",
            "--filter",
            f"label=com.docker.compose.project={PROJECT}",
            "--filter",
            "health=healthy",
        ]
        wait_for(lambda: len(docker(*healthy).stdout.split()) == 6, "six healthy containers", SECONDS)
        assert redis_ha.settled(engine, SECONDS) == "redis"
        yield made
    finally:
        print(made.compose("logs", "--tail", "60"))
        made.compose("down", "--volumes", "--timeout", "1")


def test_what_is_in_force_is_not_changed(three):
    assert three.accept() == three.accept(final=True) == []


def test_both_are_accepted_and_then_the_new_ones_alone(three):
    every = [*SERVERS, *SENTINELS]
    old, old_node = three.passwords()
    rotation.begin(three.deployment, rotation.chosen(three.deployment, "redis"))
    rotation.switch(three.deployment)
    new, new_node = three.passwords()
    assert old != new and old_node != new_node and rotation.switched(three.deployment)

    # Killed after the first of them, which starts again: it still logs in with what the others know.
    assert three.accept("redis-2")
    docker("restart", f"{PROJECT}-redis-2-1", f"{PROJECT}-sentinel-2-1")
    redis_ha.settled(three.engine, SECONDS)
    before = three.started()

    assert three.accept() and three.accept() == []
    for user, password in (("app", old), ("app", new), ("node", old_node), ("node", new_node)):
        assert three.lets_in(user, password) == every, user
    three.use()
    assert three.accept() == []
    assert three.accept(final=True) and three.accept(final=True) == []
    assert three.lets_in("app", old) == three.lets_in("node", old_node) == []
    assert three.lets_in("app", new) == three.lets_in("node", new_node) == every
    assert rotation.end(three.deployment)
    assert rotation.read(three.deployment, "redis_nodes") == new_node
    assert three.started() == before, "something was restarted"

    # They know each other by the new one: another becomes the master, and all follow it.
    redis_ha.settled(three.engine, SECONDS)
    print(redis_ha.hand_over(three.engine, "redis"))
    assert redis_ha.settled(three.engine, SECONDS) != "redis"
    docker("restart", *(f"{PROJECT}-{service}-1" for service in every))
    wait_for(lambda: three.lets_in("app", new) == every, "all let it in", SECONDS)
    redis_ha.settled(three.engine, SECONDS)


def test_a_lost_secret_of_the_nodes_is_reported_with_the_fix(three):
    kept = rotation.read(three.deployment, "redis_nodes")
    rotation.put(three.deployment, "redis_nodes", "another")
    with pytest.raises(Failure, match="does not know secrets/redis_nodes"):
        three.accept()
    rotation.put(three.deployment, "redis_nodes", kept)
    assert three.accept() == []
