"""What this machine knows of its network (CA bundle, proxies, package mirrors), for the builds.

A build gets it as BuildKit secrets: mounted while a step runs, in no layer and no history of an image.
"""

from __future__ import annotations

import configparser
import os
import re
import subprocess
from pathlib import Path

BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
PIP_OPTIONS = ("index-url", "extra-index-url", "trusted-host", "timeout", "retries", "proxy")
"""pip options that mean the same in a build; paths of this machine (find-links, constraint, cert) do not."""


def distribution() -> dict[str, str]:
    """The fields of /etc/os-release."""
    lines = Path("/etc/os-release").read_text().splitlines()
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines) if key}


def available_memory() -> int:
    """Bytes of memory that this machine could give away now."""
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return int(fields["MemAvailable"].split()[0]) * 1024


def proxy(scheme: str) -> str:
    """The proxy for SCHEME from the environment, "" for none."""
    return os.environ.get(f"{scheme}_proxy") or os.environ.get(f"{scheme.upper()}_PROXY") or ""


def apt_entries() -> list[tuple[str, list[str]]]:
    """(address, suites) of each deb line or stanza of this host's apt."""
    entries = []
    folder = Path("/etc/apt")
    for path in [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]:
        if not path.is_file():
            continue
        text = path.read_text(errors="replace")
        for stanza in re.split(r"\n\s*\n", text):
            fields = dict(re.findall(r"^(URIs|Suites|Types):\s*(.+)$", stanza, re.M))
            if "deb" in fields.get("Types", "").split():
                entries += [(uri, fields.get("Suites", "").split()) for uri in fields.get("URIs", "").split()]
        for uri, suite in re.findall(r"^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)", text, re.M):
            entries.append((uri, [suite]))
    return entries


def debian_mirrors(setting: str = "") -> tuple[str, str] | None:
    """(archive, security archive) for Debian: DEBIAN_MIRROR where SETTING has it, else what this host's apt uses."""
    if setting:
        return setting.rstrip("/"), setting.rstrip("/") + "-security"
    system = distribution()
    if system.get("ID") != "debian":
        return None
    codename = system.get("VERSION_CODENAME", "")
    archive = next((uri for uri, suites in apt_entries() if codename in suites), "")
    security = next((uri for uri, suites in apt_entries() if f"{codename}-security" in suites), "")
    archive = archive.rstrip("/")
    return (archive, security.rstrip("/") or f"{archive}-security") if archive else None


def apt_sources(suite: str, setting: str = "") -> str:
    """A .sources file for SUITE from the same archive as this host's apt; "" where that is not Debian's."""
    mirrors = debian_mirrors(setting)
    if mirrors is None:
        return ""
    stanza = "Types: deb\nURIs: {}\nSuites: {}\nComponents: main\n"
    stanza += "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    if apt_option("Acquire::Check-Valid-Until") in ("false", "no", "off", "0"):
        # Whoever runs this host trusts a mirror that stands still; its signatures are checked all the same.
        stanza += "Check-Valid-Until: no\n"
    return (
        stanza.format(mirrors[0], f"{suite} {suite}-updates")
        + "\n"
        + stanza.format(mirrors[1], f"{suite}-security")
    )


def apt_option(name: str) -> str:
    """What this host's apt is configured to for NAME, as `apt-config dump` prints it; "" for nothing."""
    answer = subprocess.run(["apt-config", "dump", name], capture_output=True, text=True, check=False).stdout
    return answer.partition(" ")[2].strip(' ";\n')


def apt_configuration() -> str:
    """apt options for a build: proxies of this machine, and its CA bundle for mirrors over https."""
    answer = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False).stdout
    lines = [
        line
        for line in answer.splitlines()
        if re.match(r"Acquire::https?::Proxy\b", line) and '""' not in line
    ]
    for scheme in ("http", "https"):
        if proxy(scheme) and not any(line.startswith(f"Acquire::{scheme}::Proxy ") for line in lines):
            lines.append(f'Acquire::{scheme}::Proxy "{proxy(scheme)}";')
    lines.append('Acquire::https::CAInfo "/run/secrets/ca";')
    return "\n".join(lines) + "\n"


def pip_files() -> list[Path]:
    """pip's configuration files, the weakest first (pip's documentation, "Configuration files")."""
    home = Path.home()
    places: list[str | Path] = [
        "/etc/xdg/pip/pip.conf",
        "/etc/pip.conf",
        home / ".pip/pip.conf",
        home / ".config/pip/pip.conf",
    ]
    if os.environ.get("PIP_CONFIG_FILE"):
        places.append(os.environ["PIP_CONFIG_FILE"])
    return [Path(place) for place in places if Path(place).is_file()]


def usable(value: str) -> str:
    """VALUE of a pip option without addresses of files on this machine."""
    return " ".join(word for word in value.split() if not word.startswith(("file:", "/")))


def pip_configuration() -> str:
    """A pip.conf for a build: this machine's index, proxy and time limits, with the CA bundle of the build."""
    options: dict[str, str] = {}
    for path in pip_files():
        parser = configparser.RawConfigParser()
        parser.read(path)
        for section in ("global", "install"):
            if parser.has_section(section):
                options |= {key: usable(value) for key, value in parser.items(section) if key in PIP_OPTIONS}
    for key in PIP_OPTIONS:
        value = os.environ.get("PIP_" + key.upper().replace("-", "_"))
        if value:
            options[key] = usable(value)
    if proxy("https") and "proxy" not in options:
        options["proxy"] = proxy("https")
    lines = [f"{key} = {value}" for key, value in options.items() if value]
    return (
        "\n".join(
            [
                "[global]",
                "disable-pip-version-check = true",
                "no-input = true",
                "cert = /run/secrets/ca",
                *lines,
            ]
        )
        + "\n"
    )


def build_secrets(folder: Path, suite: str, mirror: str) -> dict[str, Path]:
    """Write the secrets of a build into FOLDER (which the caller removes) and return them by their id."""
    texts = {
        "ca": BUNDLE.read_text() if BUNDLE.exists() else "",
        "pip_conf": pip_configuration(),
        "apt_conf": apt_configuration() if BUNDLE.exists() else "",
        "apt_sources": apt_sources(suite, mirror),
    }
    secrets = {}
    for name, text in texts.items():
        if text:
            path = folder / name
            path.touch(mode=0o600)
            path.write_text(text)
            secrets[name] = path
    return secrets
