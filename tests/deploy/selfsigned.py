"""A certificate that is its own authority, for servers beside the test hosts."""

from __future__ import annotations

import subprocess
from pathlib import Path


def self_signed(name: str, address: str, certificate: Path, key: Path) -> None:
    """Write a CERTIFICATE and its KEY (PEM) for the server NAME at the IP ADDRESS, good for two days."""
    kind = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    place = ["-addext", f"subjectAltName=IP:{address}", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", "req", *kind, *place], capture_output=True, check=True)
