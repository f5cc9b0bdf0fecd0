"""Where the way back leads: histories of deploys, ways back, failures and interruptions, told as their lines."""

import subprocess

import pytest

from channels_stack_deploy.swarm import history
from channels_stack_deploy.swarm.engine import Engine

HISTORIES = {
    "nothing was ever begun": ("", "", "", ""),
    "the first release": ("begun A, served A", "A", "", "A"),
    "two releases": ("begun A, served A, begun B, served B", "B", "A", "BA"),
    "two releases, back": ("begun A, served A, begun B, served B, begun A, back A", "A", "", "A"),
    "three releases, back twice": (
        "begun A, served A, begun B, served B, begun C, served C, begun B, back B, begun A, back A",
        "A",
        "",
        "A",
    ),
    "back, then a release that fails its last check": (
        "begun A, served A, begun B, served B, begun A, back A, begun C, failed C",
        "A",
        "A",
        "A",
    ),
    "interrupted in the middle of the roll": (
        "begun A, served A, begun B, served B, begun C",
        "B",
        "B",
        "BA",
    ),
    "interrupted twice, then deployed": (
        "begun A, served A, begun B, begun C, begun D, served D",
        "D",
        "A",
        "DA",
    ),
    "a way back that was interrupted": (
        "begun A, served A, begun B, served B, begun A",
        "B",
        "B",
        "BA",
    ),
    "failed, repaired by the way back, then one more": (
        "begun A, served A, begun B, served B, begun C, failed C, begun B, back B",
        "B",
        "A",
        "BA",
    ),
    "back, and forward again by name": (
        "begun A, served A, begun B, served B, begun A, back A, begun B, back B",
        "B",
        "A",
        "BA",
    ),
    "an older source deployed again": (
        "begun A, served A, begun B, served B, begun C, served C, begun A, served A",
        "A",
        "C",
        "ACB",
    ),
    "back by name past one that stays kept": (
        "begun A, served A, begun B, served B, begun C, served C, begun A, back A, begun D, served D",
        "D",
        "A",
        "DA",
    ),
    "deployed by an older version of the stack, then by this one": ("begun B, served B", "B", "", "B"),
    "the first with a history, interrupted": ("begun B", "A", "A", "A"),
}
"""What happened -> events, the release that the pointer names, where the way back leads, what is kept of the order."""


def past(text: str) -> list[history.Event]:
    words = [each.split() for each in text.split(", ") if each]
    return [history.Event(f"2026-11-28T10:{n:02}:00Z", *each, "anna@desk") for n, each in enumerate(words)]


@pytest.mark.parametrize(("text", "current", "leads", "order"), HISTORIES.values(), ids=HISTORIES)
def test_where_the_way_back_leads(text, current, leads, order):
    assert history.previous(past(text), current, list("ABCD")) == leads
    served, _ = history.whole(past(text), current)
    assert "".join(reversed(served)) == order


def test_a_release_that_is_not_kept_is_no_way_back():
    events = past("begun A, served A, begun B, served B, begun C, served C")
    assert history.previous(events, "C", ["A", "C"]) == "A"


def manager() -> Engine:
    def run(line: str, given: str) -> tuple[int, str, str]:
        done = subprocess.run(["sh", "-c", line], input=given, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    return Engine(run, "stack", print)


def test_the_file_is_read_as_it_was_written(tmp_path):
    engine, folder = manager(), str(tmp_path)
    history.remember(engine, folder, "begun", "1.4.2")
    history.remember(engine, folder, "served", "1.4.2")
    with (tmp_path / "history").open("a") as file:
        file.write("2026-11-28T10:00")  # the disk was full
    assert [(each.event, each.release) for each in history.events(engine, folder)] == [
        ("begun", "1.4.2"),
        ("served", "1.4.2"),
    ]


def test_the_status_names_a_run_that_did_not_end(tmp_path):
    engine, folder = manager(), str(tmp_path)
    for event, release in (("begun", "A"), ("served", "A"), ("begun", "B")):
        history.remember(engine, folder, event, release)
    assert "release B: begun" in history.lines(engine, folder)[-1]
    assert "a rollback leads to A" in history.lines(engine, folder)[-1]


def test_releases_are_found_in_a_folder_whose_name_has_a_blank(tmp_path):
    folder = tmp_path / "my stack"
    (folder / "A").mkdir(parents=True)
    (folder / "A/manifest.json").write_text('{"release": "A"}')
    (folder / "current").symlink_to("A")
    found = history.releases(manager(), str(folder))
    assert (found["releases"], found["current"]) == (["A"], "A")
