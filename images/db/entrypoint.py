#!/usr/bin/python3
"""Start PostgreSQL; on an empty volume create the cluster first, completely or not at all.

Keeps the contract of the official image: POSTGRES_USER (default postgres), POSTGRES_DB (default: the user's
name), POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE, POSTGRES_INITDB_ARGS, PGDATA (default
/var/lib/postgresql/data). Scripts in /docker-entrypoint-initdb.d are refused: `release` makes the schema. Any
other command than `postgres` runs untouched.

Exit code 78: the configuration is refused, one line per problem. Exit code 1: initdb failed. Otherwise the
process becomes the command. Needs nothing beyond Debian's python3-minimal.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

SCRIPTS = Path("/docker-entrypoint-initdb.d")
REFUSED = 78
SHARED_SOCKETS = Path("/run/backup")
"""Where backups find a socket of the server: a volume, which outlives a container (compose/compose.backup.yml)."""

ALONE_SECONDS = 120
"""Twice the time that a former server is given to end (stop_grace_period)."""

# PGDATA is the mount point itself, so the finished cluster cannot be renamed into place as a whole. It is
# built in STAGE, marked by COMPLETE and then moved entry by entry, PG_VERSION last: a start that was killed
# at any moment can be continued.
STAGE = ".initializing"
COMPLETE = ".complete"


def say(text: str) -> None:
    """Write one line to the container's log."""
    print(f"db: {text}", file=sys.stderr, flush=True)


def starts_server(command: list[str]) -> bool:
    """Whether this is `postgres` (or only flags for it), not `bash` or `postgres --version`."""
    questions = {"--help", "-?", "--version", "-V", "--describe-config"}
    return (not command or command[0] == "postgres" or command[0].startswith("-")) and not questions & set(
        command
    )


class Settings:
    """What the environment says; `problems` holds one line for each thing that is wrong."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.problems: list[str] = []
        self.user = environment.get("POSTGRES_USER") or "postgres"
        self.database = environment.get("POSTGRES_DB") or self.user
        self.data = Path(environment.get("PGDATA") or "/var/lib/postgresql/data")
        self.password = self._password(environment)
        self.arguments = environment.get("POSTGRES_INITDB_ARGS", "").split()
        for name, value in (("POSTGRES_USER", self.user), ("POSTGRES_DB", self.database)):
            if len(value.encode()) > 63 or not value.isprintable():
                self.problems.append(f"{name} is longer than 63 bytes or holds a control character")
        if SCRIPTS.is_dir() and os.listdir(SCRIPTS):
            self.problems.append(
                f"{SCRIPTS} holds scripts, which this image does not run: make the schema in `release`"
            )

    def _password(self, environment: dict[str, str]) -> str:
        given, file = environment.get("POSTGRES_PASSWORD"), environment.get("POSTGRES_PASSWORD_FILE")
        if given and file:
            self.problems.append("POSTGRES_PASSWORD and POSTGRES_PASSWORD_FILE are both set: keep one")
            return ""
        if file:
            try:
                given = Path(file).read_text().rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                self.problems.append(f"POSTGRES_PASSWORD_FILE: cannot read {file}: {error}")
                return ""
        if not given or not given.strip():
            where = (
                f"the file {file} is empty"
                if file
                else "POSTGRES_PASSWORD_FILE (or POSTGRES_PASSWORD) is not set"
            )
            self.problems.append(
                f"{where}: a password is needed, e.g. POSTGRES_PASSWORD_FILE=/run/secrets/db_password"
            )
            return ""
        if "\n" in given or "\r" in given:
            self.problems.append("the password has more than one line")
        return given


def state(data: Path) -> str:
    """Return `ready`, `staged` (complete but not all moved), `empty`, or what prevents a start."""
    if (data / "PG_VERSION").exists():
        return "ready"
    if (data / STAGE / COMPLETE).exists():
        return "staged"
    strangers = sorted({entry.name for entry in data.iterdir()} - {STAGE, "lost+found"})
    return f"it holds {', '.join(strangers[:3])} but no cluster" if strangers else "empty"


def alone(data: Path) -> bool:
    """Wait until no other container runs on this volume, and keep it for the process that this one becomes.

    Swarm starts a task again on a node that was cut off while its former one still ends there. PostgreSQL's own lock is a
    process number, which says nothing in another container: two servers on one cluster destroy it.
    """
    folder = os.open(data, os.O_RDONLY)
    os.set_inheritable(folder, True)
    end, reported = time.monotonic() + ALONE_SECONDS, False
    while True:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if not reported:
                say(f"{data} is in use by another container: waiting until that has ended")
            reported = True
        if time.monotonic() > end:
            return False
        time.sleep(0.1)


def forget_sockets() -> None:
    """Remove the socket of a server that was killed: its lock is a process number, which another may have by now."""
    for path in SHARED_SOCKETS.glob(".s.PGSQL.*"):
        path.unlink(missing_ok=True)


def remove(folder: Path) -> None:
    """Delete a folder with all it holds, if it is there."""
    subprocess.run(["rm", "--recursive", "--force", "--", str(folder)], check=True)


def settle(path: Path) -> None:
    """Let a file's content, or a folder's entries, outlive a power cut; not os.sync(), which waits for the whole machine."""
    opened = os.open(path, os.O_RDONLY)
    os.fsync(opened)
    os.close(opened)


def create(settings: Settings) -> None:
    """Build the cluster, its superuser and its database in STAGE; a start that was killed begins again."""
    stage = settings.data / STAGE
    remove(stage)
    # The password goes through a pipe: it is in no file, argument or environment of another process.
    reader, writer = os.pipe()
    os.write(writer, settings.password.encode() + b"\n")
    os.close(writer)
    subprocess.run(
        [
            "initdb",
            f"--pgdata={stage}",
            f"--username={settings.user}",
            f"--pwfile=/dev/fd/{reader}",
            # Whoever is inside the container may come in; over the network a password is needed.
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            "--data-checksums",
            # PostgreSQL's own collation: an upgrade of the C library cannot corrupt an index.
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C.UTF-8",
            "--set=listen_addresses=*",
            "--set=password_encryption=scram-sha-256",
            *settings.arguments,
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        pass_fds=[reader],
    )
    os.close(reader)
    with (stage / "pg_hba.conf").open("a") as rules:
        rules.write("\n# The data network (entrypoint.py).\nhost all all all scram-sha-256\n")
    if settings.database != "postgres":
        create_database(stage, settings.database)
    # The rest was made durable by initdb and by the server that created the database.
    settle(stage / "pg_hba.conf")
    (stage / COMPLETE).touch()
    settle(stage)


def create_database(cluster: Path, name: str) -> None:
    """Create a database in a cluster that does not run: single-user mode needs no port and no password."""
    quoted = name.replace('"', '""')
    done = subprocess.run(
        ["postgres", "--single", "-D", str(cluster), "postgres"],
        input=f'CREATE DATABASE "{quoted}"\n',
        text=True,
        check=True,
        capture_output=True,
    )
    # It exits 0 even if the statement failed, so the database is looked for by its message.
    if "ERROR:" in done.stderr:
        sys.stderr.write(done.stderr)
        raise subprocess.CalledProcessError(1, "CREATE DATABASE")


def move(data: Path) -> None:
    """Move what is complete from STAGE into place, PG_VERSION last."""
    stage = data / STAGE
    entries = [entry for entry in stage.iterdir() if entry.name not in (COMPLETE, "PG_VERSION")]
    for entry in [*entries, stage / "PG_VERSION"]:
        if entry.name == "PG_VERSION":
            settle(data)
        entry.rename(data / entry.name)
    settle(data)
    remove(stage)


def prepare(settings: Settings) -> list[str]:
    """Make PGDATA ready to start from; return the problems that prevent it."""
    data = settings.data
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = state(data)
    except OSError as error:
        return [f"PGDATA: {error}. It must belong to uid {os.getuid()}"]
    if found == "ready":
        remove(data / STAGE)
        return []
    if found not in ("empty", "staged"):
        return [f"PGDATA {data}: {found}. Empty it, or mount the right volume"]
    if found == "empty":
        if settings.problems:
            return settings.problems
        if not os.access(data, os.W_OK | os.X_OK):
            return [
                f"PGDATA {data} belongs to uid {data.stat().st_uid}; uid {os.getuid()} cannot write there"
            ]
        say(f"empty volume: creating the cluster, superuser {settings.user}, database {settings.database}")
        create(settings)
    move(data)
    data.chmod(0o700)
    say("the cluster is complete")
    return []


def main(command: list[str]) -> int:
    """Prepare if the server is what will run, then become the command."""
    if starts_server(command):
        if os.getuid() == 0:
            say("PostgreSQL refuses to run as root: use uid 999 (docker run --user 999:999)")
            return REFUSED
        try:
            settings = Settings(dict(os.environ))
            settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not alone(settings.data):
                say(f"another container still runs on {settings.data} after {ALONE_SECONDS} s: stop it")
                return 1
            forget_sockets()
            problems = prepare(settings)
        except PermissionError as error:
            problems = [f"{error}. Files of this container belong to uid {os.getuid()}"]
        except OSError as error:
            problems = [f"PGDATA: {error}. It must belong to uid {os.getuid()}"]
        except subprocess.CalledProcessError as error:
            name = error.cmd if isinstance(error.cmd, str) else error.cmd[0]
            say(f"{name} failed with exit code {error.returncode}; see its message above")
            return 1
        if problems:
            for problem in problems:
                say(problem)
            return REFUSED
        os.environ["PGDATA"] = str(settings.data)
        if not command or command[0].startswith("-"):
            command = ["postgres", *command]
    os.execvp(command[0], command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
