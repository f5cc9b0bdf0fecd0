"""Services of compose.backup.yml in containers of one test module."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from ..conftest import Container, Yard, docker, wait_for

DATA = "/var/lib/postgresql/data"
CIPHER = "a-key-of-this-test-" + "0123456789abcdef"
WAL_SECONDS = 3
"""Short, so that tests need not wait; a stack has 60."""


@dataclass
class Place:
    """What compose.backup.yml describes: db, redis and backup over shared volumes. The alias of each is its name there."""

    yard: Yard
    images: dict[str, str]
    secrets: Path
    settings: dict[str, str] = field(default_factory=dict)
    volumes: dict[str, str] = field(default_factory=dict)
    services: dict[str, Container] = field(default_factory=dict)

    def volume(self, name: str) -> str:
        """The volume NAME of this place."""
        if name not in self.volumes:
            self.volumes[name] = self.yard.volume()
        return self.volumes[name]

    def start(self, *names: str) -> None:
        """Start services, and wait until they answer."""
        for name in names:
            self.services[name] = getattr(self, f"start_{name}")()

    def stop(self, *names: str) -> None:
        """Stop and remove services; their volumes stay."""
        for name in names:
            docker("rm", "--force", self.services[name].name) if name == "backup" else self.services[
                name
            ].stop()
            docker("rm", "--force", self.services.pop(name).name, check=False)

    def start_db(self, *, wait: bool = True) -> Container:
        """PostgreSQL with the command of compose.backup.yml."""
        options = {
            "archive_mode": "on",
            "archive_command": "pgbackrest-archive %f",
            "archive_timeout": f"{WAL_SECONDS}s",
            "unix_socket_directories": "/var/run/postgresql,/run/backup",
        }
        container = self.yard.start(
            self.images["db"],
            "postgres",
            *(word for name, value in options.items() for word in ("-c", f"{name}={value}")),
            flags=[
                "--network-alias=db",
                "--user=999:999",
                "--env=POSTGRES_USER=app",
                "--env=POSTGRES_PASSWORD_FILE=/run/secrets/db_password",
                f"--volume={self.secrets}:/run/secrets:ro",
                f"--volume={self.volume('data')}:{DATA}",
                f"--volume={self.volume('run')}:/run/backup",
                "--tmpfs=/tmp",
                "--tmpfs=/var/run/postgresql:uid=999,gid=999,mode=0700",
            ],
        )
        ready = ["pg_isready", "--quiet", "--host=127.0.0.1", "--username=app"]
        if not wait:
            return container
        try:
            wait_for(lambda: container.run(*ready, check=False).returncode == 0, "PostgreSQL answers", 60)
        except AssertionError as late:
            raise AssertionError(f"{late}; its log ends:\n{container.logs()[-1500:]}") from None
        return container

    def start_redis(self) -> Container:
        """Redis with an append-only file."""
        container = self.yard.start(
            self.images["redis"],
            *("redis-server", "--appendonly", "yes", "--dir", "/data", "--save", ""),
            flags=[
                "--network-alias=redis",
                "--user=999:999",
                f"--volume={self.volume('redis')}:/data",
                "--tmpfs=/tmp",
            ],
        )
        wait_for(
            lambda: container.run("redis-cli", "ping", check=False).stdout.strip() == "PONG", "Redis answers"
        )
        return container

    def start_backup(self, *, wait: bool = True, command: str = "serve", **settings: str) -> Container:
        """The service, or another COMMAND of its image."""
        environment = {
            "POSTGRES_USER": "app",
            "BACKUP_REPOSITORY": "volume",
            "BACKUP_HOURS": "6",
            "BACKUP_FULL_DAYS": "7",
            "BACKUP_KEEP_DAYS": "14",
            "BACKUP_WAL_SECONDS": str(WAL_SECONDS),
            **self.settings,
            **settings,
        }
        container = self.yard.start(
            self.images["backup"],
            "backup",
            *command.split(),
            flags=[
                "--network-alias=backup",
                "--user=999:999",
                *(f"--env={name}={value}" for name, value in environment.items()),
                f"--volume={self.secrets}:/run/secrets:ro",
                f"--volume={self.volume('data')}:{DATA}",
                f"--volume={self.volume('redis')}:/srv/redis",
                f"--volume={self.volume('run')}:/run/backup",
                f"--volume={self.volume('work')}:/srv/work",
                f"--volume={self.volume('repository')}:/srv/backup",
                "--tmpfs=/tmp:mode=1777",
            ],
        )
        if wait:
            wait_for(
                lambda: container.run("backup", "alive", check=False).returncode == 0, "backup answers", 30
            )
        return container

    def sql(self, statement: str, user: str = "app") -> str:
        """The answer of the running database."""
        return (
            self.services["db"]
            .run("psql", "-XAt", f"--username={user}", "--dbname=app", f"--command={statement}")
            .stdout.strip()
        )

    def backup(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command in the running service; its time is that of a small cluster on a busy machine."""
        name = self.services["backup"].name
        return docker("exec", name, "backup", *command, check=check, timeout=300)

    def inside(self, script: str) -> str:
        """Run a script where all volumes are."""
        return self.services["backup"].run("bash", "-ec", script).stdout

    def restore(self, *options: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Stop what writes, restore, start it again."""
        self.stop(*(name for name in ("db", "redis") if name in self.services))
        done = self.backup("restore", "--yes", *options, check=check)
        self.start("redis", "db")
        return done


def write_secrets(folder: Path, cipher: str = CIPHER, credentials: str = "") -> Path:
    """Files that uid 999 can read."""
    folder.chmod(0o755)
    for name, text in (
        ("db_password", "a 'password'\n"),
        ("backup_cipher", cipher),
        ("backup_credentials", credentials),
    ):
        (folder / name).write_text(text)
        (folder / name).chmod(0o444)
    return folder


def stored(place: Place) -> None:
    """Wait until all that was written up to now is in the repository."""
    segment = place.sql("SELECT pg_walfile_name(pg_create_restore_point('stored'))")
    wait_for(
        lambda: place.sql("SELECT last_archived_wal FROM pg_stat_archiver")[:24] >= segment,
        "WAL is stored",
        60,
    )
