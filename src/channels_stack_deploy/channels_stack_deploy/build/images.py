"""Which images a stack needs, each built where it is not there yet."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..config import volumes
from ..console import Failure
from ..paths import IMAGES, ROOT
from .builder import base, build, exists
from .contexts import STEPS, Image, files


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
            "remove TRACING, or take a newer APP_DEBIAN"
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


def database(settings: dict[str, str]) -> Image:
    """The database's image, with the extensions that DB_PACKAGES adds."""
    packages = " ".join(settings["DB_PACKAGES"].split())
    if packages and settings["DB_IMAGE"]:
        raise Failure(
            f"DB_PACKAGES is set, but DB_IMAGE={settings['DB_IMAGE']} is not built here: take an image that has the extensions, "
            "or remove DB_IMAGE from stack.env"
        )
    return Image("channels-stack/db", IMAGES / "db", arguments={"DB_PACKAGES": packages} if packages else {})


def backup(settings: dict[str, str]) -> Image:
    """It restores with the server of the database's image, so it is made from that one, before its last step."""
    server = replace(database(settings), name="channels-stack/db-server", target="server")
    return Image("channels-stack/backup", IMAGES / "backup", parent=server)


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
        images["DB_IMAGE"] = database(settings)
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
        images["BACKUP_IMAGE"] = backup(settings)
    return images


def everything(settings: dict[str, str]) -> dict[str, Image]:
    """All images of the project: both of the application, the services', and the unit tests'."""
    contexts = {"steps": STEPS, "locks": IMAGES / "app/requirements", "project": ROOT / "app"}
    images = {f"{server.upper()}_IMAGE": application(settings, server) for server in ("uvicorn", "daphne")}
    images |= {
        f"{name.upper()}_IMAGE": Image(f"channels-stack/{name}", IMAGES / name)
        for name in ("edge", "redis", "certificates", "registry", "monitoring")
    }
    images["PEBBLE_IMAGE"] = Image("channels-stack/pebble", ROOT / "tests/image/pebble")
    images["DB_IMAGE"] = database(settings)
    images["BACKUP_IMAGE"] = backup(settings)
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
