"""Who is present is in the channel layer.

The table stays for the release before, which serves rooms while this one replaces it, and after a rollback; a later release
drops it. Nothing refers to rooms and users any more: a row that is left must not keep one from being deleted.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def _reference(to: str, name: str) -> models.ForeignKey:
    return models.ForeignKey(to, django.db.models.deletion.CASCADE, related_name=name, db_constraint=False)


class Migration(migrations.Migration):
    backward_compatible = True
    dependencies = (("rooms", "0001_initial"),)
    operations = (
        migrations.AlterField("presence", "room", _reference("rooms.room", "presences")),
        migrations.AlterField("presence", "user", _reference(settings.AUTH_USER_MODEL, "+")),
        migrations.SeparateDatabaseAndState(state_operations=[migrations.DeleteModel("Presence")]),
    )
