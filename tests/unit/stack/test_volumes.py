"""APP_VOLUMES: folders and database files, and what of a project a volume would hide."""

import pytest

from channels_stack_deploy.build import contexts, images
from channels_stack_deploy.config import volumes
from channels_stack_deploy.console import Failure


def settings(text):
    return {"APP_VOLUMES": text}


@pytest.fixture
def project(tmp_path):
    """A project as it lies about: source, a database in its root, data in a folder of its own."""
    for name in ("manage.py", "db.sqlite3", "shop/models.py", "shop/shop.db", "data/a.csv", "empty/.gitkeep"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    return tmp_path


def checked(project, text):
    files = contexts.files(project)
    volumes.check(project, files, settings(text))
    return volumes.notices(project, files, settings(text))


def test_a_folder_is_mounted_where_it_is():
    (found,) = volumes.read(settings("data"))
    assert (found.mount, found.link) == ("app-app-data:/srv/app/data", "")
    (found,) = volumes.read(settings("/srv/queue"))
    assert (found.mount, found.link) == ("app-queue:/srv/queue", "")


@pytest.mark.parametrize("name", ["db.sqlite3", "var/shop.db", "x.sqlite"])
def test_of_a_database_the_file_alone_is_kept(name):
    (found,) = volumes.read(settings(name))
    assert found.link == f"/srv/app/{name}" and found.path == f"/srv/files/{found.name}"


@pytest.mark.parametrize(
    "word", ["/etc", "../x", "/srv/static", ".", "/srv/../etc", "a:b", "/srv/files", "a-b a/b"]
)
def test_what_is_no_volume_is_named(word):
    with pytest.raises(Failure, match="APP_VOLUMES"):
        volumes.read(settings(word))


def test_a_volume_over_source_is_rejected_with_what_to_write(project):
    with pytest.raises(Failure) as failure:
        checked(project, "shop data")
    assert "shop/models.py" in str(failure.value) and "APP_VOLUMES=shop/shop.db" in str(failure.value)
    assert checked(project, "shop/shop.db")


def test_a_file_that_is_no_database_is_rejected(project):
    with pytest.raises(Failure, match=r"data/a\.csv, a file that is no database"):
        checked(project, "data/a.csv")


def test_what_a_volume_begins_with_is_reported(project):
    (line,) = checked(project, "data empty nowhere /srv/queue")
    assert "/srv/app/data begins with data/a.csv" in line
    (line,) = checked(project, "db.sqlite3")
    assert "/srv/app/db.sqlite3 begins with db.sqlite3" in line


def test_the_build_knows_which_file_is_a_link(project):
    found = images.application(images_settings(project, "data db.sqlite3"), "uvicorn").arguments
    assert found["APP_VOLUMES"] == "/srv/app/data /srv/files/app-app-db-sqlite3"
    assert found["APP_FILES"] == "/srv/app/db.sqlite3=/srv/files/app-app-db-sqlite3"


def images_settings(project, text):
    from channels_stack_deploy.config.settings import defaults

    (project / "requirements.txt").write_text("django\n")
    return defaults() | {"APP_DIR": str(project), "APP_VOLUMES": text}
