"""`make up SHARE=20`, on one machine, while people talk: so many visitors try a release first, and nobody else meets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import stacks
import tried
from crowd import Crowd, Site
from tried import BAD, COOKIE
from visitors import Socket, browse, sign_in

SHARE = 20
SMALL = {"HTTP_REPLICAS": "1", "WS_REPLICAS": "1", "HTTP_PROCESSES": "1"}
LIMITS = ("EDGE_REQUESTS_PER_10S", "EDGE_HANDSHAKES_PER_10S", "EDGE_CONNECTIONS_PER_ADDRESS")


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Iterator[stacks.Stack]:
    folder = tmp_path_factory.mktemp("share")
    folder.chmod(0o755)
    unlimited = dict.fromkeys(LIMITS, "0")  # all come from one address
    settings = {"APP_DIR": str(tried.application(folder)), "TRIAL_SECONDS": "20", **unlimited, **SMALL}
    with stacks.own("share", **settings) as made:
        yield made


@pytest.fixture(scope="module")
def site(running) -> Site:
    return Site(["127.0.0.1"], running.host, running.ca, running.user, running.password, running.port)


def describe(stack: stacks.Stack, name: str) -> None:
    """Make NAME the release that the next `make up` puts into service."""
    (stack.folder / "app.env").write_text(f'RELEASE="{name}"\n')


def release(stack: stacks.Stack, name: str, share: int | str = SHARE) -> str:
    """Put the release NAME into service, tried by a SHARE first; StackError where it fails."""
    describe(stack, name)
    return stacks.tool(stack.folder, "up", SHARE=str(share))


def edge(stack: stacks.Stack) -> str:
    (found,) = stack.containers("edge")
    return found


def first(stack: stacks.Stack) -> list[str]:
    """The first containers of a release."""
    return [name for name in stack.containers() if "first-" in name]


def assert_undivided(stack: stacks.Stack, name: str) -> None:
    """Nothing of a trial is left: the release NAME serves all."""
    assert not first(stack)
    assert json.loads(stacks.docker("exec", edge(stack), "edge", "status"))["share"] == 0
    with browse(stack) as client:
        answer = client.get("/login/")
    assert answer.headers["X-Release"] == name
    assert COOKIE not in answer.cookies


def sockets_on_first(stack: stacks.Stack, since: float) -> int:
    """How many sockets first containers took, by the log of the edge."""
    log = stacks.docker("logs", "--since", f"{since:.0f}", edge(stack))
    lines = [json.loads(line) for line in log.splitlines() if line.startswith('{"time"')]
    return sum(line.get("server") == "first" and line["websocket"] for line in lines)


def test_a_good_release_is_tried_by_a_share_and_rolled(running, site):
    begun = time.time()
    with browse(running) as client:
        client.cookies.set(COOKIE, "0")
        assert sign_in(client, running.user, running.password).status_code == 302

        def talk() -> str:
            socket = Socket(running, "/ws/rooms/lobby/", client)
            socket.hear("welcome")
            socket.close()
            return "welcome"

        people = Crowd(site, 20, 2, every=0.5)
        with people.gathered(), tried.visiting(site) as visits, tried.talking(talk) as heard:
            told = release(running, "second")
    seen = people.report()
    print(f"figure: {seen}; {len(heard)} sockets with the number 0; {seen.failures}", flush=True)
    those = [one.releases for one in visits.reached("second", SHARE) if one.releases[0] == "second"]
    assert those, "all came before the first containers"
    assert all(set(releases) == {"second"} for releases in those), "a visitor changed sides"
    assert seen.failures == [] and set(seen.codes) == {1012} and seen.most_closes == 1, str(seen)
    assert (seen.lost, seen.doubled, seen.jobs_lost) == (0, 0, 0), str(seen)
    assert f"{SHARE} % of the visitors reach the new release" in told, told
    assert told.count("on trial for") == 1, told
    assert sockets_on_first(running, begun), "no socket of the share reached the new release"
    assert_undivided(running, "second")


def test_a_bad_release_reaches_a_share_of_the_visitors_and_is_ended(running, site):
    before = set(running.containers())
    with tried.visiting(site) as visits, pytest.raises(stacks.StackError) as failure:
        release(running, "bad")
    visits.reached(BAD, SHARE)
    assert "answers are 5xx" in str(failure.value), failure.value
    assert "the one before goes on serving" in str(failure.value)
    assert "orphan" not in str(failure.value), failure.value
    assert set(running.containers()) == before
    assert_undivided(running, "second")


def test_one_that_was_cut_short_leaves_nothing(running):
    describe(running, "third")
    command = [sys.executable, "-u", "-m", "channels_stack_deploy", "--folder", str(running.folder), "up"]
    place = {"PYTHONPATH": str(stacks.ROOT / "src/channels_stack_deploy"), "SHARE": str(SHARE)}
    with subprocess.Popen(
        command, cwd=stacks.ROOT, env={**os.environ, **place}, stdout=subprocess.PIPE, text=True
    ) as up:
        assert any("reach the new release" in line for line in up.stdout or ())
        up.kill()
    assert first(running)
    told = release(running, "third", share="")
    assert "of the visitors" not in told
    assert_undivided(running, "third")


def test_a_share_of_nothing_is_said(running):
    told = stacks.tool(running.folder, "up", SHARE=str(SHARE))
    assert f"nothing is replaced that {SHARE} % of the visitors could try" in told
    assert_undivided(running, "third")


def test_what_is_no_share_is_refused_before_anything_is_done(running):
    with pytest.raises(stacks.StackError, match="a whole number from 1 to 99"):
        release(running, "fourth", 100)
    assert_undivided(running, "third")
