"""Copies of Redis's append-only file: the jobs that wait. No connection to Redis is needed, so it grants no right.

Redis writes a base file, which never changes, and a file that only grows; a manifest, replaced in one step, names
both. What the manifest names is copied, and copied again if the manifest has changed meanwhile. A last command that is
cut off is left out by redis-check-aof, as Redis itself does at a start.

A copy is a tar archive in the folder redis/ of the repository, encrypted with the repository's key by OpenSSL, so it can
be read without us: openssl enc -d -aes-256-cbc -pbkdf2 -pass file:KEY | tar -tz.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from . import repository
from .console import Failure
from .places import REDIS, SECRETS, WORK

FOLDER = REDIS / "appendonlydir"
MANIFEST = "appendonly.aof.manifest"
EVERY = 300
"""Seconds between two checks whether jobs have changed."""

DAY = 86400
NAME = re.compile(r"(\d{10})-([0-9a-f]{16})\.tar\.gz")


@dataclass(frozen=True)
class Copy:
    """A copy in the repository: made at `moment` (unix seconds), its archive begins with this SHA-256."""

    moment: int
    digest: str

    @property
    def name(self) -> str:
        """Its path in the repository."""
        return f"redis/{self.moment}-{self.digest}.tar.gz"


def present() -> bool:
    """Whether Redis keeps its file where this container sees it."""
    return (FOLDER / MANIFEST).exists()


def signature() -> str:
    """What changes whenever Redis has written."""
    files = sorted(FOLDER.iterdir()) if present() else []
    return " ".join(f"{path.name}:{path.stat().st_size}" for path in files)


def gather(into: Path) -> None:
    """Copy the files that the manifest names INTO a folder, as they were at one moment."""
    for _ in range(20):
        clean(into)
        into.mkdir(parents=True)
        manifest = (FOLDER / MANIFEST).read_bytes()
        names = re.findall(rb"^file (\S+)", manifest, re.M)
        try:
            for name in names:
                copy(FOLDER / name.decode(), into / name.decode())
        except FileNotFoundError:
            continue  # rewritten meanwhile
        if (FOLDER / MANIFEST).read_bytes() == manifest:
            (into / MANIFEST).write_bytes(manifest)
            return
    raise Failure("Redis rewrites its append-only file without a pause: no copy of it could be made")


def copy(source: Path, target: Path) -> None:
    """Copy the bytes of SOURCE."""
    with source.open("rb") as reader, target.open("wb") as writer:
        while part := reader.read(1 << 20):
            writer.write(part)


def clean(folder: Path) -> None:
    """Remove FOLDER."""
    subprocess.run(["rm", "-rf", "--", str(folder)], check=True)


def check(folder: Path) -> None:
    """Leave only whole commands in the copy in FOLDER; Failure where it is none."""
    done = subprocess.run(
        ["redis-check-aof", "--fix", str(folder / MANIFEST)],
        input="y\n" * 4,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stdout + done.stderr).strip().splitlines()[-1:]
        raise Failure(f"the copy of Redis's append-only file is damaged: {' '.join(last)}")


def store() -> Copy:
    """Put a copy of the present state into the repository."""
    folder, archive = WORK / "jobs", WORK / "jobs.tar.gz"
    moment = int(time.time())
    try:
        gather(folder)
        check(folder)
        names = sorted(path.name for path in folder.iterdir())
        subprocess.run(
            [
                "tar",
                "--create",
                "--gzip",
                "--owner=999",
                "--group=999",
                f"--file={archive}",
                f"--directory={folder}",
                *names,
            ],
            check=True,
        )
        data = archive.read_bytes()
        made = Copy(moment, hashlib.sha256(data).hexdigest()[:16])
        repository.run("repo-put", "--raw", made.name, data=cipher("-e", data))
    finally:
        clean(folder)
        archive.unlink(missing_ok=True)
    return made


def cipher(direction: str, data: bytes) -> bytes:
    """DATA encrypted (-e) or decrypted (-d) with the key of the repository."""
    key = f"file:{SECRETS / 'backup_cipher'}"
    command = ["openssl", "enc", direction, "-aes-256-cbc", "-pbkdf2", "-pass", key]
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    if done.returncode:
        raise Failure(
            "a copy of the waiting jobs is damaged, or the key in the secret backup_cipher is not the one that made it"
        )
    return done.stdout


def copies() -> list[Copy]:
    """All copies in the repository, the oldest first."""
    listing = json.loads(repository.run("repo-ls", "redis", "--output=json") or b"{}")
    found = (NAME.fullmatch(name) for name in listing)
    return sorted((Copy(int(each[1]), each[2]) for each in found if each), key=lambda each: each.moment)


def fetch(wanted: Copy, into: Path) -> None:
    """Unpack a copy INTO a folder; Failure where it is not what was stored."""
    data = cipher("-d", repository.run("repo-get", "--raw", wanted.name))
    if hashlib.sha256(data).hexdigest()[:16] != wanted.digest:
        raise Failure(f"the copy of the waiting jobs {wanted.name} is damaged: its checksum differs")
    clean(into)
    into.mkdir(parents=True, mode=0o700)
    subprocess.run(
        ["tar", "--extract", "--gzip", f"--directory={into}", "--no-same-owner"], input=data, check=True
    )
    check(into)


def superfluous(found: list[Copy], keep_days: int, now: float) -> list[Copy]:
    """What may go: everything beyond KEEP_DAYS, and beyond one day all but the first copy of each day.

    The newest copy always stays, and so does the newest of those that are beyond: it belongs to the oldest moment
    that one can go back to.
    """
    gone: list[Copy] = []
    days: set[int] = set()
    for each in found[:-1]:
        day = each.moment // DAY
        if each.moment < now - keep_days * DAY or (each.moment < now - DAY and day in days):
            gone.append(each)
        days.add(day)
    beyond = [each for each in gone if each.moment < now - keep_days * DAY]
    return [each for each in gone if each not in beyond[-1:]]


def expire(keep_days: int) -> None:
    """Remove what is superfluous."""
    for each in superfluous(copies(), keep_days, time.time()):
        repository.run("repo-rm", each.name)
