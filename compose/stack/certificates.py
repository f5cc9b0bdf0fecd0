"""A local certificate authority and the edge's certificate, made once with the openssl command."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from .console import Failure, detail
from .paths import Deployment
from .secrets import APPLICATION, write

AUTHORITY_DAYS = 3650
CERTIFICATE_DAYS = 397
"""Browsers refuse server certificates that live longer (CA/Browser Forum ballot SC-31, 398 days)."""


def openssl(*arguments: str) -> str:
    """Run openssl; Failure with what it said."""
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(f"openssl {arguments[0]} failed: {done.stderr.strip().splitlines()[-1:]}")
    return done.stdout


def alternative_names(domains: list[str]) -> str:
    """subjectAltName for DOMAINS; this machine's own names are always in it, for the first look."""
    names = dict.fromkeys([*domains, "localhost"])
    return ",".join([*(f"DNS:{name}" for name in names), "IP:127.0.0.1", "IP:::1"])


def make(deployment: Deployment, domains: list[str]) -> None:
    """Create the authority and the certificate where they are missing."""
    certificate = deployment.secrets / "tls_pem"
    if certificate.exists():
        return
    authority = deployment.authority
    authority.mkdir(mode=0o700, exist_ok=True)
    key, root = authority / "ca.key", authority / "ca.pem"
    if not root.exists():
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(key))
        subject = "/CN=channels-stack local authority"
        extensions = [
            "-addext",
            "basicConstraints=critical,CA:TRUE,pathlen:0",
            "-addext",
            "keyUsage=critical,keyCertSign,cRLSign",
        ]
        openssl(
            "req",
            "-x509",
            "-new",
            "-key",
            str(key),
            "-days",
            str(AUTHORITY_DAYS),
            "-subj",
            subject,
            *extensions,
            "-out",
            str(root),
        )
        key.chmod(0o400)
    with tempfile.TemporaryDirectory(dir=authority) as name:
        folder = Path(name)
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(folder / "key"))
        openssl(
            "req",
            "-new",
            "-key",
            str(folder / "key"),
            "-subj",
            f"/CN={domains[0]}",
            "-out",
            str(folder / "request"),
        )
        (folder / "extensions").write_text(
            f"subjectAltName={alternative_names(domains)}\nextendedKeyUsage=serverAuth\n"
            "keyUsage=critical,digitalSignature\nbasicConstraints=critical,CA:FALSE\n"
        )
        signing = ["-CA", str(root), "-CAkey", str(key), "-CAcreateserial", "-days", str(CERTIFICATE_DAYS)]
        openssl(
            "x509",
            "-req",
            "-in",
            str(folder / "request"),
            *signing,
            "-extfile",
            str(folder / "extensions"),
            "-out",
            str(folder / "certificate"),
        )
        text = (folder / "certificate").read_text() + root.read_text() + (folder / "key").read_text()
    write(certificate, text, APPLICATION)
    detail(f"trust {root} in your browser to see a green lock")


def problems(deployment: Deployment, domains: list[str]) -> list[tuple[str, str]]:
    """(problem, way out) of the certificate in use: unreadable, soon over, or not for the DOMAINS."""
    certificate = deployment.secrets / "tls_pem"
    if not certificate.exists():
        return []
    again = (
        f"replace {certificate} (certificate, chain and key in one file), or remove it to have it made anew"
    )
    try:
        text = openssl("x509", "-in", str(certificate), "-noout", "-ext", "subjectAltName")
        expired = subprocess.run(
            ["openssl", "x509", "-in", str(certificate), "-noout", "-checkend", "86400"],
            capture_output=True,
            check=False,
        )
    except (Failure, PermissionError):
        return []  # readable by its consumer alone; the edge's own start will tell
    found = [("the certificate ends within a day", again)] if expired.returncode else []
    names = [part.strip().removeprefix("DNS:") for part in text.replace("\n", ",").split(",")]
    for domain in domains:
        if domain not in names and f"*.{domain.partition('.')[2]}" not in names:
            found.append((f"the certificate is not for {domain}", again))
    return found
