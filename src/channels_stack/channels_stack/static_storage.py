"""Static files named by their content, for projects that were never checked for it. Part of the public interface."""

from __future__ import annotations

from typing import Any

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage


class HashedStaticFilesStorage(ManifestStaticFilesStorage):
    """Django's own, but a page or style sheet that names a missing file gets a 404 for it, not a 500 for all."""

    manifest_strict = False

    def hashed_name(self, name: str, content: Any = None, filename: Any = None) -> str:
        """``name`` with the hash of its content; as it is where there is no such file."""
        try:
            return str(super().hashed_name(name, content, filename))
        except ValueError:
            return name
