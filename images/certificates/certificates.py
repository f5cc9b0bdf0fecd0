#!/usr/bin/python3
"""Certificates by ACME: account, order, renewal, and how it stands.

certificates run        account, certificate, renewals; stays (the service `certificates` of Compose)
certificates account    make the account where there is none; print its thumbprint
certificates renew      obtain or renew once, if it is due; print what happened
certificates health     one line on how it stands; exit 1 where the last attempt failed or little time is left

Challenges (HTTP-01, RFC 8555 section 8.3) are not answered here: the answer is the token and the account's thumbprint, so
every edge that has the thumbprint can give it, whichever of them the authority asks. certbot does the rest.

Environment: DOMAINS (names, separated by spaces), ACME_SERVER (its directory), ACME_EMAIL (may be empty), EDGE_ADDRESS (host:port
of the edges' plain port: `run` orders when all that the name leads to answer challenges; edge:8080).
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

ACCOUNT = Path("/srv/acme")
"""certbot's configuration folder: the account's key, orders, certificates. Keep it: a new account needs a new thumbprint."""

OUTPUT = Path("/srv/certificate")
"""What the edges need: tls.pem (certificate, chain, key) and thumbprint."""

LIVE = ACCOUNT / "live/edge"
"""The newest certificate that certbot has."""

STATUS = ACCOUNT / "status.json"
AUTHORITY = Path("/etc/acme/ca.pem")
"""Of a private ACME server's own certificate."""

SHORT_SECONDS = 10 * 86400
"""A certificate that lives shorter is renewed when half of its lifetime is left, any other at a third: certbot's own rule."""

LITTLE = 1 / 6
"""Part of the lifetime below which it is unhealthy: some attempts to renew it failed by then."""

LOOK_SECONDS = (10, 12 * 3600)
"""Between two looks: a tenth of what is left, within these. Twice a day is what Let's Encrypt asks for."""

RETRY_SECONDS = (900, 12 * 3600)
"""After a failure, doubled each time: Let's Encrypt takes 5 failed validations of a name in an hour."""

EDGE_SECONDS = 120
"""How long the edges may take to answer challenges once the thumbprint is there."""

BUSY_SECONDS = 60
"""How long a command waits for another certbot to end."""


class Failure(Exception):
    """What went wrong, for people."""


def main() -> int:
    """Run one command; 0 done, 1 failed, 78 settings that cannot work."""
    parser = argparse.ArgumentParser(
        prog="certificates", description="Obtain and renew the certificate of the edge."
    )
    parser.add_argument("command", choices=["run", "account", "renew", "health"])
    command = parser.parse_args().command
    if command == "health":
        good, text = health()
        print(text)
        return 0 if good else 1
    problem = refusal()
    if problem:
        print(f"certificates: {problem}", file=sys.stderr)
        return 78
    try:
        if command == "run":
            run()
        elif command == "account":
            print(account())
        else:
            print(renew())
    except Failure as failure:
        print(f"certificates: {failure}", file=sys.stderr)
        return 1
    return 0


def domains() -> list[str]:
    """The names that the certificate is for."""
    return os.environ.get("DOMAINS", "").split()


def refusal() -> str:
    """Why no authority would ever issue for DOMAINS; "" where one may."""
    bad = [
        name
        for name in domains()
        if "." not in name or name.startswith("*") or name.replace(".", "").isdigit()
    ]
    if bad or not domains():
        what = " ".join(bad) or "nothing"
        return f"DOMAINS names {what}: a certificate by ACME is for public names such as rooms.example.org"
    return ""


def run() -> None:
    """Have a certificate, and keep it fresh, until a stop."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    failures = 0
    while True:
        try:
            thumbprint = account()
            write(OUTPUT / "thumbprint", thumbprint + "\n")
            wait_for_edges(thumbprint)
            say(renew())
            failures = 0
            left, _ = lifetime()
            pause = min(max(left / 10, LOOK_SECONDS[0]), LOOK_SECONDS[1])
        except Failure as failure:
            record("failed", str(failure))
            pause = min(RETRY_SECONDS[0] * 2**failures, RETRY_SECONDS[1])
            failures += 1
            say(f"failed, next attempt in {pause / 60:.0f} min: {failure}")
        time.sleep(pause)


def say(text: str) -> None:
    """One line to the log."""
    print(f"certificates: {text}", file=sys.stderr, flush=True)


def certbot(*arguments: str) -> str:
    """Run certbot; Failure with what it says is wrong."""
    folders = ["--config-dir", str(ACCOUNT), "--work-dir", "/tmp/certbot", "--logs-dir", "/tmp/certbot/logs"]
    command = ["certbot", *arguments, *folders, "--non-interactive", "--server", os.environ["ACME_SERVER"]]
    more = {"REQUESTS_CA_BUNDLE": str(AUTHORITY)} if AUTHORITY.exists() else {}
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        done = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, **more}, check=False
        )
        if "Another instance of Certbot" not in done.stdout + done.stderr or time.monotonic() > deadline:
            break
        time.sleep(1)  # the service and a command by hand at the same time: one of them waits
    if done.returncode:
        raise Failure(reason(done.stdout + done.stderr))
    return done.stdout


def reason(text: str) -> str:
    """Of what certbot says, the lines that say what went wrong, as one."""
    noise = ("Saving debug log", "Ask for help", "See the logfile", "Hint:", "- - -")
    lines = [
        line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith(noise)
    ]
    return " ".join(lines)[-700:]


def account() -> str:
    """The account's thumbprint (RFC 7638); the account is made where there is none for ACME_SERVER."""
    if not key():
        email = os.environ.get("ACME_EMAIL")
        contact = ["--email", email, "--no-eff-email"] if email else ["--register-unsafely-without-email"]
        try:
            certbot("register", "--agree-tos", *contact)
        except Failure:
            if not key():  # another process may have made it a moment ago
                raise
    jwk = json.loads(key()[0].read_text())
    members = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y")}[jwk["kty"]]
    text = json.dumps({name: jwk[name] for name in members}, separators=(",", ":"), sort_keys=True)
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def key() -> list[Path]:
    """The file of the account's key, where there is one: certbot sorts accounts by their server's address."""
    place = os.environ["ACME_SERVER"].partition("://")[2]
    return sorted((ACCOUNT / "accounts" / place).glob("*/private_key.json"))


def wait_for_edges(thumbprint: str) -> None:
    """Until each edge behind EDGE_ADDRESS answers a challenge: the authority may ask any of them, and it counts failures.

    An edge that does not answer within EDGE_SECONDS must not let the certificate expire: the order is placed when at least
    one answers. Failure where none does.
    """
    host, _, port = os.environ.get("EDGE_ADDRESS", "edge:8080").rpartition(":")
    end = time.monotonic() + EDGE_SECONDS
    while True:
        try:
            found = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
            answers = {address[4][0]: challenge(address[4][0], int(port), thumbprint) for address in found}
        except OSError as error:
            answers = {host: str(error)}
        silent = [f"{address}: {problem}" for address, problem in answers.items() if problem]
        if not silent:
            return
        if time.monotonic() > end:
            break
        time.sleep(1)
    if len(silent) == len(answers):
        raise Failure(
            f"the edge at {host}:{port} does not answer challenges for {domains()[0]}: {', '.join(silent)}"
        )
    say(
        f"{len(silent)} of {len(answers)} edges do not answer challenges ({', '.join(silent)}); the others do: ordering"
    )


def challenge(address: str, port: int, thumbprint: str) -> str:
    """What the edge at ADDRESS answers in place of a challenge's answer; "" where it gives that."""
    token = secrets.token_urlsafe(16)
    link = http.client.HTTPConnection(address, port, timeout=3)
    try:
        link.request("GET", f"/.well-known/acme-challenge/{token}", headers={"Host": domains()[0]})
        answer = link.getresponse()
        text = answer.read(1000).decode(errors="replace")
        return "" if text == f"{token}.{thumbprint}" else f"status {answer.status}"
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        link.close()


def renew() -> str:
    """Obtain the certificate, or renew it if it is due or the names changed; say which."""
    before = current()
    names = [word for name in domains() for word in ("--domain", name)]
    # The file that this leaves is not served: the edges know the answer without it.
    place = Path("/tmp/certbot/challenges")
    place.mkdir(parents=True, exist_ok=True)
    flags = ["--keep-until-expiring", "--renew-with-new-domains", "--agree-tos", "--key-type", "ecdsa"]
    tell_when_due()
    try:
        certbot("certonly", "--cert-name", "edge", "--webroot", "--webroot-path", str(place), *flags, *names)
    except Failure as failure:
        record("failed", str(failure))
        raise
    text = (LIVE / "fullchain.pem").read_text() + (LIVE / "privkey.pem").read_text()
    if text != before:
        write(OUTPUT / "tls.pem", text)
    left, _ = lifetime()
    how = f"{' '.join(domains())}, {left / 86400:.1f} days left"
    record("ok", how)
    return f"{'nothing is due' if text == before else 'renewed' if before else 'obtained'}: {how}"


def tell_when_due() -> None:
    """Configure how long before its end the certificate that it has is to be renewed.

    certbot 4.0 (trixie's) takes 30 days where its file has no `renew_before_expiry`, which 4.1 fixed: a certificate of 6 days
    would be renewed at every look, and Let's Encrypt gives five of the same names in a week.
    """
    path = ACCOUNT / "renewal/edge.conf"
    if not path.exists():
        return
    _, whole = lifetime(LIVE / "cert.pem")
    before = whole / 2 if whole < SHORT_SECONDS else whole / 3
    name = "renew_before_expiry"
    lines = [line for line in path.read_text().splitlines() if not line.startswith(name)]
    # certbot gives its next file the mode of this one, and has to write that.
    write(path, "\n".join([f"{name} = {before:.0f} seconds", *lines]) + "\n", 0o600)


def current() -> str:
    """The certificate that the edges have now; "" where there is none."""
    path = OUTPUT / "tls.pem"
    return path.read_text() if path.exists() else ""


def lifetime(path: Path = OUTPUT / "tls.pem") -> tuple[float, float]:
    """(seconds left, seconds in all) of the certificate in PATH, that of the edges by default."""
    command = ["openssl", "x509", "-in", str(path), "-noout", "-startdate", "-enddate"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(f"{path} cannot be read: {done.stderr.strip()}")
    start, end = (
        datetime.strptime(line.partition("=")[2], "%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)
        for line in done.stdout.splitlines()
    )
    return (end - datetime.now(UTC)).total_seconds(), (end - start).total_seconds()


def health() -> tuple[bool, str]:
    """Whether all is well, and a line that says how it stands."""
    if not STATUS.exists():
        return False, "no attempt was made yet"
    status = json.loads(STATUS.read_text())
    if not current():
        return False, f"no certificate yet: {status['text']}"
    left, whole = lifetime()
    text = f"{left / 86400:.1f} days left; last attempt {status['at']}: {status['outcome']}, {status['text']}"
    return status["outcome"] == "ok" and left > whole * LITTLE, text


def record(outcome: str, text: str) -> None:
    """Remember how the last attempt went."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    write(STATUS, json.dumps({"at": at, "outcome": outcome, "text": text}))


def write(path: Path, text: str, mode: int = 0o400) -> None:
    """Write PATH in one step, for this user alone by default, and only where it would change."""
    if path.exists() and path.read_text() == text:
        return
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
    new.replace(path)


if __name__ == "__main__":
    sys.exit(main())
