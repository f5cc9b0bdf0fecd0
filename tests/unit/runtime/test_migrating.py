"""A migration that cannot run: which one, where, and that the overlay has exchanged the engine."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from processes import Postgres, Project, postgres_program

SETTINGS = """
from pathlib import Path
SECRET_KEY = "django-insecure-x"
INSTALLED_APPS = ["shop", "channels"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(__file__).parents[1] / "db.sqlite3"}}
"""

ASGI = """
from django.core.asgi import get_asgi_application
application = get_asgi_application()
"""

FIRST = """
from django.db import migrations, models

class Migration(migrations.Migration):
    operations = [
        migrations.CreateModel("Shelf", [("id", models.BigAutoField(primary_key=True))]),
        migrations.CreateModel("Book", [
            ("id", models.BigAutoField(primary_key=True)),
            ("title", models.CharField(max_length=9, null=True)),
            ("shelf", models.ForeignKey("shop.Shelf", models.CASCADE)),
        ]),
    ]
"""

SECOND = """
from django.db import migrations, models

def fill(apps, schema_editor):
    shelf = apps.get_model("shop", "Shelf").objects.create()
    apps.get_model("shop", "Book").objects.create(shelf=shelf)
    {inside}

class Migration(migrations.Migration):
    dependencies = [("shop", "0001_first")]
    operations = [{operations}]
"""

PENDING = 'migrations.RunPython(fill), migrations.AlterField("Book", "title", models.TextField(default=""))'
"""Rows and their table changed at once: on SQLite that goes well."""


@pytest.fixture(scope="module")
def postgres():
    if not postgres_program("initdb"):
        pytest.skip("no PostgreSQL server on this machine")
    with Postgres() as server:
        yield server


def shop(folder: Path, operations: str, inside: str = "pass") -> Path:
    """A project below FOLDER whose second migration has OPERATIONS."""
    texts = {
        "settings.py": SETTINGS,
        "asgi.py": ASGI,
        "migrations/0001_first.py": FIRST,
        "migrations/0002_second.py": SECOND.format(operations=operations, inside=inside),
    }
    for name, text in texts.items():
        path = folder / "site/shop" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(text)
    return folder / "site"


def released(project: Project, site: Path, **environment: str) -> tuple[int, str]:
    """The exit code of a release of SITE, and its last line."""
    release = project.command(
        "release",
        PYTHONPATH=f"{project.environment['PYTHONPATH']}:{site}",
        DJANGO_SETTINGS_MODULE="channels_stack.overlay",
        APP_SETTINGS="shop.settings",
        APP_ASGI="shop.asgi:application",
        APP_WORKER_CHANNELS="",
        **{"APP_OVERLAY": "on", **environment},
    )
    code, output = release.wait(60), release.output()
    assert "Traceback" not in output, output
    return code, json.loads(output.splitlines()[-1])["message"]


@pytest.mark.parametrize(
    ("operations", "inside", "words"),
    [
        (PENDING, "pass", ["pending trigger events"]),
        (
            "migrations.RunSQL('CREATE EXTENSION earth_map')",
            "pass",
            ['extension "earth_map" is not available', "gets earth_map by DB_PACKAGES"],
        ),
        ("migrations.RunSQL('PRAGMA foreign_keys = ON')", "pass", ['syntax error at or near "PRAGMA"']),
        (
            "migrations.RunPython(fill)",
            "{}['price']",
            ["shop/migrations/0002_second.py:7: KeyError: 'price'"],
        ),
    ],
)
def test_the_line_names_migration_engine_and_the_way_to_stay(
    project, postgres, tmp_path, operations, inside, words
):
    name = f"shop{abs(hash(operations + inside))}"
    postgres.create(name)
    site = shop(tmp_path, operations, inside)
    address = f"postgresql://postgres:s3cret@127.0.0.1:{postgres.port}/{name}"
    code, said = released(project, site, DATABASE_URL=address, APP_OVERLAY="-static")
    assert code == 1
    assert said.startswith("release failed: migrations: shop.0002_second (")
    assert "shop/migrations/0002_second.py): " in said and "s3cret" not in said
    assert all(word in said for word in words), said
    assert "the project's own database is sqlite, the release runs on postgresql" in said
    assert said.endswith(f"stay on SQLite: APP_OVERLAY=-static -database, APP_VOLUMES={site}/db.sqlite3")


def test_what_fails_on_the_projects_own_engine_names_the_migration_alone(project, tmp_path):
    site = shop(tmp_path, "migrations.RunSQL('nonsense')")
    code, said = released(project, site, APP_OVERLAY="-database")
    assert code == 1
    assert "shop.0002_second (" in said and 'near "nonsense": syntax error' in said
    assert "stay on" not in said


def test_what_runs_on_sqlite_alone_goes_well_there(project, tmp_path):
    code, said = released(project, shop(tmp_path, PENDING), APP_OVERLAY="-database")
    assert (code, said.partition(" in ")[0]) == (0, "release: done")


@pytest.mark.skipif(os.getuid() == 0, reason="nothing is forbidden to root")
def test_sqlite_in_an_image_is_named_at_once_with_its_volume(project, tmp_path):
    site = shop(tmp_path, PENDING)
    site.chmod(0o555)
    try:
        code, said = released(project, site, APP_OVERLAY="-database")
    finally:
        site.chmod(0o755)
    assert code == 1
    assert said.endswith(f"no process may write there: name it in stack.env, APP_VOLUMES={site}/db.sqlite3")


def test_sqlite_behind_a_link_into_a_volume(project, tmp_path):
    """As the image has it for a file in APP_VOLUMES: the journal is written next to the file, not to the link."""
    site = shop(tmp_path, PENDING)
    (tmp_path / "volume").mkdir()
    (site / "db.sqlite3").symlink_to(tmp_path / "volume/db.sqlite3")
    site.chmod(0o555)
    try:
        code, said = released(project, site, APP_OVERLAY="-database")
    finally:
        site.chmod(0o755)
    assert code == 0, said
    assert (tmp_path / "volume/db.sqlite3").stat().st_size


def test_a_variable_that_the_project_sets_itself_is_not_the_operators(project, tmp_path):
    """DEBUG from a .env or setdefault() of the project's switches nothing on, and no line speaks of it."""
    site = shop(tmp_path, PENDING)
    path = site / "shop/settings.py"
    path.write_text(f'import os\nos.environ.setdefault("DEBUG", "True")\nDEBUG = True\n{path.read_text()}')
    release = project.command(
        "release",
        PYTHONPATH=f"{project.environment['PYTHONPATH']}:{site}",
        DJANGO_SETTINGS_MODULE="channels_stack.overlay",
        APP_SETTINGS="shop.settings",
        APP_ASGI="shop.asgi:application",
        APP_WORKER_CHANNELS="",
        APP_OVERLAY="-database",
    )
    assert release.wait(60) == 0, release.output()
    assert "overlay: DEBUG: off, as in production" in release.output(), release.output()
