"""What an application writes to and keeps: APP_VOLUMES, folders and database files, each a volume.

A folder is mounted where it is. A file cannot be: SQLite writes its journal next to it, and everything around it is
read-only. So the image has a link in its place, to a file of that name in a volume; SQLite follows links, with its journal.

A new volume begins with what the image has in its place, and hides all that later images have there. Source in it would
stay as it was behind a release that looks like a success, so it is rejected; of other files a line is printed.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..console import Failure

TAKEN = ("/srv", "/srv/app", "/srv/static", "/srv/media", "/srv/files")
FILES = "/srv/files"
"""Where the volumes of single files are mounted."""

DATABASES = (".sqlite3", ".sqlite", ".db3", ".db")
"""Ends of names that mean one file and not a folder."""

SOURCE = (".py", ".pyi", ".so", ".html", ".htm", ".jinja", ".j2", ".css", ".js", ".mjs", ".po", ".mo")
"""Ends of names of what a release brings and no process writes."""

PLACEHOLDERS = (".gitkeep", ".keep", ".gitignore")

NAMED = 3
"""Files named in a message."""


@dataclass(frozen=True)
class Volume:
    """A volume called `name`, mounted at `path`; `link` is the file in the containers that stands for one in it."""

    name: str
    path: str
    link: str = ""

    @property
    def mount(self) -> str:
        """As Compose writes it."""
        return f"{self.name}:{self.path}"

    @property
    def source(self) -> str:
        """What it keeps, as an absolute path in the containers."""
        return self.link or self.path


def read(settings: dict[str, str]) -> list[Volume]:
    """The volumes of APP_VOLUMES: below APP_DIR, or absolute below /srv. Failure names what is none."""
    volumes: dict[str, Volume] = {}
    for word in settings["APP_VOLUMES"].split():
        path = posixpath.normpath(posixpath.join("/srv/app", word))
        if ".." in word or not re.fullmatch(r"/srv/[\w./-]+", path) or path in TAKEN:
            raise Failure(
                f"APP_VOLUMES has {word!r}; it takes folders and database files (*{', *'.join(DATABASES)}) below APP_DIR, or "
                "absolute ones below /srv: data db.sqlite3 /srv/queue"
            )
        name = "app-" + re.sub(r"[^a-z0-9]+", "-", path.removeprefix("/srv/").lower()).strip("-")
        if name in volumes and volumes[name].source != path:
            raise Failure(
                f"APP_VOLUMES: {path} and {volumes[name].source} would be one volume, {name}: rename one"
            )
        file = path.endswith(DATABASES)
        volumes[name] = Volume(name, f"{FILES}/{name}", path) if file else Volume(name, path)
    return list(volumes.values())


def check(project: Path, files: Iterable[Path], settings: dict[str, str]) -> None:
    """Failure where a volume would hide source: FILES are those of PROJECT that reach the image."""
    inside = list(files)
    problems = []
    for volume in read(settings):
        place = below(volume, project)
        if volume.link or place is None:
            continue
        if place.is_file():
            problems.append(
                f"APP_VOLUMES names {place.relative_to(project)}, a file that is no database (*{', *'.join(DATABASES)}): "
                "name the folder that it is in"
            )
            continue
        held = [path for path in inside if place in path.parents]
        source = [path for path in held if path.name.endswith(SOURCE)]
        if source:
            own = [path for path in held if path.name.endswith(DATABASES)]
            data = " ".join(str(path.relative_to(project)) for path in own) or f"{place.name}/data"
            problems.append(
                f"APP_VOLUMES names {place.relative_to(project)}, which holds source ({named(source, project)}): the volume "
                f"would hide that of every later release. Name what the processes write: APP_VOLUMES={data}"
            )
    if problems:
        raise Failure("\n".join(problems))


def notices(project: Path, files: Iterable[Path], settings: dict[str, str]) -> list[str]:
    """One line for each volume that begins with files of PROJECT."""
    inside = [path for path in files if path.name not in PLACEHOLDERS]
    lines = []
    for volume in read(settings):
        place = below(volume, project)
        held = [path for path in inside if place is not None and (path == place or place in path.parents)]
        if held:
            lines.append(
                f"APP_VOLUMES: a new volume for {volume.source} begins with {named(held, project)}; one that is there already "
                "stays as it is, and hides them"
            )
    return lines


def below(volume: Volume, project: Path) -> Path | None:
    """The place of VOLUME in PROJECT; None where it is elsewhere."""
    path = PurePosixPath(volume.source)
    return project / path.relative_to("/srv/app") if PurePosixPath("/srv/app") in path.parents else None


def named(files: list[Path], project: Path) -> str:
    """FILES as a few words."""
    names = ", ".join(str(path.relative_to(project)) for path in files[:NAMED])
    return names + (f" and {len(files) - NAMED} more" if len(files) > NAMED else "")
