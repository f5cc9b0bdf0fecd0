"""What a run says, what it only notes, and where both are kept."""

import threading

import pytest

from channels_stack_deploy import console
from channels_stack_deploy.console import Failure, detail, logged, note, say, show, step, times


@pytest.fixture
def quick(monkeypatch):
    """Steps are long after a moment."""
    monkeypatch.setattr(console, "TITLE_SECONDS", 0.05)
    monkeypatch.setattr(console, "SILENCE_SECONDS", 0.2)


def test_what_is_noted_is_in_the_log_alone_and_what_is_shown_on_the_screen(tmp_path, capsys):
    with logged(tmp_path / "log", "up") as path:
        say("for both")
        note("for who searches")
        show("a password")
    assert capsys.readouterr().out == "for both\na password\n"
    text = path.read_text()
    assert "for both" in text and "for who searches" in text and "a password" not in text
    assert path.stat().st_mode & 0o077 == 0


def test_without_a_log_everything_is_said(capsys):
    note("for who searches")
    assert capsys.readouterr().out == "    for who searches\n"


def test_a_short_step_without_a_word_is_not_named(tmp_path, capsys):
    with logged(tmp_path, "up") as path:
        with step("settings, secrets"):
            pass
        with step("services"):
            detail("8 of 8 healthy")
    assert capsys.readouterr().out == "services\n    8 of 8 healthy\n"
    assert "settings, secrets" in path.read_text()


def test_a_long_step_is_named_again_less_and_less_often(tmp_path, capsys, quick):
    with logged(tmp_path, "up"), step("image rooms: its build"):
        threading.Event().wait(1.0)
    first, *others = capsys.readouterr().out.splitlines()
    assert first == "image rooms: its build"
    assert 1 <= len(others) <= 3 and all(line.startswith("    … image rooms: ") for line in others)


def test_the_end_has_the_time_of_each_step(tmp_path):
    with logged(tmp_path, "up"):
        console._run.phases += [("services", 12.0), ("settings", 0.4)]
        assert times() == "services 12 s"


def test_a_failure_is_in_the_log_and_names_it(tmp_path):
    with pytest.raises(Failure, match=r"no page\nlog: .*-up\.log"), logged(tmp_path, "up") as path:
        raise Failure("no page")
    assert "FAILED: no page" in path.read_text()


def test_the_last_logs_are_kept(tmp_path):
    for number in range(30):
        (tmp_path / f"20260101T0000{number:02}-up.log").touch()
    with logged(tmp_path, "up"):
        pass
    assert len(list(tmp_path.glob("*.log"))) == console.KEPT_LOGS


def test_a_stranger_gives_the_terminal_no_orders(tmp_path, capsys):
    """What is said holds names of a project's files, complaints of programs, and what visitors sent."""
    with logged(tmp_path, "up") as path:
        say("a\x1b[2Jb\x9b2J\r\u202e\ud800")
    said = capsys.readouterr().out
    assert said == "a\\x1b[2Jb\\u009b2J\\r\\u202e\\ud800\n" and said.strip() in path.read_text()
