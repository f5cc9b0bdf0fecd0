"""The database of a project, and what it needs of PostgreSQL in addition."""

from __future__ import annotations

from channels_stack.doctor import settings as doctor_settings
from channels_stack.doctor.values import text, texts

from .findings import Findings
from .requirements import Installed

EXTENSIONS = {
    "postgis": "postgresql-17-postgis-3 postgresql-17-postgis-3-scripts",
    "pgvector": "postgresql-17-pgvector",
}
"""What needs an extension that PostgreSQL does not come with -> Debian's packages of it."""


def find(values: doctor_settings.Settings, installed: Installed, overlay: set[str]) -> Findings:
    """What becomes of the database that the settings name. OVERLAY names the parts that are off."""
    findings = Findings()
    named = values.get("DATABASES", "default", "ENGINE")
    engine, place = text(named) or "", str(named.at) if named else ""
    if "database" in overlay:
        return findings
    if "sqlite" in engine:
        findings.notes.append(
            f"SQLite ({place}) becomes the stack's PostgreSQL, which is empty; to keep the file: "
            "APP_OVERLAY=-database, and the file in APP_VOLUMES"
        )
    elif any(word in engine for word in ("mysql", "mariadb")):
        findings.notes.append(
            f"MySQL ({place}) becomes the stack's PostgreSQL, which is empty; to stay with MySQL: "
            "APP_OVERLAY=-database, and the variables of its address in app.env"
        )
    needed = {}
    if ".gis." in engine:
        needed[EXTENSIONS["postgis"]] = f"PostGIS ({place})"
    if "pgvector" in installed.packages:
        needed[EXTENSIONS["pgvector"]] = f"pgvector ({installed.packages['pgvector']})"
    if needed:
        findings.line("DB_PACKAGES", " ".join(needed), f"for {', '.join(needed.values())}")
    return findings


def geodjango(values: doctor_settings.Settings) -> str:
    """file:line of django.contrib.gis among the applications; "" where it is not."""
    return next(
        (str(value.at) for name, value in texts(values["INSTALLED_APPS"]) if name == "django.contrib.gis"), ""
    )
