"""What a release says of a migration that cannot run: which one, in which file, and whether the engine is the reason.

Most projects begin with SQLite, and the overlay gives them PostgreSQL. A migration that has only ever run on SQLite may
not run there: "pending trigger events" where one changes rows and their table, SQL that SQLite alone understands.
"""

from __future__ import annotations

import os
import re
import sys
from typing import Any

from ..config import importing

APPLYING = re.compile(r"Applying (\w+)\.(\w+)\.\.\.\s*$")
"""What `migrate` has begun to say when a migration fails; it ends the line when that is done."""

EXTENSION = re.compile(
    r'extension "(\w+)" is not available|could not open extension control file "[^"]*/(\w+)\.control"'
)

FILES = (".sqlite3", ".sqlite", ".db3", ".db")
"""Ends of names that APP_VOLUMES takes for a database file."""


def failed(begun: str, error: Exception) -> str:
    """The migration that `migrate` was at, as ``app.name (file)`` with what came of it; BEGUN is its last, unfinished line."""
    from django.db import Error

    match = APPLYING.search(begun)
    name = f"{match[1]}.{match[2]}{_file(*match.groups())}: " if match else ""
    text = re.sub(r"\s*\n\s*", "; ", str(error).strip())
    if isinstance(error, Error):
        missing = EXTENSION.search(text)
        if missing:
            text += (
                f"; the stack's PostgreSQL gets {missing[1] or missing[2]} by DB_PACKAGES, "
                "an external one from who runs it (docs/how-to/data-stores.md, Extensions)"
            )
        return name + text
    # A mistake in the code of a migration, or of a signal's receiver.
    return f"{name}{importing.place(error)}{type(error).__name__}: {text}"


def _file(app: str, name: str) -> str:
    from django.db.migrations.loader import MigrationLoader

    found = MigrationLoader(None).disk_migrations.get((app, name))
    path = getattr(sys.modules.get(found.__module__), "__file__", None) if found else None
    return f" ({importing.shown(path)})" if path else ""


def exchanged() -> str:
    """What to add where the project's own database is of another engine than the one it was given; "" where it is not."""
    from .. import overlay
    from .databases import vendor

    found: Any = next((override for override in overlay.overrides if override.name == "DATABASES"), None)
    own = (found.before or {}) if found else {}
    given = vendor(found.value["default"]) if found else ""
    before = vendor(own)
    if not before or before == given:
        return ""
    text = f"; the project's own database is {before}, the release runs on {given} (APP_OVERLAY, part database): "
    text += f"make that migration run on {given}"
    if before == "sqlite":
        text += f", or stay on SQLite: {stay_on_sqlite(str(own.get('NAME') or ''))}"
    return text


def stay_on_sqlite(name: str) -> str:
    """What to write into stack.env so that the SQLite file NAME is kept, in a volume."""
    parts = os.environ.get("APP_OVERLAY", "").strip()
    overlay = f"{parts} -database" if parts not in ("", "on") else "-database"
    return f"APP_OVERLAY={overlay}, APP_VOLUMES={volume(name)}"


def volume(name: str) -> str:
    """The word of APP_VOLUMES that keeps the SQLite file NAME: itself, or the folder of one without a usual end."""
    path = os.path.abspath(name)
    return path if path.endswith(FILES) else os.path.dirname(path)


def read_only(database: dict[str, Any]) -> str:
    """What is wrong with the place of a SQLite DATABASE, one of Django's: "" for nothing."""
    name = str(database.get("NAME") or "")
    if not name or ":memory:" in name:
        return ""
    # Next to what a link leads to: there SQLite writes its journal.
    real = os.path.realpath(name)
    if os.access(os.path.dirname(real), os.W_OK) and (not os.path.exists(real) or os.access(real, os.W_OK)):
        return ""
    return f"no process may write there: name it in stack.env, APP_VOLUMES={volume(name)}"
