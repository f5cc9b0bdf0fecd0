"""A certificate that is its own authority, for the servers that tests start. Standard library and OpenSSL alone."""

from __future__ import annotations

import ipaddress
import subprocess
from pathlib import Path


def self_signed(name: str, address: str, certificate: Path, key: Path, days: int = 2) -> None:
    """Write a CERTIFICATE and its KEY (PEM) for the server NAME at the ADDRESS (IP address or host name), good for DAYS."""
    names = dict.fromkeys([f"DNS:{name}", f"{kind(address)}:{address}"])
    kinds = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", str(days)]
    whom = ["-subj", f"/CN={name}", "-addext", f"subjectAltName={','.join(names)}"]
    place = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", "req", "-x509", *kinds, *whom, *place], capture_output=True, check=True)


def kind(address: str) -> str:
    """What an alternative name calls this ADDRESS."""
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return "DNS"
    return "IP"
