"""Where things are in this container; compose/compose.backup.yml mounts them."""

from __future__ import annotations

from pathlib import Path

DATA = Path("/var/lib/postgresql/data")
"""The cluster's volume, shared with db."""

REDIS = Path("/srv/redis")
"""Redis's volume, shared with redis."""

RUN = Path("/run/backup")
"""A volume shared with db: PostgreSQL's socket, and ours for WAL."""

FOLDER = Path("/srv/backup")
"""The repository, where it is a folder or a volume."""

WORK = Path("/srv/work")
"""Scratch space for drills; it keeps the last results as well."""

TEMPORARY = Path("/tmp/backup")
"""Configuration and locks: in memory, gone with the container."""

CONFIGURATION = TEMPORARY / "pgbackrest.conf"
SECRETS = Path("/run/secrets")

STANZA = "db"
"""pgBackRest's name for the cluster."""
