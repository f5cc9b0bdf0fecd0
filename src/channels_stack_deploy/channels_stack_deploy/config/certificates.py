"""The edge's certificate, from one of three sources (CERTIFICATE): a local authority, given files, or ACME.

`make` returns certificate, chain and key as one PEM text; edge.py puts it where the edge reads it. With ACME the service
`certificates` obtains and renews it; until it has the first one, the edge serves one of the local authority.
"""

from __future__ import annotations

import ipaddress
import subprocess
import tempfile
from pathlib import Path

from ..console import Failure, detail
from ..paths import Deployment
from .secrets import write

AUTHORITY_DAYS = 3650
CERTIFICATE_DAYS = 365
"""Browsers refuse server certificates that live longer than 398 days, and guides to hardening ask for at most a year."""

RENEW_DAYS = 30
"""A certificate of the local authority is renewed when it has less left: a reload interrupts no client."""

Problem = tuple[str, str]
"""(what is wrong, the fix)."""


def make(deployment: Deployment, settings: dict[str, str]) -> str:
    """Certificate, chain and key for DOMAINS; what is missing of the local authority is made."""
    if settings["CERTIFICATE"] == "files":
        faults = problems(deployment, settings)
        if faults:
            raise Failure("\n".join(f"{problem}; {fix}" for problem, fix in faults))
        chain, key = given(deployment)
        return chain.read_text().rstrip() + "\n" + key.read_text()
    if settings["CERTIFICATE"] == "acme":
        deployment.acme.mkdir(parents=True, exist_ok=True)
    return local(deployment, settings["DOMAINS"].split())


def problems(deployment: Deployment, settings: dict[str, str]) -> list[Problem]:
    """All that speaks against the source that is chosen."""
    domains = settings["DOMAINS"].split()
    if settings["CERTIFICATE"] == "files":
        return problems_of_files(*given(deployment), domains)
    if settings["CERTIFICATE"] == "acme":
        public = "a certificate by ACME is for public names: set DOMAINS, or CERTIFICATE=local"
        wildcard = "name each host, or CERTIFICATE=files: wildcards need DNS-01"
        return [
            (f"DOMAINS has {name}", wildcard if name.startswith("*") else public)
            for name in domains
            if name.startswith("*") or "." not in name or name.replace(".", "").isdigit()
        ]
    return []


# --- The local authority --------------------------------------------------------------------------


def local(deployment: Deployment, domains: list[str]) -> str:
    """The edge's certificate of the local authority."""
    fresh = not (deployment.authority / "ca.pem").exists()
    text = issued(deployment, "local.pem", domains)
    if fresh:
        detail(f"trust {deployment.authority / 'ca.pem'} in your browser, and it warns no longer")
    return text


def issued(deployment: Deployment, name: str, domains: list[str]) -> str:
    """A certificate of the local authority in the file NAME; kept until it nears its end or the DOMAINS or addresses change."""
    authority = deployment.authority
    authority.mkdir(mode=0o700, parents=True, exist_ok=True)
    root, kept = authority / "ca.pem", authority / name
    if not root.exists():
        make_authority(authority / "ca.key", root)
    if not kept.exists() or not of_age(kept) or missing_names(kept, domains):
        text = sign(authority, domains)
        kept.unlink(missing_ok=True)
        write(kept, text)
    return kept.read_text()


def make_authority(key: Path, root: Path) -> None:
    """A key and its own certificate, which may sign servers' certificates and no other authorities."""
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(key))
    key.chmod(0o400)
    may = [
        "-addext",
        "basicConstraints=critical,CA:TRUE,pathlen:0",
        "-addext",
        "keyUsage=critical,keyCertSign,cRLSign",
    ]
    subject = ["-days", str(AUTHORITY_DAYS), "-subj", "/CN=channels-stack local authority"]
    openssl("req", "-x509", "-new", "-key", str(key), *subject, *may, "-out", str(root))


def sign(authority: Path, domains: list[str]) -> str:
    """A new key and certificate for DOMAINS, with the authority's own."""
    with tempfile.TemporaryDirectory(dir=authority) as name:
        folder = Path(name)
        key, request, extensions, certificate = (
            folder / part for part in ("key", "request", "extensions", "certificate")
        )
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(key))
        openssl("req", "-new", "-key", str(key), "-subj", f"/CN={domains[0]}", "-out", str(request))
        extensions.write_text(
            f"subjectAltName={alternative_names(domains)}\nextendedKeyUsage=serverAuth\n"
            "keyUsage=critical,digitalSignature\nbasicConstraints=critical,CA:FALSE\n"
        )
        by = ["-CA", str(authority / "ca.pem"), "-CAkey", str(authority / "ca.key"), "-CAcreateserial"]
        of = ["-in", str(request), "-days", str(CERTIFICATE_DAYS), "-extfile", str(extensions)]
        openssl("x509", "-req", *of, *by, "-out", str(certificate))
        return certificate.read_text() + (authority / "ca.pem").read_text() + key.read_text()


def alternative_names(domains: list[str]) -> str:
    """subjectAltName for DOMAINS; this machine's own names are always in it, for the first look."""
    names = dict.fromkeys([*domains, "localhost", "127.0.0.1", "::1"])
    return ",".join(f"{'IP' if address(name) else 'DNS'}:{name}" for name in names)


def address(name: str) -> str:
    """The IP address that NAME is, in its one short form; "" where it is none."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return ""


# --- Given files ----------------------------------------------------------------------------------


def given(deployment: Deployment) -> tuple[Path, Path]:
    """Where the operator puts chain and key; both may be links to where another program keeps them."""
    return deployment.authority / "fullchain.pem", deployment.authority / "privkey.pem"


def problems_of_files(chain: Path, key: Path, domains: list[str]) -> list[Problem]:
    """What is wrong with a given CHAIN and KEY: missing, no PEM, not a pair, over, for other names, readable by all."""
    again = f"put certificate and chain into {chain}, its key into {key}"
    missing = [(f"{path} is missing", again) for path in (chain, key) if not path.exists()]
    if missing:
        return missing
    problems = []
    if key.stat().st_mode & 0o004:
        problems.append(
            (
                f"{key} is readable by every user",
                f"chmod 600 {key}; who read it can be the server: get a new one",
            )
        )
    try:
        of_chain = openssl("x509", "-in", str(chain), "-noout", "-pubkey")
    except Failure:
        return [*problems, (f"{chain} holds no certificate in PEM", again)]
    try:
        of_key = openssl("pkey", "-in", str(key), "-pubout", "-passin", "pass:")
    except Failure:
        return [
            *problems,
            (
                f"{key} holds no key in PEM, or one with a passphrase",
                f"openssl pkey -in {key} shows it; {again}",
            ),
        ]
    if of_chain != of_key:
        problems.append((f"{key} is not the key of the first certificate in {chain}", again))
    if ends_within(chain, 1):
        problems.append((f"the certificate in {chain} is over, or ends within a day", again))
    problems += [
        (f"the certificate in {chain} is not for {name}", again) for name in missing_names(chain, domains)
    ]
    return problems


# --- Looking at a certificate ---------------------------------------------------------------------


def of_age(certificate: Path) -> bool:
    """Whether it is neither near its end nor one of an earlier version, which lived longer."""
    return not ends_within(certificate, RENEW_DAYS) and ends_within(certificate, CERTIFICATE_DAYS)


def ends_within(certificate: Path, days: int) -> bool:
    """Whether less than DAYS are left."""
    command = ["openssl", "x509", "-in", str(certificate), "-noout", "-checkend", str(days * 86400)]
    return subprocess.run(command, capture_output=True, check=False).returncode != 0


def missing_names(certificate: Path, domains: list[str]) -> list[str]:
    """Those of DOMAINS that it is not for; a wildcard stands for one label."""
    text = openssl("x509", "-in", str(certificate), "-noout", "-ext", "subjectAltName")
    parts = [part.strip().partition(":")[2].lower() for part in text.replace("\n", ",").split(",")]
    names = {address(part) or part for part in parts}
    return [
        name
        for name in domains
        if not {address(name) or name.lower(), f"*.{name.lower().partition('.')[2]}"} & names
    ]


def openssl(*arguments: str) -> str:
    """Run openssl; Failure with its error output."""
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(f"openssl {arguments[0]} failed: {' '.join(done.stderr.strip().splitlines()[-1:])}")
    return done.stdout
