"""Which migrations older code can live with."""

import pytest
from django.db import migrations, models

from channels_stack.commands.migrations import harm

TEXT = models.CharField(max_length=9)
HARMLESS = {
    "new table": migrations.CreateModel("Tag", [("id", models.BigAutoField(primary_key=True))]),
    "new index": migrations.AddIndex("tag", models.Index(fields=["id"], name="by_id")),
    "nullable column": migrations.AddField("tag", "topic", models.CharField(max_length=9, null=True)),
    "many to many": migrations.AddField("tag", "rooms", models.ManyToManyField("rooms.Room")),
    "only state": migrations.SeparateDatabaseAndState([], [migrations.RemoveField("tag", "topic")]),
}
HARMFUL = {
    "column that the old code does not fill": migrations.AddField("tag", "topic", TEXT),
    "default that only the new code knows": migrations.AddField("tag", "n", models.IntegerField(default=1)),
    "removed column": migrations.RemoveField("tag", "topic"),
    "removed table": migrations.DeleteModel("Tag"),
    "renamed column": migrations.RenameField("tag", "topic", "title"),
    "other type": migrations.AlterField("tag", "topic", TEXT),
    "SQL": migrations.RunSQL("SELECT 1"),
    "Python": migrations.RunPython(migrations.RunPython.noop),
    "removed in the database alone": migrations.SeparateDatabaseAndState([migrations.DeleteModel("Tag")], []),
}


def migration(operation, **attributes):
    """A migration of one OPERATION, whose class has ATTRIBUTES."""
    return type("Migration", (migrations.Migration,), {"operations": [operation], **attributes})(
        "0002", "rooms"
    )


@pytest.mark.parametrize("operation", HARMLESS.values(), ids=HARMLESS)
def test_what_only_adds_is_harmless(operation):
    assert harm(migration(operation)) == ""


@pytest.mark.parametrize("operation", HARMFUL.values(), ids=HARMFUL)
def test_anything_else_has_a_reason(operation):
    assert harm(migration(operation))


def test_a_migration_may_say_that_it_does_no_harm():
    assert harm(migration(HARMFUL["SQL"], backward_compatible=True)) == ""


@pytest.mark.skipif(not hasattr(models.Field(), "db_default"), reason="Django 5.0 brought db_default")
def test_a_column_that_the_database_fills_is_harmless():
    assert harm(migration(migrations.AddField("tag", "n", models.IntegerField(db_default=1)))) == ""
