"""Building the images, each once per content: its tag is the hash of everything that goes into it.

The same content is therefore never built twice, a changed one never hides behind an old name, and a deploy or a
rollback names exactly what runs.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from . import host
from .console import Failure, detail, step
from .paths import IMAGES, ROOT

IGNORED = {
    "__pycache__",
    ".git",
    ".venv",
    "venv",
    "node_modules",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
}
"""Folders that never reach an image; `.dockerignore` of each context says the same to the builder."""


@dataclass(frozen=True)
class Image:
    """One image to build.

    `name` without tag; `context` the folder with its Dockerfile; `target` a stage of it; `arguments` and `contexts`
    (name -> folder) are handed to the build.
    """

    name: str
    context: Path
    target: str = ""
    arguments: dict[str, str] = field(default_factory=dict)
    contexts: dict[str, Path] = field(default_factory=dict)

    def tag(self, base: str) -> str:
        """The full name: the tag is the hash of the files, the arguments and the BASE image's id."""
        digest = hashlib.sha256(json.dumps([base, self.target, self.arguments], sort_keys=True).encode())
        for folder in [self.context, *self.contexts.values()]:
            digest.update(b"\0\0")
            for path in files(folder):
                mode = "x" if path.stat().st_mode & 0o100 else "-"
                digest.update(f"{path.relative_to(folder)}\0{mode}\0".encode() + path.read_bytes() + b"\0")
        return f"{self.name}:{digest.hexdigest()[:12]}"


def files(folder: Path) -> list[Path]:
    """The files below FOLDER that can reach an image, sorted."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(
        path for path in found if not IGNORED & set(path.relative_to(folder).parts) and path.suffix != ".pyc"
    )


def exists(name: str) -> bool:
    """Whether the engine has the image NAME."""
    return (
        subprocess.run(["docker", "image", "inspect", name], capture_output=True, check=False).returncode == 0
    )


def base(settings: dict[str, str]) -> tuple[str, dict[str, str]]:
    """(tag of the base image, its description), made where it is not there yet."""
    suite = settings["APP_DEBIAN"]
    wanted = settings["BASE_IMAGE"]
    tag = f"channels-stack/base:{suite}-{hashlib.sha256(wanted.encode()).hexdigest()[:8]}"
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
            text = host.apt_sources(suite, settings["DEBIAN_MIRROR"])
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
    digest = seen["digests"][0] if seen["digests"] else seen["id"]
    return tag, {"BASE": tag, "BASE_NAME": wanted, "BASE_DIGEST": digest}


def build(image: Image, tag: str, settings: dict[str, str], description: dict[str, str]) -> None:
    """Build IMAGE as TAG, with this machine's network settings as secrets; Failure shows the last lines."""
    with step(f"image {tag}"), tempfile.TemporaryDirectory(prefix="channels-stack-") as folder:
        command = ["docker", "buildx", "build", "--progress=plain", "--load", "--tag", tag]
        if settings["BUILD_NETWORK"] != "default":
            command += ["--network", settings["BUILD_NETWORK"]]
        if image.target:
            command += ["--target", image.target]
        for name, value in {**description, "VERSION": version(), **image.arguments}.items():
            command += ["--build-arg", f"{name}={value}"]
        for name, path in image.contexts.items():
            command += ["--build-context", f"{name}={path}"]
        for name, path in host.build_secrets(
            Path(folder), settings["APP_DEBIAN"], settings["DEBIAN_MIRROR"]
        ).items():
            command += ["--secret", f"id={name},src={path}"]
        process = subprocess.Popen(
            [*command, str(image.context)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        lines = []
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip())
            if "] RUN " in line or "] COPY " in line:
                detail(shown(line))
        if process.wait():
            raise Failure(f"building {tag} failed:\n" + "\n".join(lines[-25:]))


def shown(line: str) -> str:
    """A build step as people want to see it: without mounts and extra space, on one line."""
    text = re.sub(r"--mount=\S+", "", line.split("] ", 1)[1])
    return " ".join(text.split())[:90]


def version() -> str:
    """The version of the stack: the newest heading of CHANGELOG.md."""
    for line in (ROOT / "CHANGELOG.md").read_text().splitlines():
        if line.startswith("## "):
            return line.removeprefix("## ").split()[0]
    raise Failure("CHANGELOG.md has no heading `## <version>`")


def application(settings: dict[str, str], target: str) -> Image:
    """The application's image with the servers of TARGET (uvicorn or daphne)."""
    project = (ROOT / "compose" / settings["APP_DIR"]).resolve()
    missing = [path for path in (project, project / settings["APP_REQUIREMENTS"]) if not path.exists()]
    if missing:
        raise Failure(
            "\n".join(
                f"{path} does not exist: check APP_DIR and APP_REQUIREMENTS in stack.env" for path in missing
            )
        )
    arguments = {
        name: settings[name]
        for name in ("APP_REQUIREMENTS", "APP_PATH", "APP_PACKAGES", "APP_BUILD_PACKAGES")
    }
    return Image(f"channels-stack/app-{target}", IMAGES / "app", target, arguments, {"project": project})


def wanted(settings: dict[str, str]) -> dict[str, Image]:
    """The images to build, by the variable of compose.yml that names each."""
    servers = {"HTTP_IMAGE": settings["SERVER_HTTP"], "WS_IMAGE": settings["SERVER_WS"]}
    targets = {name: "daphne" if server == "daphne" else "uvicorn" for name, server in servers.items()}
    targets["WORKER_IMAGE"] = targets["HTTP_IMAGE"]
    found = {name: application(settings, target) for name, target in targets.items()}
    for name in ("edge", "redis", "db"):
        if not settings.get(f"{name.upper()}_IMAGE"):
            found[f"{name.upper()}_IMAGE"] = Image(f"channels-stack/{name}", IMAGES / name)
    return found


def everything(settings: dict[str, str]) -> dict[str, Image]:
    """All images of the project: both targets of the application, the services', and the unit tests'."""
    project = application(settings, "uvicorn").contexts["project"]
    contexts = {"locks": IMAGES / "app/requirements", "project": project}
    found = {f"{target.upper()}_IMAGE": application(settings, target) for target in ("uvicorn", "daphne")}
    found |= {
        f"{name.upper()}_IMAGE": Image(f"channels-stack/{name}", IMAGES / name)
        for name in ("edge", "redis", "db")
    }
    return {**found, "TEST_IMAGE": Image("channels-stack/test", IMAGES / "test", contexts=contexts)}


def make(settings: dict[str, str], images: dict[str, Image] | None = None) -> dict[str, str]:
    """Build what is missing and return the full name of each image by its variable."""
    _, description = base(settings)
    chosen = images or wanted(settings)
    names = {variable: image.tag(description["BASE_DIGEST"]) for variable, image in chosen.items()}
    for variable, image in chosen.items():
        if not exists(names[variable]):
            build(image, names[variable], settings, description)
    return names
