"""An image is named by its content."""

import pytest

from stack.images import Image


@pytest.fixture
def folder(tmp_path):
    """A build context with one file."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    return tmp_path


def test_the_same_content_has_the_same_name(folder):
    assert Image("a", folder).tag("base") == Image("a", folder).tag("base")


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "Dockerfile").write_text("FROM other\n"),
        lambda folder: (folder / "new").write_text(""),
        lambda folder: (folder / "Dockerfile").chmod(0o755),
        lambda folder: (folder / "Dockerfile").rename(folder / "Dockerfile2"),
    ],
)
def test_any_change_of_content_changes_the_name(folder, change):
    before = Image("a", folder).tag("base")
    change(folder)
    assert Image("a", folder).tag("base") != before


@pytest.mark.parametrize("other", [{"target": "x"}, {"arguments": {"A": "1"}}])
def test_target_and_arguments_are_part_of_the_name(folder, other):
    assert Image("a", folder).tag("base") != Image("a", folder, **other).tag("base")


def test_the_base_is_part_of_the_name(folder):
    assert Image("a", folder).tag("one") != Image("a", folder).tag("two")


def test_caches_are_not(folder):
    before = Image("a", folder).tag("base")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__/x.pyc").write_text("x")
    assert Image("a", folder).tag("base") == before
