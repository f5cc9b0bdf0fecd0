"""Where a project says that GeoDjango finds its libraries: on the machine of a developer (C:\\OSGeo4W, Homebrew)."""

from __future__ import annotations

import os

from .override import Found, Override, Project

NAMES = ("GDAL_LIBRARY_PATH", "GEOS_LIBRARY_PATH", "SPATIALITE_LIBRARY_PATH")


def find(project: Project) -> Found:
    """Paths at which there is nothing here: without them GeoDjango finds the image's libraries by name."""
    for name in NAMES:
        path = str(project.get(name) or "")
        if ("/" in path or "\\" in path) and not os.path.exists(path):
            yield Override(name, None, f"the image's own library, there is no {path}")
