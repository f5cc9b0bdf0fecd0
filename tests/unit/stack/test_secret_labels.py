"""A secret that was written replaces the containers that read it, and no others."""

import json

import pytest

from channels_stack_deploy.config import ownership


@pytest.fixture
def folder(tmp_path):
    for name in ("secret_key", "redis_acl", "db_password"):
        (tmp_path / name).write_text("x" * 20)
    return tmp_path


def labels(folder):
    used = {"http": ["secret_key"], "redis": ["redis_acl"], "db": ["db_password"], "edge": []}
    whole = {
        "services": {name: {"secrets": [{"source": each} for each in those]} for name, those in used.items()},
        "secrets": {path.name: {"file": str(path)} for path in folder.iterdir()},
    }
    found = json.loads(ownership.labels(whole, "/srv/first"))["services"]
    assert all(each["labels"][ownership.LABEL] == "/srv/first" for each in found.values())
    return {name: each["labels"].get(ownership.SECRETS) for name, each in found.items()}


def test_nothing_changes_while_no_secret_does(folder):
    assert labels(folder) == labels(folder)


@pytest.mark.parametrize(
    ("secret", "concerned"), [("secret_key", {"http"}), ("redis_acl", {"redis"}), ("db_password", set())]
)
def test_a_secret_concerns_who_reads_it(folder, secret, concerned):
    before = labels(folder)
    (folder / secret).write_text("another")
    after = labels(folder)
    assert {name for name in after if after[name] != before[name]} == concerned


def test_no_content_is_in_a_label(folder):
    (folder / "secret_key").write_text("hunter2")
    assert "hunter2" not in str(labels(folder))
