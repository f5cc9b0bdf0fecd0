"""images/registry: TLS and one login, images pushed by an engine, forgotten over the API, their space given back."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from channels_stack_deploy.registry import push as registries
from channels_stack_deploy.registry.content import Content, forget

from .conftest import Container, Yard, docker, given, wait_for
from .edges import make_certificate

LOGIN = "channels-stack:canary-of-the-registry"
LAYER = 3_000_000
"""Bytes of an image's only layer, which cannot be compressed."""


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the certificate, which is its own authority, and the login."""
    folder = tmp_path_factory.mktemp("registry")
    folder.chmod(0o755)
    make_certificate(folder)
    (folder / "login").write_text(LOGIN + "\n")
    (folder / "login").chmod(0o600)
    # Read by uid 10001 in the container.
    (folder / "registry_login").write_text(LOGIN + "\n")
    (folder / "registry_login").chmod(0o444)
    return folder


@pytest.fixture(scope="module")
def registry(yard: Yard, secrets: Path) -> Container:
    """A running registry, as compose.registry.yml runs it."""
    found = yard.start(
        given("REGISTRY_IMAGE"),
        flags=[
            "--user=10001:10001",
            f"--volume={secrets}/tls.pem:/run/secrets/registry_tls:ro",
            f"--volume={secrets}/registry_login:/run/secrets/registry_login:ro",
            f"--volume={yard.volume()}:/srv/registry",
            "--tmpfs=/tmp:size=16m,mode=1777",
            "--publish=127.0.0.1::5000",
            "--memory=256m",
            "--health-interval=1s",
        ],
    )
    wait_for(lambda: found.health() == "healthy", "the registry is healthy")
    return found


@pytest.fixture
def content(registry: Container, secrets: Path) -> Content:
    pem = (secrets / "tls.pem").read_text()
    authority = secrets / "ca.pem"
    authority.write_text(pem[pem.index("-----BEGIN CERTIFICATE") :])
    return Content(f"127.0.0.1:{registry.port(5000)}", LOGIN, authority)


@pytest.fixture
def pushed(registry: Container, secrets: Path):
    """Push an image NAME with a LAYER, a new one or that of another name; what the registry calls it, REPOSITORY@DIGEST.

    All are removed from this engine.
    """
    place, names = f"127.0.0.1:{registry.port(5000)}", set()

    def push(name: str, layer: str) -> str:
        name = f"channels-stack/{name}"
        archive = secrets / f"{layer}.tar"
        if not archive.exists():
            with tarfile.open(archive, "w") as file:
                member = tarfile.TarInfo("layer")
                member.size = LAYER
                file.addfile(member, io.BytesIO(os.urandom(LAYER)))
        if name not in names:
            docker("import", str(archive), name)
        names.update([name, f"{place}/{name}"])
        return registries.push({"IMAGE": name}, place, secrets / "login")["IMAGE"].removeprefix(f"{place}/")

    yield push
    docker("image", "rm", *names)


def size(registry: Container) -> int:
    return int(registry.run("du", "--summarize", "--bytes", "/srv/registry").stdout.split()[0])


def test_it_is_run_as_it_is_meant_to_be(registry):
    found = registry.inspect()
    assert found["Config"]["User"] == "10001:10001" and found["HostConfig"]["ReadonlyRootfs"]
    labels = found["Config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == "channels-stack registry"
    assert LOGIN.partition(":")[2] not in str(found) + registry.says("listening on")


@pytest.mark.parametrize(
    ("login", "status"),
    [("", "401"), ("channels-stack:wrong", "401"), (LOGIN, "200")],
    ids=["none", "wrong", "right"],
)
def test_only_who_has_the_login_gets_in(registry, login, status):
    words = ["--silent", "--insecure", "--output", "/dev/null", "--write-out", "%{http_code}"]
    given_login = ["--user", login] if login else []
    assert registry.run("curl", *words, *given_login, "https://127.0.0.1:5000/v2/").stdout == status


def test_without_tls_nothing_is_answered(registry):
    words = ["--silent", "--output", "/dev/null", "--write-out", "%{http_code}"]
    assert registry.run("curl", *words, "http://127.0.0.1:5000/v2/").stdout == "400"


def test_a_layer_is_sent_once(registry, pushed):
    """Not for another image that stands on it, and not when all is pushed again: both happen at each deploy."""

    def received() -> int:
        return int(registry.run("cat", "/sys/class/net/eth0/statistics/rx_bytes").stdout)

    begin = received()
    pushed("first:1", "shared")
    once = received()
    assert once - begin > LAYER
    pushed("second:1", "shared")
    pushed("first:1", "shared")
    assert received() - once < LAYER * 0.1


def test_what_is_forgotten_gives_its_space_back_and_can_be_pushed_again(registry, content, pushed, secrets):
    kept, old = pushed("tiny:kept", "kept"), pushed("tiny:old", "old")
    assert content.images() >= {kept, old}
    before = size(registry)
    assert old in forget(content, needed=[kept], old=[])
    registry.run("registry", "collect")
    assert content.images() == {kept}
    less = size(registry)
    assert less < before - LAYER * 0.9
    # The registry remembers no layer that is gone: a push of it is not left out.
    place = f"127.0.0.1:{registry.port(5000)}"
    again = registries.push({"IMAGE": "channels-stack/tiny:old"}, place, secrets / "login")["IMAGE"]
    assert again == f"{place}/{old}"
    assert size(registry) > less + LAYER * 0.9


def test_a_stop_is_quick_and_clean(registry):
    code, seconds = registry.stop()
    assert code == 0 and seconds < 25


@pytest.mark.parametrize("text", ["", "me", ":canary", "me:canary\nyou:canary"])
def test_what_is_no_login_is_refused_without_showing_it(yard, tmp_path, text):
    (tmp_path / "login").write_text(text)
    tmp_path.chmod(0o755)
    found = yard.start(
        given("REGISTRY_IMAGE"),
        flags=[f"--volume={tmp_path}/login:/run/secrets/registry_login:ro", "--tmpfs=/tmp"],
    )
    assert found.ended() == 78
    assert "/run/secrets/registry_login is no login: it takes one line, USER:PASSWORD" in found.logs()
    assert "canary" not in found.logs()
