"""An image is named by its content."""

import resource

import pytest

from channels_stack_deploy.build import builder, contexts, images
from channels_stack_deploy.build.contexts import Image
from channels_stack_deploy.config import settings
from channels_stack_deploy.console import Failure


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


def test_the_last_step_is_part_of_the_name(folder, monkeypatch):
    before = Image("a", folder).tag("base")
    (folder.parent / "steps").mkdir(exist_ok=True)
    monkeypatch.setattr(contexts, "STEPS", folder.parent / "steps")
    (folder.parent / "steps/seal").write_text("another")
    assert Image("a", folder).tag("base") != before


def test_caches_are_not(folder):
    before = Image("a", folder).tag("base")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__/x.pyc").write_text("x")
    assert Image("a", folder).tag("base") == before


def test_links_are_followed_and_circles_are_not(tmp_path):
    project, shared = tmp_path / "project", tmp_path / "shared/shop"
    for folder in (project, shared):
        folder.mkdir(parents=True)
    (shared / "models.py").write_text("x")
    (project / "shop").symlink_to(shared)
    (shared / "back").symlink_to(project)
    (project / "gone").symlink_to("nowhere")
    before = contexts.content(project)
    assert contexts.files(project) == [project / "shop/models.py"]
    assert contexts.oddities(project) == ["gone is a link to nowhere, which is not there: it is left out"]
    (shared / "models.py").write_text("y")
    assert contexts.content(project) != before


def test_a_large_file_is_named_and_read_in_pieces(folder):
    with (folder / "dump.sql").open("wb") as file:
        file.truncate(2 * contexts.LARGE_BYTES)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert contexts.content(folder)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000, "kilobytes"
    (line,) = contexts.oddities(folder)
    assert line.startswith("dump.sql (100 MB) goes into the application's image")


def test_each_folder_is_read_once(folder, monkeypatch):
    read = []
    monkeypatch.setattr(contexts, "content", lambda folder: read.append(folder) or b"digest")
    contents: dict = {}
    for name in ("a", "b", "c"):
        Image(name, folder).tag("base", contents)
    assert read == [folder, contexts.STEPS]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APP_DIR", "../nosuch"),
        ("APP_PATH", "nosuch"),
        ("APP_REQUIREMENTS", "nosuch.txt"),
        ("APP_CONSTRAINTS", "nosuch.txt"),
    ],
)
def test_what_is_not_there_is_named_with_its_setting(name, value):
    with pytest.raises(Failure, match=rf"nosuch.*check {name} in stack.env") as refused:
        images.application({**settings.defaults(), name: value}, "uvicorn")
    assert "\n" not in str(refused.value)


def test_traces_are_in_an_image_that_is_for_them_alone():
    off, on = (
        images.application({**settings.defaults(), "TRACING": url}, "uvicorn").arguments
        for url in ("", "http://collector:4318")
    )
    assert on == {**off, "TRACING": "on"}
    with pytest.raises(Failure, match=r"TRACING .* take a newer APP_DEBIAN"):
        images.application(
            {**settings.defaults(), "TRACING": "http://c:4318", "APP_DEBIAN": "bullseye"}, "uvicorn"
        )


def test_a_failed_build_ends_with_the_one_line_that_says_why():
    lines = [
        "#9 [build 1/2] RUN x",
        "#9 5.1 error: gcc",
        "#9 5.2 install.py: no wheel of a",
        "------",
        " > [build]:",
    ]
    lines += ["5.2 install.py: no wheel of a", "ERROR: failed to solve"]
    assert builder.reason(lines).splitlines()[1:] == ["5.1 error: gcc", "no wheel of a"]
    assert "failed to solve" in builder.reason(["#1 x", "ERROR: failed to solve"])


def test_what_the_doctor_says_is_left_out_is_left_out():
    import channels_stack_deploy.adopt  # noqa: F401  (the doctor is found from there)
    from channels_stack.doctor.rules.folders import LEFT_OUT

    assert LEFT_OUT <= contexts.IGNORED


@pytest.mark.parametrize(
    ("value", "server"),
    [("", {}), ("valkey", {"SERVER": "valkey"}), ("redis:8", None), ("me/valkey:8", None)],
)
def test_what_keeps_the_layers_is_built_or_named(value, server):
    made = images.wanted({**settings.defaults(), "REDIS_IMAGE": value}).get("REDIS_IMAGE")
    assert (made and made.arguments) == server
