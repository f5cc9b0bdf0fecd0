"""Makes one image with the engine: the base from Debian, and what is built on it."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from ..config import volumes
from ..console import Failure, detail, note, step
from ..paths import BASES, IMAGES, ROOT
from . import build_environment
from .contexts import SUITE, Image, copy, files, oddities


def exists(name: str) -> bool:
    """Whether the engine has the image NAME."""
    return (
        subprocess.run(["docker", "image", "inspect", name], capture_output=True, check=False).returncode == 0
    )


def base_name(settings: dict[str, str], suite: str = SUITE) -> tuple[str, str]:
    """The image that the base of SUITE comes from, and the tag that it has here."""
    wanted = settings["BASE_IMAGE"]
    if suite != SUITE:  # the sister of the image that is set, whose digest is another
        wanted = wanted.partition("@")[0].replace(SUITE, suite)
    return wanted, f"channels-stack/base:{suite}-{hashlib.sha256(wanted.encode()).hexdigest()[:8]}"


def base(settings: dict[str, str], suite: str = SUITE) -> tuple[str, dict[str, str]]:
    """(tag of the base image of SUITE, its description), made where it is not there yet."""
    wanted, tag = base_name(settings, suite)
    if not exists(tag):
        with step(f"base image ({wanted})"), tempfile.TemporaryDirectory(prefix="channels-stack-") as folder:
            command = [
                "python3",
                str(IMAGES / "base/build.py"),
                "--suite",
                suite,
                "--tag",
                tag,
                "--image",
                wanted,
            ]
            text = build_environment.apt_sources(suite, settings["DEBIAN_MIRROR"])
            if text:
                sources = Path(folder) / "debian.sources"
                sources.write_text(text)
                command += ["--sources", str(sources)]
            if subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode:
                raise Failure(
                    f"the base image could not be made: the lines above say why. BASE_IMAGE is {wanted}"
                )
    form = '{"id": {{json .Id}}, "digests": {{json .RepoDigests}}}'
    seen = json.loads(
        subprocess.run(
            ["docker", "image", "inspect", "-f", form, tag], capture_output=True, text=True, check=True
        ).stdout
    )
    bundled = json.loads(BASES.read_text()) if BASES.exists() else {}
    digest = bundled.get(tag) or (seen["digests"][0] if seen["digests"] else seen["id"])
    return tag, {"BASE": tag, "BASE_NAME": wanted, "BASE_DIGEST": digest}


def build(image: Image, tag: str, settings: dict[str, str], description: dict[str, str]) -> None:
    """Build IMAGE as TAG, with this machine's network settings as secrets; Failure shows the last lines."""
    with step(f"image {tag}"), tempfile.TemporaryDirectory(prefix="channels-stack-") as folder:
        if image.project:
            for line in (
                *oddities(image.project),
                *volumes.notices(image.project, files(image.project), settings),
            ):
                detail(line)
        process = subprocess.Popen(
            command(image, tag, settings, description, Path(folder)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        lines = followed(process.stdout)
        if process.wait():
            raise Failure(f"building {tag} failed: {reason(lines)}")


def command(
    image: Image, tag: str, settings: dict[str, str], description: dict[str, str], folder: Path
) -> list[str]:
    """The command that builds IMAGE as TAG. FOLDER holds what it reads: the secrets, and a copy of the project."""
    words = ["docker", "buildx", "build", "--progress=plain", "--load", "--tag", tag]
    if settings["BUILD_NETWORK"] != "default":
        words += ["--network", settings["BUILD_NETWORK"]]
    if image.target:
        words += ["--target", image.target]
    for name, value in {**description, "VERSION": version(), **image.arguments}.items():
        words += ["--build-arg", f"{name}={value}"]
    contexts = {**image.contexts, **(copy(image.project, folder) if image.project else {})}
    for name, path in contexts.items():
        words += ["--build-context", f"{name}={path}"]
    secrets = build_environment.build_secrets(folder, image.suite, settings["DEBIAN_MIRROR"])
    for name, path in secrets.items():
        words += ["--secret", f"id={name},src={path}"]
    return [*words, str(image.context)]


def followed(output: Iterable[str]) -> list[str]:
    """Show the steps in the OUTPUT of a build, and what install.py says; returns all lines of it."""
    lines: list[str] = []
    shown_steps = set()
    for line in output:
        lines.append(line.rstrip())
        if not line.startswith("#"):
            continue  # at the end of a failure all is printed a second time
        if "] RUN " in line or "] COPY " in line:
            if line not in shown_steps:  # BuildKit names a step again when it turns back to it
                note(shown(line))
            shown_steps.add(line)
        elif " install.py: " in line:
            detail(line.rstrip().partition(" install.py: ")[2])
    return lines


def reason(lines: list[str]) -> str:
    """Why a build with the output LINES failed: install.py's last line after pip's, or just the end."""
    output = [line.partition(" ")[2] for line in lines if line.startswith("#")]
    ours = [number for number, line in enumerate(output) if " install.py: " in line]
    if not ours or " install.py: warning: " in output[ours[-1]]:
        return "\n" + "\n".join(lines[-25:])
    last = output[ours[-1]].partition(" install.py: ")[2]
    # The two write to different streams, so pip's lines may arrive after install.py's.
    words = [line for line in output if re.match(r"[\d.]+ ", line) and " install.py: " not in line]
    return "\n" + "\n".join([*words[-15:], last])


def shown(line: str) -> str:
    """A build step as people want to see it: without mounts and extra space, on one line."""
    text = re.sub(r"--mount=\S+", "", line.split("] ", 1)[1])
    return " ".join(text.split())[:90]


def version() -> str:
    """The version of the library, which is that of the stack."""
    text = (ROOT / "src/channels_stack/channels_stack/__init__.py").read_text()
    return re.findall(r'^__version__ = "(.+)"$', text, re.MULTILINE)[0]
