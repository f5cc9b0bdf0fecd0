"""Debian packages for a host that reaches no mirror: fetched here, with all that they need and the host lacks."""

from __future__ import annotations

import importlib.util
import subprocess
import tempfile
import time
from pathlib import Path
from types import ModuleType

from ..console import Failure
from ..paths import ENGINE, ROOT
from . import build_environment, builder

DOCKERFILE = ROOT / "ansible/roles/packages/files/Dockerfile"
SUITES = {"debian 12": "bookworm", "debian 13": "trixie"}


def engine() -> ModuleType:
    """The tool of the role `engine`, which knows its packages."""
    spec = importlib.util.spec_from_file_location("engine", ENGINE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def refused(distribution: str) -> str:
    """Why a host of this DISTRIBUTION ("<id> <version>" of its /etc/os-release) gets no packages from here; "" if it does."""
    if distribution in SUITES:
        return ""
    return (
        f"packages_from_controller knows {' and '.join(SUITES)}, and this is {distribution}: set it to false and give the host a "
        "mirror, or install its packages by hand"
    )


def suite(release: str) -> str:
    """The Debian release of a host, from its /etc/os-release (RELEASE); Failure for another system."""
    fields = {
        key: value.strip('"') for key, _, value in (line.partition("=") for line in release.splitlines())
    }
    distribution = f"{fields.get('ID')} {fields.get('VERSION_ID')}"
    if refused(distribution):
        raise Failure(refused(distribution))
    return SUITES[distribution]


def installed(status: str) -> set[str]:
    """Names of the packages that are whole, from a dpkg STATUS."""
    names = set()
    for stanza in status.split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in stanza.splitlines() if line.startswith(("Package: ", "Status: "))
        )
        if fields.get("Status", "").endswith(" ok installed"):
            names.add(fields["Package"])
    return names


def missing(wanted: list[str], status: str) -> list[str]:
    """Which of WANTED, and of the engine's packages, a host with the dpkg STATUS lacks."""
    have = installed(status)
    names = [*wanted, *engine().PACKAGES["debian"]]
    if "chrony" in have:  # another servant of the clock, which would have to go
        names.remove("systemd-timesyncd")
    return [name for name in names if name not in have]


def fetch(
    names: list[str], status: str, release: str, architecture: str, settings: dict[str, str], into: Path
) -> list[Path]:
    """Fetch NAMES for the Debian RELEASE and the dpkg STATUS of a host to the folder INTO; returns the files.

    apt decides and checks signatures, in a container of the base image. Failure with its last lines.
    """
    base = builder.base(settings, release)[0]
    with tempfile.TemporaryDirectory(prefix="channels-stack-") as place:
        context, secrets = Path(place, "context"), Path(place, "secrets")
        context.mkdir()
        secrets.mkdir()
        (context / "status").write_text(status)
        (context / "preferences").write_text(engine().preferences() if release == "bookworm" else "")
        command = ["docker", "buildx", "build", "--progress=plain", "--file", str(DOCKERFILE)]
        command += ["--output", f"type=local,dest={into}"]
        if settings["BUILD_NETWORK"] != "default":
            command += ["--network", settings["BUILD_NETWORK"]]
        values = {
            "BASE": base,
            "NAMES": " ".join(names),
            "ARCHITECTURE": architecture,
            "DAY": time.strftime("%Y-%m-%d"),
        }
        for name, value in values.items():
            command += ["--build-arg", f"{name}={value}"]
        found = build_environment.build_secrets(secrets, release, settings["DEBIAN_MIRROR"])
        if release == "bookworm" and "apt_sources" in found:
            with found["apt_sources"].open("a") as file:
                # There is a mirror: apt_sources was made from it.
                mirrors = build_environment.debian_mirrors(settings["DEBIAN_MIRROR"])
                assert mirrors is not None
                file.write("\n" + engine().source(*mirrors))
        for name, path in found.items():
            command += ["--secret", f"id={name},src={path}"]
        done = subprocess.run([*command, str(context)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure("the packages could not be fetched:\n" + "\n".join(done.stderr.splitlines()[-15:]))
    return sorted(into.glob("*.deb"))
