"""What the environment and the secrets say, checked as a whole, and the configuration of pgBackRest made from it."""

from __future__ import annotations

import base64
import binascii
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from .console import Refusal
from .places import CONFIGURATION, DATA, FOLDER, RUN, SECRETS, STANZA, TEMPORARY

FORMS = (
    "it takes volume, /a/folder, sftp://user@host[:port]/path?host-key=SHA256:… "
    "or s3://bucket/path?endpoint=host[:port]&region=…"
)


@dataclass(frozen=True)
class Settings:
    """The settings in effect."""

    repository: str
    hours: int
    """Between two backups."""
    full_days: int
    """Between two full ones."""
    keep_days: int
    """How far one can go back."""
    wal_seconds: int
    """After which what was written is to be in the repository."""
    user: str
    """PostgreSQL's superuser."""
    options: dict[str, str]
    """pgBackRest's options of the repository."""
    files: dict[str, str]
    """Files that those options name, in TEMPORARY: name -> text."""

    @property
    def cipher(self) -> str:
        """The key that every file of the repository is encrypted with."""
        return self.options["repo1-cipher-pass"]

    def configuration(self) -> str:
        """The text of pgbackrest.conf."""
        lines = {
            **self.options,
            "repo1-cipher-type": "aes-256-cbc",
            "repo1-retention-full-type": "time",
            "repo1-retention-full": str(self.keep_days),
            # Small files travel together, and of a large file only the blocks that changed.
            "repo1-bundle": "y",
            "repo1-block": "y",
            "compress-type": "zst",
            "compress-level": "3",
            "process-max": "2",
            # A backup begins at once, not with the next scheduled checkpoint.
            "start-fast": "y",
            "archive-timeout": "120",
            "log-level-console": "warn",
            "log-level-file": "off",
            "lock-path": str(TEMPORARY),
        }
        text = "[global]\n" + "".join(f"{name}={value}\n" for name, value in lines.items())
        text += "\n[global:backup]\nexclude=.restoring\nexclude=.before-restore\n"
        return text + (
            f"\n[{STANZA}]\npg1-path={DATA}\npg1-socket-path={RUN}\npg1-user={self.user}\npg1-database=postgres\n"
        )

    def write(self) -> None:
        """Leave the configuration where the commands find it, readable by this user alone."""
        TEMPORARY.mkdir(mode=0o700, exist_ok=True)
        for path, text in {
            CONFIGURATION: self.configuration(),
            **{TEMPORARY / name: text for name, text in self.files.items()},
        }.items():
            new = path.with_name(f"{path.name}.{os.getpid()}")
            new.touch(mode=0o600)
            new.write_text(text)
            new.replace(path)


def load(environment: dict[str, str], secrets: Path = SECRETS) -> Settings:
    """Read everything; Refusal names all that is wrong."""
    problems: list[str] = []

    def number(name: str) -> int:
        text = environment.get(name, "")
        if not re.fullmatch(r"[1-9]\d{0,5}", text):
            problems.append(f"{name} is {text!r}; it takes a whole number, 1 or more")
            return 1
        return int(text)

    def secret(name: str) -> str:
        try:
            return (secrets / name).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            problems.append(f"the secret {name} cannot be read: {reason}")
            return ""

    cipher = secret("backup_cipher")
    if cipher and not re.fullmatch(r"[!-~]{20,}", cipher):
        problems.append("the secret backup_cipher is to be one word of 20 or more printable ASCII characters")
    elif not cipher and not problems:
        problems.append("the secret backup_cipher is empty")
    repository = environment.get("BACKUP_REPOSITORY", "").strip()
    options, files = store(repository, secret("backup_credentials"), problems)
    found = Settings(
        repository=repository.partition("?")[0],
        hours=number("BACKUP_HOURS"),
        full_days=number("BACKUP_FULL_DAYS"),
        keep_days=number("BACKUP_KEEP_DAYS"),
        wal_seconds=number("BACKUP_WAL_SECONDS"),
        user=environment.get("POSTGRES_USER") or "postgres",
        options={**options, "repo1-cipher-pass": cipher},
        files=files,
    )
    if problems:
        raise Refusal("\n".join(problems))
    return found


def store(repository: str, credentials: str, problems: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """(options of pgBackRest, files that they name) for where REPOSITORY is; what is wrong goes to PROBLEMS."""
    if repository == "volume" or repository.startswith("/"):
        return {"repo1-type": "posix", "repo1-path": str(FOLDER)}, {}
    address = urlsplit(repository)
    query = dict(part.partition("=")[::2] for part in address.query.split("&") if part)
    try:
        port = address.port
    except ValueError:
        port = -1
    if address.scheme == "sftp":
        known = {"host-key"}
        options, files = sftp(address.username or "", address.hostname or "", port or 22, query, problems)
        files["ssh_key"] = credentials + "\n"
        if "PRIVATE KEY-----" not in credentials:
            problems.append(
                "the secret backup_credentials is to hold the private key for SFTP, without a passphrase"
            )
    elif address.scheme == "s3":
        known = {"endpoint", "region", "style"}
        options, files = s3(address.netloc, query, credentials, problems)
    else:
        problems.append(f"BACKUP_REPOSITORY is {repository!r}; {FORMS}")
        return {}, {}
    nowhere = address.scheme == "sftp" and not address.path.strip("/")
    if port == -1 or nowhere:
        problems.append(f"BACKUP_REPOSITORY is {repository!r}; {FORMS}")
    problems += [
        f"BACKUP_REPOSITORY has {name!r}; {address.scheme} takes {', '.join(sorted(known))}"
        for name in sorted(query.keys() - known)
    ]
    return {**options, "repo1-type": address.scheme, "repo1-path": address.path or "/"}, files


def sftp(
    user: str, host: str, port: int, query: dict[str, str], problems: list[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Options of an SFTP server, which has to have the host key named."""
    if not user or not host:
        problems.append(f"BACKUP_REPOSITORY lacks the user or the host; {FORMS}")
    try:
        kind, _, text = query.get("host-key", "").partition(":")
        fingerprint = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        if kind != "SHA256" or len(fingerprint) != 32:
            raise binascii.Error
    except binascii.Error:
        fingerprint = b""
        problems.append(
            "BACKUP_REPOSITORY needs ?host-key=SHA256:…, the server's own key, so that no other can take its place; "
            "there it is printed by: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"
        )
    return {
        "repo1-sftp-host": host,
        "repo1-sftp-host-user": user,
        "repo1-sftp-host-port": str(port),
        "repo1-sftp-host-key-check-type": "fingerprint",
        "repo1-sftp-host-key-hash-type": "sha256",
        "repo1-sftp-host-fingerprint": fingerprint.hex(),
        "repo1-sftp-private-key-file": str(TEMPORARY / "ssh_key"),
    }, {}


def s3(
    bucket: str, query: dict[str, str], credentials: str, problems: list[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Options of an S3-compatible store; credentials are `KEY:SECRET`, then perhaps the certificates to trust."""
    first, _, certificates = credentials.partition("\n")
    key, _, secret = first.strip().partition(":")
    if not key or not secret:
        problems.append("the secret backup_credentials is to hold `KEY:SECRET` in its first line for S3")
    problems += [
        f"BACKUP_REPOSITORY lacks {name}; {FORMS}" for name in ("endpoint", "region") if not query.get(name)
    ]
    if not bucket:
        problems.append(f"BACKUP_REPOSITORY lacks the bucket; {FORMS}")
    if query.get("style", "path") not in ("path", "host"):
        problems.append(f"BACKUP_REPOSITORY has style={query['style']}; it takes path or host")
    host, _, port = query.get("endpoint", "").partition(":")
    options = {
        "repo1-s3-bucket": bucket,
        "repo1-s3-endpoint": host,
        "repo1-storage-port": port or "443",
        "repo1-s3-region": query.get("region", ""),
        "repo1-s3-uri-style": query.get("style", "path"),
        "repo1-s3-key": key,
        "repo1-s3-key-secret": secret,
    }
    if "-----BEGIN CERTIFICATE-----" not in certificates:
        return options, {}
    return {**options, "repo1-storage-ca-file": str(TEMPORARY / "s3_ca")}, {"s3_ca": certificates + "\n"}
