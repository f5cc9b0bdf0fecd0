"""A PostgreSQL of our own over a restored folder, and sessions with it or with the running one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from . import repository
from .console import Failure, say, size
from .places import DATA, RUN, TEMPORARY

GAP = TEMPORARY / "gap"
"""Why a WAL segment could not be fetched, left by the command `backup fetch`."""

LIMIT = TEMPORARY / "limit"
"""The newest segment of the repository: one that is missing before it is a gap, not the end."""

LAST = TEMPORARY / "last"
"""The last segment that was fetched."""

SILENT = 1800
"""Seconds without one fetched segment or line of the log after which a recovery counts as stuck."""


def remove(folder: Path) -> None:
    """Delete FOLDER with all it holds, if it is there."""
    subprocess.run(["rm", "-rf", "--", str(folder)], check=True)


def room(folder: Path, needed: int) -> None:
    """Failure where the disk under FOLDER has less than NEEDED bytes and a tenth free."""
    found = os.statvfs(folder)
    free, wanted = found.f_bavail * found.f_frsize, needed * 1.1 + 100e6
    if free < wanted:
        raise Failure(
            f"{folder} has {size(free)} free and the restored cluster needs {size(wanted)}: enlarge the disk"
        )


def restore(into: Path, backup: repository.Backup, newest: str) -> None:
    """Bring the files of BACKUP INTO a folder, each checked against its checksum; WAL up to NEWEST follows by `Server`."""
    remove(into)
    into.mkdir(mode=0o700)
    for path in (GAP, LAST):
        path.unlink(missing_ok=True)
    LIMIT.write_text(newest)
    # The settings of a recovery are flags of the server below, so that none of them stays behind in the cluster.
    repository.run(f"--pg1-path={into}", f"--set={backup.label}", "--type=none", "restore")
    (into / "recovery.signal").touch()


def fetch(name: str, target: str) -> int:
    """PostgreSQL's restore_command, in the folder of the cluster: 0 fetched, 1 there is none, 255 stop the recovery.

    To PostgreSQL a failure below 126 means the end of the WAL: it would go on with a part of the data, silently.
    """
    done = subprocess.run(
        repository.command(f"--pg1-path={os.getcwd()}", "archive-get", name, target),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        if len(name) == 24:
            LAST.write_text(name)
        return 0
    if done.returncode == 1:
        limit = LIMIT.read_text()
        if len(name) == 24 and name[:8] == limit[:8] and name < limit:
            GAP.write_text(
                f"the WAL segment {name} is missing from the repository, though later ones are there"
            )
            return 255
        return 1
    GAP.write_text(f"the WAL segment {name} cannot be used: {repository.meaning(done.stdout + done.stderr)}")
    return 255


class Server:
    """PostgreSQL over the restored folder DATA, reachable by its socket alone.

    Without TARGET (a pair of setting and value, such as recovery_target_name) it recovers all WAL there is. With KEPT
    the folder will be the stack's cluster: what it adds to the WAL is left to be archived.
    """

    def __init__(
        self, data: Path, user: str, *, target: tuple[str, str] | None = None, kept: bool = False
    ) -> None:
        self.data, self.user = data, user
        self.sockets = data.with_name(data.name + ".socket")
        self.log = data.with_name(data.name + ".log")
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.sockets),
            "logging_collector": "off",
            "log_destination": "stderr",
            "lc_messages": "C",
            "hot_standby": "off",
            "restore_command": 'backup fetch %f "%p"',
            "recovery_target_timeline": "latest",
            "recovery_target_action": "promote",
            "archive_mode": "on" if kept else "off",
            "archive_command": "",
            "fsync": "on" if kept else "off",
        }
        if target:
            settings[target[0]] = target[1]
        self.command = ["postgres", "-D", str(data)]
        for name, value in settings.items():
            self.command += ["-c", f"{name}={value}"]
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Server:
        remove(self.sockets)
        self.sockets.mkdir(mode=0o700)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        return self

    def __exit__(self, *problem: object) -> None:
        assert self.process
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(120)
        remove(self.sockets)
        self.log.unlink(missing_ok=True)

    def promoted(self) -> None:
        """Wait until all WAL is in and the server takes writes; Failure with the reason where it does not come so far."""
        assert self.process
        reported, seen, changed = time.monotonic(), "", time.monotonic()
        while True:
            if self.process.poll() is not None:
                raise Failure(self.reason())
            if query(self.sockets, self.user, "postgres", "SELECT pg_is_in_recovery()", check=False) == "f":
                return
            now = time.monotonic()
            state = f"{last()} {self.log.stat().st_size}"
            if state != seen:
                seen, changed = state, now
            if now - changed > SILENT:
                raise Failure(
                    f"the recovery stands still for {SILENT} s after WAL segment {last() or '(none)'}"
                )
            if now - reported > 15:
                say(f"recovering, WAL segment {last()}")
                reported = now
            time.sleep(0.2)

    def reason(self) -> str:
        """Why it ended."""
        if GAP.exists():
            return GAP.read_text()
        lines = self.log.read_text(errors="replace").splitlines()
        fatal = [line.partition("FATAL:")[2].strip() for line in lines if "FATAL:" in line]
        if any("before configured recovery target was reached" in line for line in fatal):
            return (
                "nothing was written at or after that moment: for the newest state leave the time out; "
                "`backup list` shows what there is"
            )
        return "PostgreSQL could not recover: " + " / ".join(fatal[:2] or lines[-2:])


def last() -> str:
    """The last WAL segment that a recovery fetched."""
    return LAST.read_text() if LAST.exists() else ""


def psql(sockets: Path, user: str, database: str) -> list[str]:
    """The command line of a session that writes values separated by tabs, and ends at the first error."""
    options = [
        "--no-psqlrc",
        "--quiet",
        "--no-align",
        "--tuples-only",
        "--field-separator=\t",
        "--set=ON_ERROR_STOP=1",
    ]
    return ["psql", *options, f"--host={sockets}", f"--username={user}", f"--dbname={database}"]


def query(sockets: Path, user: str, database: str, text: str, *, check: bool = True) -> str:
    """The answer to the statements TEXT; Failure where there is none and CHECK is on."""
    done = subprocess.run(
        psql(sockets, user, database), input=text, capture_output=True, text=True, check=False
    )
    if done.returncode and check:
        raise Failure(f"database {database}: {' '.join(done.stderr.split()) or 'no answer'}")
    return done.stdout.strip()


def live(user: str, database: str, text: str, *, check: bool = True) -> str:
    """The same from the running database."""
    return query(RUN, user, database, text, check=check)


def runs(user: str) -> bool:
    """Whether the stack's database runs."""
    done = subprocess.run(["pg_isready", "--quiet", f"--host={RUN}", f"--username={user}"], check=False)
    return done.returncode in (0, 1)  # 1: it starts or stops


class Session:
    """A session that stays open, for transactions of several steps."""

    MARK = "-- end of the answer --"

    def __init__(self, sockets: Path, user: str, database: str) -> None:
        self.database = database
        self.process = subprocess.Popen(
            psql(sockets, user, database),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ask(self, text: str) -> list[str]:
        """The lines of the answer to TEXT; Failure with PostgreSQL's complaint."""
        assert self.process.stdin and self.process.stdout and self.process.stderr
        try:
            self.process.stdin.write(f"{text};\n\\echo '{self.MARK}'\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Failure(f"database {self.database}: {self.process.stderr.read().strip()}") from None
        lines: list[str] = []
        for line in self.process.stdout:
            if line.rstrip("\n") == self.MARK:
                return lines
            lines.append(line.rstrip("\n"))
        raise Failure(f"database {self.database}: {' '.join(self.process.stderr.read().split())}")

    def close(self) -> None:
        """End it; what is open is rolled back."""
        if self.process.stdin and not self.process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                stream.close()
        self.process.wait()


def system(data: Path = DATA) -> str:
    """PostgreSQL's own number of the cluster in DATA, "" where there is none."""
    done = subprocess.run(["pg_controldata", str(data)], capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        if line.startswith("Database system identifier:"):
            return line.split(":")[1].strip()
    return ""
