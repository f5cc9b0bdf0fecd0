"""Building the images, each once per content: its tag is the hash of everything that goes into it.

The same content is therefore never built twice, a changed one never hides behind an old name, and a deploy or a
rollback names exactly what runs.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..config import volumes
from ..console import Failure, detail, note, step
from ..paths import BASES, IMAGES, ROOT
from . import build_environment

IGNORED = {
    "__pycache__",
    ".env",
    ".git",
    ".hg",
    ".svn",
    ".tox",
    ".venv",
    "venv",
    "node_modules",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
}
"""Names that never reach an image, whatever a project's `.dockerignore` says: caches, histories, and its `.env`."""

DEPENDENCIES = ("*.txt", "*.in", "*.toml", "*.lock", "*.cfg", "*.whl", "*.tar.gz", "setup.py", "Pipfile")
"""Names of what says which packages to install: only a change of such a file installs them again."""

LARGE_BYTES = 50_000_000
"""A file over this size is hardly source: a dump, uploads of a developer's. It is named, because each image carries it."""

STEPS = IMAGES / "steps"
"""The build context of the steps that images share: packages in, and at the end out with what an image no longer needs."""

SUITE = "trixie"
"""Debian release of the stack's own images; the application may need another (APP_DEBIAN)."""


@dataclass(frozen=True)
class Image:
    """One image to build.

    `name` without tag; `context` the folder with its Dockerfile; `target` a stage of it; `arguments` and `contexts`
    (name -> folder) are handed to the build. `project` is the application's folder, of which the build gets a copy
    without what is IGNORED; `suite` the Debian release it is based on; `parent` another image of ours that it is made from, in
    the place of the base. STEPS are at hand in all of them.
    """

    name: str
    context: Path
    target: str = ""
    arguments: dict[str, str] = field(default_factory=dict)
    contexts: dict[str, Path] = field(default_factory=lambda: {"steps": STEPS})
    project: Path | None = None
    suite: str = SUITE
    parent: Image | None = None

    def tag(self, base: str, contents: dict[Path, bytes] | None = None) -> str:
        """The full name: the tag is the hash of the files, the arguments and the BASE image's id.

        CONTENTS are the digests of folders that are known already; those that were made are added.
        """
        contents = {} if contents is None else contents
        digest = hashlib.sha256(json.dumps([base, self.target, self.arguments], sort_keys=True).encode())
        for folder in [self.context, *self.contexts.values(), *filter(None, [self.project])]:
            if folder not in contents:
                contents[folder] = content(folder)
            digest.update(b"\0\0" + contents[folder])
        return f"{self.name}:{digest.hexdigest()[:12]}"


def content(folder: Path) -> bytes:
    """The digest of what is in FOLDER and can reach an image: names, contents, who may execute it."""
    digest = hashlib.sha256()
    for path in files(folder):
        mode = "x" if path.stat().st_mode & 0o100 else "-"
        digest.update(f"{path.relative_to(folder)}\0{mode}\0".encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.digest()


def files(folder: Path) -> list[Path]:
    """The files below FOLDER that can reach an image, sorted. Links are followed, but not into a folder on the way to them."""
    paths = []
    ways = {folder: {folder.resolve()}}
    for place, folders, names in os.walk(folder, followlinks=True):
        here = Path(place)
        folders[:] = [
            name for name in folders if name not in IGNORED and (here / name).resolve() not in ways[here]
        ]
        for name in folders:
            ways[here / name] = ways[here] | {(here / name).resolve()}
        kept = [here / name for name in names if name not in IGNORED and not name.endswith(".pyc")]
        paths += [path for path in kept if path.is_file()]
    return sorted(paths)


def oddities(project: Path) -> list[str]:
    """What of PROJECT an operator would not expect of an image: one line each."""
    lines = []
    for path in files(project):
        size = path.stat().st_size
        if size > LARGE_BYTES:
            lines.append(
                f"{path.relative_to(project)} ({size / 1e6:,.0f} MB) goes into the application's image: "
                "move it out of APP_DIR if nothing needs it there"
            )
    for path in project.rglob("*"):
        if path.is_symlink() and not path.exists() and not IGNORED & set(path.relative_to(project).parts):
            lines.append(
                f"{path.relative_to(project)} is a link to {os.readlink(path)}, which is not there: it is left out"
            )
    return lines


def copy(project: Path, into: Path) -> dict[str, Path]:
    """Copy what of PROJECT may reach an image: the contexts `project` and `dependencies` of a build, below INTO."""
    contexts = {name: into / name for name in ("project", "dependencies")}
    for folder in contexts.values():
        folder.mkdir()
    for path in files(project):
        described = any(fnmatch.fnmatch(path.name, pattern) for pattern in DEPENDENCIES)
        names = ["project", *(["dependencies"] if described else [])]
        for name in names:
            target = contexts[name] / path.relative_to(project)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    return contexts


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
        command = ["docker", "buildx", "build", "--progress=plain", "--load", "--tag", tag]
        if settings["BUILD_NETWORK"] != "default":
            command += ["--network", settings["BUILD_NETWORK"]]
        if image.target:
            command += ["--target", image.target]
        for name, value in {**description, "VERSION": version(), **image.arguments}.items():
            command += ["--build-arg", f"{name}={value}"]
        if image.project:
            for line in (
                *oddities(image.project),
                *volumes.notices(image.project, files(image.project), settings),
            ):
                detail(line)
        contexts = {**image.contexts, **(copy(image.project, Path(folder)) if image.project else {})}
        for name, path in contexts.items():
            command += ["--build-context", f"{name}={path}"]
        for name, path in build_environment.build_secrets(
            Path(folder), image.suite, settings["DEBIAN_MIRROR"]
        ).items():
            command += ["--secret", f"id={name},src={path}"]
        process = subprocess.Popen(
            [*command, str(image.context)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        lines: list[str] = []
        shown_steps = set()
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip())
            if not line.startswith("#"):
                continue  # at the end of a failure all is printed a second time
            if "] RUN " in line or "] COPY " in line:
                if line not in shown_steps:  # BuildKit names a step again when it turns back to it
                    note(shown(line))
                shown_steps.add(line)
            elif " install.py: " in line:
                detail(line.rstrip().partition(" install.py: ")[2])
        if process.wait():
            raise Failure(f"building {tag} failed: {reason(lines)}")


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


def application(settings: dict[str, str], server: str) -> Image:
    """The application's image with SERVER: uvicorn (and gunicorn), or daphne."""
    project = (ROOT / "compose" / settings["APP_DIR"]).resolve()
    named = {
        "APP_REQUIREMENTS": [settings["APP_REQUIREMENTS"].partition("[")[0]],
        "APP_CONSTRAINTS": settings["APP_CONSTRAINTS"].split(),
        "APP_PATH": roots(settings),
    }
    missing = [
        f"{project / path} does not exist: check {name} in stack.env, on servers in stack_settings"
        for name, paths in named.items()
        for path in paths
        if not (project / path).exists()
    ]
    if not project.is_dir():
        raise Failure(
            f"{project} is no folder: check APP_DIR in stack.env, on servers in stack_settings; it is seen from compose/"
        )
    if missing:
        raise Failure("\n".join(missing))
    if settings["TRACING"] and settings["APP_DEBIAN"] == "bullseye":
        raise Failure(
            "TRACING is set, and OpenTelemetry has no version for the Python 3.9 of APP_DEBIAN=bullseye: "
            "remove TRACING, or take APP_DEBIAN=bookworm or trixie"
        )
    kept = volumes.read(settings)
    if kept:
        volumes.check(project, files(project), settings)
    paths = [Path("/srv/app", root).as_posix() for root in roots(settings)]
    copied = ("APP_REQUIREMENTS", "APP_CONSTRAINTS", "APP_PACKAGES", "APP_BUILD_PACKAGES")
    arguments = {
        "SERVER": server,
        **{name: settings[name] for name in copied},
        "APP_PYTHONPATH": ":".join(paths),
        "APP_WORKDIR": paths[0],
        "APP_VOLUMES": " ".join(volume.path for volume in kept),
        "APP_FILES": " ".join(f"{volume.link}={volume.path}" for volume in kept if volume.link),
        **({"TRACING": "on"} if settings["TRACING"] else {}),
    }
    contexts = {"steps": STEPS, "library": ROOT / "src/channels_stack"}
    image = Image(f"channels-stack/app-{server}", IMAGES / "app", arguments=arguments, contexts=contexts)
    return replace(image, project=project, suite=settings["APP_DEBIAN"])


def roots(settings: dict[str, str]) -> list[str]:
    """The folders of the application on Python's path; in the first one its processes work."""
    return settings["APP_PATH"].replace(":", " ").split() or ["."]


DB_SERVER = Image("channels-stack/db-server", IMAGES / "db", "server")
"""The database's image before its last step."""

BACKUP = Image("channels-stack/backup", IMAGES / "backup", parent=DB_SERVER)
"""It restores with the server of the database's image, so it is made from that one."""


REDIS = {
    "": Image("channels-stack/redis", IMAGES / "redis"),
    "valkey": Image("channels-stack/valkey", IMAGES / "redis", arguments={"SERVER": "valkey"}),
}
"""What of Debian's may keep the layers, by the value of REDIS_IMAGE; any other one names an image that is there."""


def wanted(settings: dict[str, str]) -> dict[str, Image]:
    """The images to build, by the variable of compose.yml that names each."""
    servers = {"HTTP_IMAGE": settings["SERVER_HTTP"], "WS_IMAGE": settings["SERVER_WS"]}
    built = {name: "daphne" if server == "daphne" else "uvicorn" for name, server in servers.items()}
    built["WORKER_IMAGE"] = built["HTTP_IMAGE"]
    images = {name: application(settings, server) for name, server in built.items()}
    images["EDGE_IMAGE"] = Image("channels-stack/edge", IMAGES / "edge")
    if settings["REDIS_IMAGE"] in REDIS:
        images["REDIS_IMAGE"] = REDIS[settings["REDIS_IMAGE"]]
    if not settings["DB_IMAGE"]:
        images["DB_IMAGE"] = Image("channels-stack/db", IMAGES / "db")
    if settings["CERTIFICATE"] == "acme":
        images["CERTIFICATES_IMAGE"] = Image("channels-stack/certificates", IMAGES / "certificates")
    if settings["MONITORING"] == "on":
        images["MONITORING_IMAGE"] = Image("channels-stack/monitoring", IMAGES / "monitoring")
    if settings["BACKUP_REPOSITORY"]:
        if "DB_IMAGE" not in images:
            raise Failure(
                f"BACKUP_REPOSITORY is set, but DB_IMAGE={settings['DB_IMAGE']} is not the stack's own image, which alone hands "
                "its WAL to backups: remove one of the two from stack.env"
            )
        images["BACKUP_IMAGE"] = BACKUP
    return images


def everything(settings: dict[str, str]) -> dict[str, Image]:
    """All images of the project: both of the application, the services', and the unit tests'."""
    contexts = {"steps": STEPS, "locks": IMAGES / "app/requirements", "project": ROOT / "app"}
    images = {f"{server.upper()}_IMAGE": application(settings, server) for server in ("uvicorn", "daphne")}
    images |= {
        f"{name.upper()}_IMAGE": Image(f"channels-stack/{name}", IMAGES / name)
        for name in ("edge", "redis", "db", "certificates", "registry", "monitoring")
    }
    images["PEBBLE_IMAGE"] = Image("channels-stack/pebble", ROOT / "tests/image/pebble")
    images["BACKUP_IMAGE"] = BACKUP
    return {**images, "TEST_IMAGE": Image("channels-stack/test", IMAGES / "test", contexts=contexts)}


def make(
    settings: dict[str, str], images: dict[str, Image] | None = None, *, build_missing: bool = True
) -> dict[str, str]:
    """Build what is missing (unless it shall only be named) and return the full name of each image by its variable."""
    chosen = images or wanted(settings)
    suites = {image.suite for image in chosen.values()}
    descriptions = {suite: base(settings, suite)[1] for suite in sorted(suites)}
    names = {}
    contents: dict[Path, bytes] = {}
    for variable, image in chosen.items():
        names[variable] = one(
            image, settings, descriptions[image.suite], contents, build_missing=build_missing
        )
    return names


def one(
    image: Image,
    settings: dict[str, str],
    description: dict[str, str],
    contents: dict[Path, bytes],
    *,
    build_missing: bool,
) -> str:
    """The full name of IMAGE; it is built, and its parent before it, where it is missing. CONTENTS as for `Image.tag`."""
    if image.parent:
        parent = one(image.parent, settings, description, contents, build_missing=False)
        name = image.tag(parent, contents)
    else:
        name = image.tag(description["BASE_DIGEST"], contents)
    if build_missing and not exists(name):
        if image.parent:
            one(image.parent, settings, description, contents, build_missing=True)
            description = description | {"BASE": parent}
        build(image, name, settings, description)
    return name
