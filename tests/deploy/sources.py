"""Releases of the reference application that differ from it in one thing, mostly a bad one."""

from __future__ import annotations

import shutil
from pathlib import Path

from stacks import ROOT

# Only where it serves: the job of a release imports the same module.
HANGS = "\nimport sys\nimport time\n\nif 'serve' in sys.argv:\n    time.sleep(1_000_000)\n"
CRASHES = """
import os
import sys
import threading

if "serve" in sys.argv:
    threading.Timer(20, os._exit, [3]).start()
"""
FAILS = """
MIDDLEWARE = [*MIDDLEWARE, "config.fails.fails"]
"""
FAILING_PAGES = """
def fails(get_response):
    def answer(request):
        if {where}:
            raise RuntimeError("this release cannot show a page")
        return get_response(request)

    return answer
"""

MIGRATION = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("rooms", "{after}")]
    operations = [{operation}]
"""
FAILING = 'migrations.RunSQL("SELECT 1 / 0")'
ADDING = 'migrations.AddField("room", "topic", models.CharField(max_length=80, null=True))'
REMOVING = 'migrations.RunSQL("ALTER TABLE rooms_room DROP COLUMN topic")'


def copy(folder: Path, name: str, **changes: str) -> Path:
    """A copy of app/ below FOLDER; CHANGES are texts to add at the end of a file, whose name has __ for / and no ending."""
    target = folder / name
    shutil.copytree(ROOT / "app", target, ignore=shutil.ignore_patterns("__pycache__"))
    for path, text in changes.items():
        file = target / (path.replace("__", "/") + ".py")
        file.write_text((file.read_text() if file.exists() else "") + text)
    return target


def migrated(folder: Path, name: str, **operations: str) -> Path:
    """A copy of app/ with migrations of `rooms`: name -> operation, one after the other."""
    target = copy(folder, name)
    for migration, operation in operations.items():
        migrate(target, migration, operation)
    return target


def migrate(application: Path, migration: str, operation: str) -> None:
    """Give the APPLICATION one more MIGRATION of `rooms`, whose name sorts behind those that it has."""
    place = application / "rooms/migrations"
    newest = sorted(path.stem for path in place.glob("0*.py"))[-1]
    assert newest < migration, f"{migration} would come before {newest}"
    (place / f"{migration}.py").write_text(MIGRATION.format(after=newest, operation=operation))
