"""Static files that a project keeps in its own STATIC_ROOT, and nowhere else. Part of the public interface.

A server that is given that folder serves them; collectstatic, which fills another one here, would not find them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.staticfiles import finders, utils
from django.core.files.storage import FileSystemStorage

MADE = re.compile(r"\.[0-9a-f]{12}(\.|$)|\.(gz|br)$|(^|/)staticfiles\.json$")
"""What an earlier collectstatic has made of other files: in another repository it is committed."""


def project_root() -> str:
    """The STATIC_ROOT of the project, before the overlay set another; "" where there is none."""
    from . import overlay

    return next((str(each.before or "") for each in overlay.overrides if each.name == "STATIC_ROOT"), "")


class StaticRootFinder(finders.BaseFinder):
    """The last of STATICFILES_FINDERS: what all others find is theirs."""

    def __init__(self, app_names: Any = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.storage = FileSystemStorage(location=project_root() or os.devnull)

    def check(self, **kwargs: Any) -> list[Any]:
        """Nothing to complain about."""
        return []

    def find(self, path: str, *args: Any, **kwargs: Any) -> Any:
        """The place of ``path`` in that folder."""
        found = self.storage.path(path)
        is_there = os.path.isfile(found) and not MADE.search(path)
        wants_all = kwargs.get("find_all") or kwargs.get("all") or (args and args[0])
        return ([found] if wants_all else found) if is_there else []

    def list(self, ignore_patterns: Iterable[str]) -> Iterator[tuple[str, FileSystemStorage]]:
        """Each file that no other finder has."""
        if not os.path.isdir(self.storage.location):
            return
        others = [finder for finder in finders.get_finders() if not isinstance(finder, StaticRootFinder)]
        for path in utils.get_files(self.storage, list(ignore_patterns)):
            if not MADE.search(path) and not any(finder.find(path) for finder in others):
                yield path, self.storage
