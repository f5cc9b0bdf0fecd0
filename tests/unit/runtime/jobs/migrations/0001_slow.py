"""Takes as long as SLOW_MIGRATION says, and writes down when it begins and ends: two at once would show."""

import os
import time

from django.db import migrations

from jobs.asgi import journal


def slow(apps, schema_editor):
    journal("migration begins")
    time.sleep(float(os.environ.get("SLOW_MIGRATION", "0")))
    journal("migration ends")


class Migration(migrations.Migration):
    operations = [migrations.RunPython(slow)]
