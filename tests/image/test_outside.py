"""Data stores of somebody else's (REDIS_NODES=0, DB_NODES=0): reached by TLS, under names that their certificates hold."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import stacks

from .conftest import RUN, docker, wait_for

PASSWORD = "a-password-of-this-test"


def authority(folder: Path, name: str) -> Path:
    """A certificate authority; the path of its certificate."""
    openssl(
        *(
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ),
        # Without its use being told, Python 3.13 takes no authority.
        *("-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        *("-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.pem"),
    )
    return folder / f"{name}.pem"


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


class Outside:
    """A Redis and a PostgreSQL on this machine's own network, which speak TLS only."""

    def __init__(self, folder: Path, redis_image: str, db_image: str) -> None:
        self.folder = folder
        # Where containers of every network find this machine.
        gateway = "{{(index .IPAM.Config 0).Gateway}}"
        self.address = docker("network", "inspect", "--format", gateway, "bridge").stdout.strip()
        self.redis_port, self.db_port = stacks.free_port(), stacks.free_port()
        self.ca = authority(folder, "ours")
        openssl(
            *[
                "req",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-subj",
                "/CN=stores",
            ],
            *("-keyout", f"{folder}/key.pem", "-out", f"{folder}/request.pem"),
        )
        names = f"subjectAltName=IP:{self.address}\nauthorityKeyIdentifier=keyid\n"
        (folder / "names").write_text(names)
        openssl(
            *("x509", "-req", "-days", "2", "-in", f"{folder}/request.pem", "-extfile", f"{folder}/names"),
            *("-CA", str(self.ca), "-CAkey", f"{folder}/ours.key", "-out", f"{folder}/cert.pem"),
        )
        # PostgreSQL takes a key only from its owner; these are read by uid 999.
        tls = f"{RUN}-tls"
        docker("volume", "create", tls)
        copy = "cp /given/*.pem /tls/ && chown -R 999:999 /tls && chmod 600 /tls/key.pem"
        flags = ["--rm", "--user", "0", "--volume", f"{folder}:/given:ro", "--volume", f"{tls}:/tls"]
        docker("run", *flags, "--entrypoint", "sh", db_image, "-c", copy)
        common = ["--detach", "--network", "host", "--volume", f"{tls}:/tls:ro", "--tmpfs", "/tmp"]
        files = ["--tls-cert-file", "/tls/cert.pem", "--tls-key-file", "/tls/key.pem"]
        docker(
            *("run", "--name", f"{RUN}-redis", *common, redis_image, "redis-server", "--port", "0"),
            *("--tls-port", str(self.redis_port), "--bind", self.address, "--requirepass", PASSWORD),
            *(*files, "--tls-ca-cert-file", "/tls/ours.pem", "--tls-auth-clients", "no"),
        )
        docker(
            *("run", "--name", f"{RUN}-db", *common, "--env", f"POSTGRES_PASSWORD={PASSWORD}"),
            *("--env", "POSTGRES_USER=app", "--env", "POSTGRES_DB=app", db_image, "postgres"),
            *("-c", "ssl=on", "-c", "ssl_cert_file=/tls/cert.pem", "-c", "ssl_key_file=/tls/key.pem"),
            *("-c", f"listen_addresses={self.address}", "-c", f"port={self.db_port}"),
        )

    def sql(self, statement: str) -> str:
        command = ["psql", "--username", "app", "--port", str(self.db_port), "--tuples-only", "--no-align"]
        return docker(
            "exec", f"{RUN}-db", *command, "app", "--command", statement, check=False
        ).stdout.strip()

    def secrets(self, ca: Path) -> dict[str, str]:
        """What the operator writes."""
        login, place = f":{PASSWORD}", "/run/secrets/data_ca"
        return {
            "redis_url": f"rediss://{login}@{self.address}:{self.redis_port}/0?ssl_ca_certs={place}",
            "database_url": f"postgresql://app{login}@{self.address}:{self.db_port}/app"
            f"?sslmode=verify-full&sslrootcert={place}",
            "data_ca": ca.read_text(),
        }

    def remove(self) -> None:
        docker("rm", "--force", "--volumes", f"{RUN}-redis", f"{RUN}-db", check=False)
        docker("volume", "rm", "--force", f"{RUN}-tls", check=False)


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory, redis_image: str, db_image: str) -> Iterator[Outside]:
    made = Outside(tmp_path_factory.mktemp("outside"), redis_image, db_image)
    try:
        wait_for(lambda: made.sql("SELECT 1") == "1", "the database answers", 60)
        yield made
    finally:
        print(docker("logs", "--tail", "20", f"{RUN}-db", check=False).stderr)
        made.remove()


@pytest.fixture(scope="module")
def running(outside: Outside) -> Iterator[stacks.Stack]:
    """A whole stack on them: released, and healthy."""
    few = {"HTTP_REPLICAS": "1", "WS_REPLICAS": "1", "HTTP_PROCESSES": "1"}
    with stacks.own("outside", outside.secrets(outside.ca), REDIS_NODES="0", DB_NODES="0", **few) as made:
        yield made


def test_no_data_store_of_the_stack_is_started(running):
    services = {name.removeprefix(f"{running.project}-").rpartition("-")[0] for name in running.containers()}
    assert services == {"edge", "http", "ws", "worker"}


def test_the_tables_were_made_and_every_connection_is_encrypted(outside, running):
    assert int(outside.sql("SELECT count(*) FROM django_migrations")) > 0
    of_containers = "FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE client_addr IS NOT NULL"
    assert outside.sql(f"SELECT count(*) {of_containers} AND NOT ssl") == "0"


def test_every_process_is_ready_and_tells_of_itself_through_that_redis(running):
    table = running.compose("exec", "-T", "ws", "channels-stack", "status")
    assert {line.split()[0] for line in table.splitlines()[1:]} == {"http", "ws", "worker"}


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
