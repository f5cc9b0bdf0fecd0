"""A Redis and a PostgreSQL of somebody else's: they speak TLS only, under an address that their certificate holds."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from stacks import StackError, docker, eventually, free_port

PASSWORD = "a-password-of-this-test"
CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


def authority(folder: Path, name: str) -> Path:
    """A certificate authority; the path of its certificate."""
    openssl(
        *("req", "-x509", *CURVE, "-days", "2"),
        # Without its use being told, Python 3.13 takes no authority.
        *("-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        *("-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.pem"),
    )
    return folder / f"{name}.pem"


def openssl(*arguments: str) -> None:
    """Run it; it is quiet but for its failures."""
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


class Outside:
    """The two on this machine, where the containers or hosts of NETWORK find it: `with Outside(…) as outside: …`.

    NAME begins the names of their containers and of their volume; FOLDER gets keys and certificates, `ca` is the authority's;
    FLAGS are further ones of `docker run`.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        network: str,
        redis_image: str,
        db_image: str,
        flags: list[str] | None = None,
    ) -> None:
        self.name, self.folder, self.flags = name, folder, flags or []
        self.images = {"redis": redis_image, "db": db_image}
        [configuration] = json.loads(docker("network", "inspect", network))[0]["IPAM"]["Config"]
        # A network that was given a subnet and no gateway has the first address for it.
        self.address = configuration.get("Gateway") or configuration["Subnet"].rpartition(".")[0] + ".1"
        self.redis_port, self.db_port = free_port(), free_port()
        self.ca = folder / "ours.pem"

    def __enter__(self) -> Outside:
        try:
            self._certificates()
            self._start()
            eventually(lambda: self.sql("SELECT 1") == "1", 60, "the database answers")
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def _certificates(self) -> None:
        authority(self.folder, "ours")
        request = f"{self.folder}/request.pem"
        openssl("req", *CURVE, "-subj", "/CN=stores", "-keyout", f"{self.folder}/key.pem", "-out", request)
        names = f"subjectAltName=IP:{self.address}\nauthorityKeyIdentifier=keyid\n"
        (self.folder / "names").write_text(names)
        openssl(
            *("x509", "-req", "-days", "2", "-in", request, "-extfile", f"{self.folder}/names"),
            *("-CA", str(self.ca), "-CAkey", f"{self.folder}/ours.key", "-out", f"{self.folder}/cert.pem"),
        )

    def _start(self) -> None:
        # PostgreSQL takes a key only from its owner; these are read by uid 999.
        tls = f"{self.name}-tls"
        docker("volume", "create", tls)
        copy = "cp /given/*.pem /tls/ && chown -R 999:999 /tls && chmod 600 /tls/key.pem"
        flags = ["--rm", "--user", "0", "--volume", f"{self.folder}:/given:ro", "--volume", f"{tls}:/tls"]
        docker("run", *flags, "--entrypoint", "sh", self.images["db"], "-c", copy)
        common = [
            "--detach",
            "--network",
            "host",
            "--volume",
            f"{tls}:/tls:ro",
            "--tmpfs",
            "/tmp",
            *self.flags,
        ]
        docker(
            *("run", "--name", f"{self.name}-redis", *common, self.images["redis"], "redis-server"),
            *("--port", "0", "--tls-port", str(self.redis_port), "--bind", self.address),
            *(
                "--requirepass",
                PASSWORD,
                "--tls-cert-file",
                "/tls/cert.pem",
                "--tls-key-file",
                "/tls/key.pem",
            ),
            *("--tls-ca-cert-file", "/tls/ours.pem", "--tls-auth-clients", "no"),
        )
        docker(
            *("run", "--name", f"{self.name}-db", *common, "--env", f"POSTGRES_PASSWORD={PASSWORD}"),
            *("--env", "POSTGRES_USER=app", "--env", "POSTGRES_DB=app", self.images["db"], "postgres"),
            *("-c", "ssl=on", "-c", "ssl_cert_file=/tls/cert.pem", "-c", "ssl_key_file=/tls/key.pem"),
            *("-c", f"listen_addresses={self.address}", "-c", f"port={self.db_port}"),
        )

    def sql(self, statement: str) -> str:
        """The answer of the database, "" where it does not answer."""
        command = ["psql", "--username", "app", "--port", str(self.db_port), "--tuples-only", "--no-align"]
        try:
            return docker("exec", f"{self.name}-db", *command, "app", "--command", statement).strip()
        except StackError:
            return ""

    def secrets(self, ca: Path) -> dict[str, str]:
        """What the operator writes, with the authority's certificate in CA."""
        login, place = f":{PASSWORD}", "/run/secrets/data_ca"
        return {
            "redis_url": f"rediss://{login}@{self.address}:{self.redis_port}/0?ssl_ca_certs={place}",
            "database_url": f"postgresql://app{login}@{self.address}:{self.db_port}/app"
            f"?sslmode=verify-full&sslrootcert={place}",
            "data_ca": ca.read_text(),
        }

    def remove(self) -> None:
        """Both, with all they hold."""
        subprocess.run(
            ["docker", "rm", "--force", "--volumes", f"{self.name}-redis", f"{self.name}-db"],
            capture_output=True,
            check=False,
        )
        subprocess.run(
            ["docker", "volume", "rm", "--force", f"{self.name}-tls"], capture_output=True, check=False
        )
