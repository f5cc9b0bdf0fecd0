"""images/backup: repositories on other machines, by SFTP and S3."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from ..conftest import Yard, made, wait_for
from ..edges import make_certificate
from .place import DATA, Place, write_secrets


@dataclass
class Store:
    """A store on another machine that runs, and how a stack names it."""

    repository: str
    """BACKUP_REPOSITORY."""
    credentials: str
    """The secret backup_credentials."""
    listing: Callable[[], str]
    """The names in the repository's folder, as the store itself sees them."""


@pytest.fixture(scope="module")
def sftp(yard: Yard, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """OpenSSH."""
    keys = tmp_path_factory.mktemp("keys")
    for name in ("host", "user"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", keys / name], check=True
        )
    (keys / "authorized_keys").write_text((keys / "user.pub").read_text())
    (keys / "authorized_keys").chmod(0o444)
    keys.chmod(0o755)
    server = yard.start(
        made("sftp"), flags=["--network-alias=nas", f"--volume={keys}:/keys:ro"], hardened=False
    )
    told = subprocess.run(
        ["ssh-keygen", "-lf", keys / "host.pub"], capture_output=True, text=True, check=True
    ).stdout
    return Store(
        f"sftp://keeper@nas/srv/rooms?host-key={told.split()[1]}",
        (keys / "user").read_text(),
        lambda: server.run("ls", "/srv/rooms").stdout,
    )


@pytest.fixture(scope="module")
def s3(yard: Yard, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """SeaweedFS, with a certificate of its own authority and a key that may use one bucket and nothing else."""
    keys = tmp_path_factory.mktemp("keys")
    keys.chmod(0o755)
    make_certificate(keys, "s3.test")
    keeper = {
        "name": "keeper",
        "credentials": [{"accessKey": "KEEPER", "secretKey": "the-secret-of-keeper"}],
        "actions": [f"{action}:backups" for action in ("Read", "Write", "List")],
    }
    (keys / "identities.json").write_text(json.dumps({"identities": [keeper]}))
    server = yard.start(
        made("s3"),
        flags=[
            "--network-alias=s3.test",
            f"--volume={keys}:/keys:ro",
            "--tmpfs=/tmp",
            "--tmpfs=/data:uid=10001",
        ],
    )

    def shell(command: str) -> str:
        return server.run("sh", "-c", f"echo {command} | weed shell").stdout

    server.says("https port 8443")
    wait_for(lambda: "created bucket" in shell("s3.bucket.create -name backups"), "there is a bucket", 30)
    certificate = (keys / "tls.pem").read_text().partition("-----BEGIN CERTIFICATE-----")
    return Store(
        "s3://backups/rooms?endpoint=s3.test:8443&region=eu-1",
        "KEEPER:the-secret-of-keeper\n" + "".join(certificate[1:]).partition("-----BEGIN PRIVATE")[0],
        lambda: shell("fs.ls /buckets/backups/rooms"),
    )


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Store:
    """The store that the test's parameter names."""
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("store", ["sftp", "s3"], indirect=True)
def test_a_repository_on_another_machine(origin, yard, images, tmp_path, store):
    origin.stop(*list(origin.services))  # one network, one of each name
    place = Place(yard, images, write_secrets(tmp_path, credentials=store.credentials))
    place.settings = {"BACKUP_REPOSITORY": store.repository}
    place.start("redis", "db", "backup")
    place.sql("CREATE TABLE rows AS SELECT generate_series(1, 1000) AS id")
    wait_for(lambda: place.backup("status", check=False).returncode == 0, "the first backup is made", 90)
    assert store.listing().split() == ["archive", "backup", "redis"]
    assert "all equal" in place.backup("drill").stderr
    place.stop("db", "redis")
    place.inside(f"find {DATA} /srv/redis -mindepth 1 -delete")
    place.restore()
    assert place.sql("SELECT count(*) FROM rows") == "1000"
    place.stop("redis", "db", "backup")


@pytest.mark.parametrize(
    ("store", "part", "other", "words"),
    [
        ("sftp", r"SHA256:\S+", "SHA256:" + "A" * 43, "the store cannot be reached"),
        (
            "s3",
            r":the-\S+",
            ":of-somebody-else",
            "the store refuses: check bucket, region and backup_credentials",
        ),
        ("s3", r"KEEPER", "STRANGER", "the store refuses: check bucket, region and backup_credentials"),
        ("s3", r"//backups", "//elsewhere", "the store refuses: check bucket, region and backup_credentials"),
    ],
    ids=["another host key", "another secret", "another key", "another bucket"],
    indirect=["store"],
)
def test_what_does_not_fit_the_store_is_reported_in_one_line(
    yard, images, tmp_path, store, part, other, words
):
    place = Place(yard, images, write_secrets(tmp_path, credentials=re.sub(part, other, store.credentials)))
    place.settings = {"BACKUP_REPOSITORY": re.sub(part, other, store.repository)}
    place.start("backup")
    done = place.backup("list", check=False)
    place.stop("backup")
    assert done.returncode == 1
    assert words in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr
