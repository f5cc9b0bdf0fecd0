"""What an operator has run before and after a release: who is told what, and what a failure does."""

import pytest

from channels_stack_deploy.console import Failure
from channels_stack_deploy.operate import hooks

TOLD = {"stack": "rooms", "release": "a1b2", "address": "https://rooms.example.org/"}


@pytest.fixture
def hook(tmp_path):
    """A function (name, lines) that makes a hook of shell lines."""

    def make(name, *lines, mode=0o755):
        path = tmp_path / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
        path.chmod(mode)

    return make


def test_without_hooks_nothing_happens(tmp_path):
    for event in hooks.EVENTS:
        hooks.run(tmp_path, event, **TOLD)


def test_its_own_and_that_of_everything_run(tmp_path, hook, capsys):
    hook("after-release", "echo $HOOK_RELEASE serves at $HOOK_ADDRESS")
    hook("notify", "echo $HOOK_EVENT of $HOOK_STACK by $HOOK_WHO, ${HOOK_REASON:-no reason}")
    hooks.run(tmp_path, "after-release", **TOLD)
    first, second = capsys.readouterr().out.splitlines()
    assert first.strip() == "after-release: a1b2 serves at https://rooms.example.org/"
    assert second.strip().startswith("notify: after-release of rooms by ") and second.endswith(", no reason")
    hooks.run(tmp_path, "failed-release", **TOLD, reason="no page")
    assert "no page" in capsys.readouterr().out


def test_the_first_one_may_forbid_a_release(tmp_path, hook):
    hook("before-release", "echo not on a Friday", "exit 3")
    with pytest.raises(
        Failure, match=r"(?s)before-release forbids it; nothing was changed.not on a Friday.exit 3"
    ):
        hooks.run(tmp_path, "before-release", **TOLD)


@pytest.mark.parametrize("event", [event for event in hooks.EVENTS if event != hooks.FORBIDS])
def test_another_that_fails_is_said(tmp_path, hook, capsys, event):
    hook(event, "echo the line is busy", "exit 4")
    hooks.run(tmp_path, event, **TOLD)
    assert "the line is busy" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("lines", "mode", "words"),
    [((), 0o644, "chmod [+]x"), (("sleep 60",), 0o755, "did not end within 0.2 s")],
)
def test_one_that_cannot_be_run_forbids_too(tmp_path, hook, monkeypatch, lines, mode, words):
    monkeypatch.setattr(hooks, "SECONDS", 0.2)
    hook("before-release", *lines, mode=mode)
    with pytest.raises(Failure, match=words):
        hooks.run(tmp_path, "before-release", **TOLD)
