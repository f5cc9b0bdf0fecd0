"""compose.sentinel.yml: three Redis and three Sentinels in containers, whose addresses change when they start again."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import documented
import pytest

from .conftest import RUN, docker, wait_for

ROOT = Path(__file__).resolve().parents[2]
SERVERS = ("redis", "redis-2", "redis-3")
SENTINELS = ("sentinel", "sentinel-2", "sentinel-3")
SECONDS = 120  # a failover takes 6 to 10; this machine may be busy


class Nodes:
    """The six services of one Compose project."""

    def __init__(self, generated: Path, secrets: Path) -> None:
        self.generated = generated
        url = (secrets / "redis_url").read_text()
        self.password = url.partition("app:")[2].partition("@")[0]

    def compose(self, *arguments: str, timeout: float = 180) -> str:
        place = ["--project-directory", str(ROOT / "compose"), "--env-file", str(self.generated)]
        return docker("compose", *place, *arguments, timeout=timeout).stdout

    def cli(self, service: str, *words: str) -> str:
        """What redis-cli prints inside SERVICE, as the user of the application; "" where it is not there."""
        port = "26379" if service in SENTINELS else "6379"
        login = ["-p", port, "--no-auth-warning", "--user", "app", "--pass", self.password]
        done = docker("exec", f"{RUN}-nodes-{service}-1", "redis-cli", "-e", *login, *words, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    def known(self, sentinel: str) -> dict[str, str]:
        """What a Sentinel knows of the master."""
        words = self.cli(sentinel, "sentinel", "master", "redis").splitlines()
        return dict(zip(words[::2], words[1::2], strict=True))

    def master(self, *sentinels: str) -> str:
        """The service that all of SENTINELS name, if it calls itself the master; else ""."""
        named = {self.known(each).get("ip", "") for each in sentinels or SENTINELS}
        name = named.pop()
        return name if not named and self.cli(name, "role").startswith("master") else ""

    def settled(self) -> bool:
        """Whether all know each other, and both replicas follow."""
        return all(
            state.get("flags") == "master"
            and state["num-slaves"] == state["num-other-sentinels"] == "2"
            and self.replicas_in_order(sentinel)
            for sentinel in SENTINELS
            for state in [self.known(sentinel)]
        )

    def replicas_in_order(self, sentinel: str) -> bool:
        words = self.cli(sentinel, "sentinel", "replicas", "redis").splitlines()
        flags = [value for name, value in itertools.pairwise(words) if name == "flags"]
        links = [value for name, value in itertools.pairwise(words) if name == "master-link-status"]
        return flags == ["slave", "slave"] and links == ["ok", "ok"]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory, redis_image: str) -> Iterator[Nodes]:
    """All six, settled."""
    from channels_stack_deploy.config import secrets, settings
    from channels_stack_deploy.local.compose import write_environment
    from channels_stack_deploy.paths import Deployment

    deployment = Deployment(tmp_path_factory.mktemp("nodes"))
    deployment.settings.write_text(f"REDIS_NODES=3\nCOMPOSE_PROJECT_NAME={RUN}-nodes\n")
    secrets.make(deployment)
    names = {f"{name}_IMAGE": "not:started" for name in ("HTTP", "WS", "WORKER", "EDGE", "DB")}
    chosen = settings.load(deployment.settings)
    write_environment(deployment, chosen, {**names, "REDIS_IMAGE": redis_image})
    made = Nodes(deployment.generated, deployment.secrets)
    for file in deployment.secrets.iterdir():
        file.chmod(0o444)  # read by uid 999, whoever runs this
    try:
        made.compose("up", "--detach", "--no-build", *SERVERS, *SENTINELS)
        wait_for(made.settled, "six nodes know each other", SECONDS)
        yield made
    finally:
        print(made.compose("logs", "--tail", "60"))
        made.compose("down", "--volumes", "--timeout", "1")


def test_they_agree_on_the_first_as_the_master(nodes):
    assert nodes.master() == "redis"


def test_no_one_gets_in_without_a_password(nodes):
    for name, port in (("redis-2", "6379"), ("sentinel", "26379")):
        done = docker("exec", f"{RUN}-nodes-{name}-1", "redis-cli", "-p", port, "ping", check=False)
        assert "NOAUTH" in done.stdout + done.stderr


def test_the_application_may_ask_a_sentinel_and_not_command_it(nodes):
    assert nodes.known("sentinel")["name"] == "redis"
    assert nodes.cli("sentinel", "sentinel", "failover", "redis") == ""
    assert nodes.cli("sentinel", "config", "get", "*") == ""


def test_a_master_that_is_lost_is_replaced_and_comes_back_as_a_replica(nodes):
    nodes.cli("redis", "set", "kept", "yes")
    wait_for(
        lambda: nodes.cli("redis-2", "get", "kept") and nodes.cli("redis-3", "get", "kept"), "all have it"
    )
    docker("kill", f"{RUN}-nodes-redis-1")
    new = wait_for(lambda: nodes.master() not in ("", "redis") and nodes.master(), "a new master", SECONDS)
    assert nodes.cli(new, "get", "kept") == "yes"
    nodes.compose("up", "--detach", "--no-build", "--no-deps", "redis")
    wait_for(nodes.settled, "the old one follows", SECONDS)
    assert nodes.cli("redis", "role").startswith("slave")


def test_the_file_of_a_follower_holds_what_the_master_wrote(nodes, yard, redis_image):
    """Backups copy that of the first one, whichever is the master."""
    assert nodes.cli("redis", "role").startswith("slave")
    nodes.cli(nodes.master(), "rpush", "jobs", "one", "two")
    wait_for(lambda: nodes.cli("redis", "llen", "jobs") == "2", "the follower has it", SECONDS)
    volume = yard.volume()
    mounts = [
        f"--volumes-from={RUN}-nodes-redis-1:ro",
        f"--volume={volume}:/copy",
        "--user=0",
        "--entrypoint=cp",
    ]
    docker("run", "--rm", *mounts, redis_image, "-a", "/data/appendonlydir", "/copy/")
    command = ["redis-server", "--appendonly", "yes", "--dir", "/copy"]
    alone = yard.start(redis_image, *command, flags=[f"--volume={volume}:/copy"], hardened=False)
    wait_for(
        lambda: alone.run("redis-cli", "llen", "jobs", check=False).stdout.strip() == "2",
        "the copy has it",
        30,
    )


def test_a_node_that_is_made_again_is_found_under_its_new_address(nodes):
    """As Swarm does it: another container, another address, the same name and volume."""
    name = next(each for each in SERVERS if nodes.cli(each, "role").startswith("slave"))
    address = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    before = docker("inspect", "-f", address, f"{RUN}-nodes-{name}-1").stdout
    nodes.compose("rm", "--stop", "--force", name)
    # Its old address is somebody else's now.
    docker(
        "run",
        "--rm",
        "--detach",
        "--name",
        f"{RUN}-squatter",
        "--network",
        f"{RUN}-nodes_data",
        image(nodes),
        "sleep",
        "600",
    )
    try:
        nodes.compose("up", "--detach", "--no-build", "--no-deps", name)
        assert docker("inspect", "-f", address, f"{RUN}-nodes-{name}-1").stdout != before
        wait_for(nodes.settled, "the Sentinels find it", SECONDS)
    finally:
        docker("kill", f"{RUN}-squatter")


def image(nodes: Nodes) -> str:
    return docker("inspect", "-f", "{{.Config.Image}}", f"{RUN}-nodes-sentinel-1").stdout.strip()


def test_a_sentinel_and_its_redis_lost_together_are_no_obstacle(nodes):
    """A host is gone: the master on it, and the Sentinel that would say so."""
    name = nodes.master()
    beside = SENTINELS[SERVERS.index(name)]
    others = [each for each in SENTINELS if each != beside]
    docker("kill", f"{RUN}-nodes-{name}-1", f"{RUN}-nodes-{beside}-1")
    wait_for(lambda: nodes.master(*others) not in ("", name), "a new master", SECONDS)
    nodes.compose("up", "--detach", "--no-build", "--no-deps", name, beside)
    wait_for(nodes.settled, "both are back", SECONDS)


def test_all_made_again_they_have_their_data_and_know_each_other(nodes):
    """A release with another image replaces all of them at once."""
    nodes.compose("up", "--detach", "--no-build", "--force-recreate", *SERVERS, *SENTINELS)
    wait_for(nodes.settled, "six nodes know each other again", SECONDS)
    assert nodes.cli(nodes.master(), "get", "kept") == "yes"


def test_what_the_page_says_to_type(nodes):
    """docs/how-to/data-stores.md, on one machine: who is the master, and another one before its host is removed."""
    page = [one for one in documented.commands() if one.page == "docs/how-to/data-stores.md"]
    (settled,) = [one.words for one in page if one.text.startswith("docker compose exec sentinel ")]
    (hand_over,) = [one.words for one in page if one.text.startswith("redis-node hand-over --")]
    master = nodes.master()
    assert nodes.compose("exec", "-T", *settled[3:]).strip() == master
    nodes.compose("exec", "-T", "sentinel", *hand_over[:-1], master)
    # Either of the two others, as the Sentinels choose.
    wait_for(lambda: nodes.settled() and nodes.master() not in ("", master), "another master", SECONDS)
