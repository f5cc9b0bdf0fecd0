"""Calling pgBackRest, and saying in one line what its errors mean here."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from typing import Any

from .console import Failure
from .places import CONFIGURATION, STANZA

MEANINGS = (
    (
        r"unable to verify certificate|hostname .* in certificate",
        "the certificate of the store is not trusted, or not for its name: certificates to trust follow KEY:SECRET in "
        "backup_credentials",
    ),
    (
        r"unable to load info file.*?(?:CryptoError|FormatError|ChecksumError|JsonFormatError)",
        "the key in the secret backup_cipher does not open the repository, or its index is damaged: bring the key that made it",
    ),
    (r"unable to load info file", "the repository holds no backups of this stack"),
    (
        r"do(?:es)? not match the database|do not match stanza|stanza-upgrade",
        "the repository holds the backups of another cluster: restore them here, or let BACKUP_REPOSITORY name another place",
    ),
    (r"unable to acquire lock", "another backup or restore is at work: try again when it has ended"),
    (
        r"checksum|CryptoError|cipher header|invalid zst|FormatError|zst error|file size .* does not match"
        r"|invalid manifest|unexpected EOF",
        "the repository is damaged",
    ),
    (r"No space left", "the disk is full"),
    (
        r"host key|fingerprint|HostConnect|unable to (?:get address|connect|authenticate)|ServiceError|libssh2|timed? ?out"
        r"|S3 request",
        "the store cannot be reached",
    ),
    (r"HTTP request failed", "the store refuses: check bucket, region and backup_credentials"),
)
"""(what pgBackRest says, what it means), the first that fits; its own words follow."""


@dataclass(frozen=True)
class Backup:
    """One backup set."""

    label: str
    start: int
    """Unix time; what was committed before is in it."""
    stop: int
    """Unix time; from here on its WAL can bring every moment."""
    kind: str
    """full or incr"""
    database_bytes: int
    """What it takes when restored."""
    repository_bytes: int
    """What it added to the repository."""
    wal: str
    """The first WAL segment that its restore needs."""
    damaged: bool
    """PostgreSQL's own page checksums did not fit when it was made."""


def command(*arguments: str) -> list[str]:
    """The command line of pgBackRest for ARGUMENTS."""
    return ["pgbackrest", f"--config={CONFIGURATION}", f"--stanza={STANZA}", *arguments]


def run(*arguments: str, data: bytes | None = None) -> bytes:
    """What pgBackRest writes to stdout; Failure in one line where it fails."""
    done = subprocess.run(command(*arguments), input=data or b"", capture_output=True, check=False)
    if done.returncode:
        raise Failure(meaning(done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")))
    return done.stdout


def meaning(text: str) -> str:
    """One line from the output of pgBackRest: what it means here, then the beginning of its own message."""
    errors = (
        re.findall(r"ERROR: (\[\d+\]: [^\n]*)", text)
        or text.strip().splitlines()[:1]
        or ["no reason was given"]
    )
    first = "".join(character for character in errors[0].strip() if character.isprintable())[:200]
    for pattern, words in MEANINGS:
        if re.search(pattern, text, re.IGNORECASE | re.DOTALL):
            return f"{words} (pgBackRest: {first})"
    return f"pgBackRest: {first}"


def information() -> dict[str, Any]:
    """What the repository knows of the cluster; empty where there is nothing yet."""
    found = json.loads(run("--output=json", "info").decode(errors="replace") or "[]", strict=False)
    entry: dict[str, Any] = found[0] if found else {}
    status = entry.get("status", {})
    # 1: no stanza path, 2: no backup yet; the rest is an error that the status alone reports.
    problems = [repo["status"] for repo in entry.get("repo", []) if repo["status"]["code"] not in (0, 1, 2)]
    if problems:
        raise Failure(meaning(problems[0]["message"]))
    return entry if status else {}


def knows(system: str) -> bool:
    """Whether the repository was made for the cluster with PostgreSQL's number SYSTEM, and for no later one."""
    clusters = information().get("db", [])
    return bool(clusters) and str(clusters[-1]["system-id"]) == system


def backups(entry: dict[str, Any] | None = None) -> list[Backup]:
    """Every backup that can be restored, the oldest first."""
    found = information() if entry is None else entry
    return [
        Backup(
            label=each["label"],
            start=each["timestamp"]["start"],
            stop=each["timestamp"]["stop"],
            kind=each["type"],
            database_bytes=each["info"]["size"],
            repository_bytes=each["info"]["repository"]["delta"],
            wal=each["archive"]["start"] or "",
            damaged=bool(each.get("error")),
        )
        for each in found.get("backup", [])
    ]


def newest_wal(entry: dict[str, Any]) -> str:
    """The name of the newest WAL segment in the repository, "" for none."""
    archives = [each["max"] for each in entry.get("archive", []) if each["max"]]
    return archives[-1] if archives else ""
