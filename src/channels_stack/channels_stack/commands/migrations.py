"""`channels-stack migrations`: what the database has been through, and whether older code can live with it.

One line of JSON on standard output:

    {"unknown": ["rooms.0007_tags"], "applied": {"rooms.0001_initial": "", "rooms.0006_drop": "reason"}}

`unknown` are migrations in the database that this code does not have: it is older than they are. `applied` are those
that it has, each with the reason why code from before it cannot use the database any more, "" where it can. A way
back asks the old code for the first and the new code for the second.

A migration says by itself that it does no harm: `backward_compatible = True` in its class.
"""

from __future__ import annotations

import json
from typing import Any

from ..config.settings import Settings
from ..project import loading


def main(settings: Settings) -> int:
    """Print the answer; 0. An unreachable database is an error with one line."""
    from .release import ReleaseError, wait_for_database

    loading.setup_django(settings, "migrations")
    try:
        wait_for_database(10)
    except ReleaseError as error:
        raise SystemExit(f"channels-stack: {error}") from None
    print(json.dumps(answer()), flush=True)
    return 0


def answer() -> dict[str, Any]:
    """The answer as described above."""
    from django.db import connection
    from django.db.migrations.loader import MigrationLoader

    loader = MigrationLoader(connection, ignore_no_migrations=True)
    replaced = {key for migration in loader.disk_migrations.values() for key in migration.replaces}
    known = {key: loader.disk_migrations.get(key) for key in loader.applied_migrations}
    return {
        "unknown": sorted(
            ".".join(key) for key, found in known.items() if found is None and key not in replaced
        ),
        "applied": {".".join(key): harm(found) for key, found in sorted(known.items()) if found is not None},
    }


def harm(migration: Any) -> str:
    """Why code that does not know MIGRATION cannot use the database after it; "" where it can."""
    if getattr(migration, "backward_compatible", False):
        return ""
    found = [reason for operation in migration.operations if (reason := harm_of(operation))]
    return "; ".join(found)


def harm_of(operation: Any) -> str:
    """The same of one operation. Only what adds, and needs nothing from the old code, is harmless."""
    from django.db import migrations

    if isinstance(operation, migrations.SeparateDatabaseAndState):
        return "; ".join(filter(None, map(harm_of, operation.database_operations)))
    harmless = (
        migrations.CreateModel,
        migrations.AddIndex,
        migrations.RemoveIndex,
        migrations.RemoveConstraint,
        migrations.AlterModelOptions,
        migrations.AlterModelManagers,
    )
    if isinstance(operation, harmless) or (
        isinstance(operation, migrations.AddField) and fills_itself(operation.field)
    ):
        return ""
    if isinstance(operation, (migrations.RunPython, migrations.RunSQL)):
        return f"{type(operation).__name__} changes data in a way that nothing can judge from outside"
    return operation.describe()


def fills_itself(field: Any) -> bool:
    """Whether the database has a value for FIELD where an INSERT does not name it."""
    from django.db.models import NOT_PROVIDED

    # db_default came with Django 5.0.
    given = getattr(field, "db_default", NOT_PROVIDED) is not NOT_PROVIDED
    return bool(field.null or field.many_to_many or given)
