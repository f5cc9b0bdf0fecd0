"""The verbs of an operator on the stack of one machine; tests/deploy/test_verbs_on_servers.py has the same on servers."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading

import pytest
import stacks
import verbs
from visitors import browse


@pytest.fixture(scope="module")
def stack():
    """A stack of its own: maintenance stops its visitors."""
    with stacks.own("operated", WS_REPLICAS="1", HTTP_PROCESSES="1", **stacks.BRIEF) as made:
        yield made


@pytest.fixture
def visitor(stack):
    """A client for pages that has not signed in."""
    with browse(stack) as client:
        yield client


@pytest.fixture
def verb(stack):
    """A function (name, variables) -> what `make NAME` says: the Makefile calls the same."""
    return lambda name, **variables: stacks.tool(stack.folder, name, **variables)


@pytest.mark.parametrize("name", verbs.ANSWERS)
def test_a_verb_answers(verb, name):
    verbs.answered(verb, name)


def test_who_did_what_is_kept(verb):
    verbs.noted(verb, "up")


def test_the_lines_of_one_request(verb, visitor):
    answer = visitor.get("/login/")
    stacks.eventually(
        lambda: verb("logs", REQUEST=answer.headers["X-Request-ID"], FOLLOW="no").count("\n") == 2
    )
    verbs.lines_of_one_request(verb, answer.headers["X-Request-ID"])


def test_maintenance(verb, visitor):
    """That sockets are closed with 1013, and that it outlasts a restart: tests/image/test_edge_leaving.py."""

    def status() -> tuple[int, str]:
        answer = visitor.get("/login/")
        return answer.status_code, answer.headers.get("Retry-After", "")

    verbs.maintained(verb, status)


def test_hooks_get_what_happens(verb, stack):
    """One that is told of everything, here of maintenance; of releases: tests/unit/stack/test_hooks.py."""
    told = stack.folder / "told"
    hook = stack.folder / "hooks/notify"
    hook.parent.mkdir()
    hook.write_text(f"#!/bin/sh\necho $HOOK_EVENT $HOOK_STACK $HOOK_WHO >> {told}\n")
    hook.chmod(0o755)
    try:
        verb("maintenance", W="on")
    finally:
        verb("maintenance", W="off")
        hook.unlink()
    lines = [line.split() for line in told.read_text().splitlines()]
    assert [line[:2] for line in lines] == [
        ["maintenance-on", stack.project],
        ["maintenance-off", stack.project],
    ]
    assert all("@" in line[2] for line in lines)


def test_what_runs_is_of_the_release_that_serves(verb, stack):
    first, _, *rows = verb("details").splitlines()
    release = re.search(r"release ([0-9a-f]{12}), since 2\S+Z by \S+@", first)[1]
    running = [row for row in rows if row.startswith("this machine")]
    assert len(running) == len(stack.containers()) and all(release in row for row in running), rows
    shown = verb("logs", RELEASE=release, FOLLOW="no", S="worker")
    assert "worker-1" in shown
    with pytest.raises(stacks.StackError, match="no container of release 000000"):
        verb("logs", RELEASE="000000", FOLLOW="no")


def test_a_container_that_has_ended_is_shown_with_its_code(verb, stack):
    [worker] = stack.containers("worker")
    stacks.docker("kill", worker)
    try:
        [row] = [row for row in verb("details").splitlines() if "worker-1" in row]
        assert "exited (137)" in row
    finally:
        stacks.docker("start", worker)


def test_a_command_that_fails_is_reported(verb):
    for name, words in {"shell": "sh -c 'exit 7'", "job": "sh -c 'exit 7'"}.items():
        with pytest.raises(stacks.StackError, match=r"exit 7\b"):
            verb(name, C=words)
    with pytest.raises(stacks.StackError, match="no container of nothing runs; there are "):
        verb("shell", S="nothing")
    with pytest.raises(stacks.StackError, match="LEVEL=loud is none of "):
        verb("logs", LEVEL="loud")


def test_logs_follow_and_leave_nothing_behind(stack, visitor):
    """What is logged while they are followed arrives; when the reader has enough, no process of it is left."""
    follows = subprocess.Popen(
        [sys.executable, "-m", "channels_stack_deploy", "--folder", str(stack.folder), "logs"],
        cwd=stacks.ROOT,
        env={**os.environ, "PYTHONPATH": str(stacks.ROOT / "src/channels_stack_deploy"), "S": "http"},
        stdout=subprocess.PIPE,
        text=True,
    )
    late = threading.Timer(stacks.START_SECONDS, follows.kill)
    late.start()
    readers = stacks.docker("ps", "--quiet", "--no-trunc", "--filter", f"name={stack.project}-http").split()
    try:
        stacks.eventually(lambda: reading(readers), what="the readers of both containers run")
        wanted = visitor.get("/login/").headers["X-Request-ID"]
        assert follows.stdout and any(wanted in line for line in follows.stdout)
    finally:
        follows.send_signal(signal.SIGINT)
        follows.wait(stacks.START_SECONDS)
        late.cancel()
    stacks.eventually(lambda: not reading(readers), what="no reader is left")


def reading(containers: list[str]) -> list[str]:
    """Processes of this machine that follow the logs of CONTAINERS."""
    listed = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [
        line
        for line in listed.splitlines()
        if line.startswith("docker logs") and line.split()[-1] in containers
    ]
