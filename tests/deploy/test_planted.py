"""A bad release is noticed while it rolls, by what its visitors get: planted faults, and releases without one, under visitors.

On one machine; on servers the same job compares (test_broken.py). Each line begins with `figure:`; an hour in all.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import planted
import pytest
import stacks

pytestmark = pytest.mark.more

FREE = dict.fromkeys(
    ("EDGE_REQUESTS_PER_10S", "EDGE_HANDSHAKES_PER_10S", "EDGE_CONNECTIONS_PER_ADDRESS"), "0"
)
SMALL = {"HTTP_REPLICAS": "1", "WS_REPLICAS": "1", "HTTP_PROCESSES": "1", "WS_MAX_SOCKETS_PER_USER": "1000"}


@pytest.fixture(scope="module")
def application(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")
    folder.chmod(0o755)
    return planted.application(folder)


@pytest.fixture(scope="module")
def place(application):
    with stacks.own("planted", APP_DIR=str(application), **FREE, **SMALL, TRIAL_SECONDS="30") as found:
        yield found


@pytest.fixture(scope="module")
def settings(place) -> str:
    """The settings of the first release."""
    return (place.folder / "stack.env").read_text()


@pytest.fixture(scope="module", autouse=True)
def visitors(place):
    with planted.visiting(place) as seen:
        yield seen
    print(f"figure: visitors: {seen.pages} pages, {seen.sockets} sockets, {seen.failed} failures", flush=True)


def released(place, kind: str) -> tuple[int, float, str]:
    """`make up` of the release KIND: its exit code, seconds from the begin of its trial to its end, what it said."""
    (place.folder / "app.env").write_text(f'PLANTED="{kind}"\n')
    command = [sys.executable, "-u", "-m", "channels_stack_deploy", "--folder", str(place.folder), "up"]
    environment = {**os.environ, "PYTHONPATH": str(stacks.ROOT / "src/channels_stack_deploy")}
    said, trial, seconds = [], 0.0, 0.0
    with subprocess.Popen(
        command, cwd=stacks.ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as up:
        for line in up.stdout or ():
            said.append(line)
            if "on trial for" in line:
                trial = time.monotonic()
            if "does worse than" in line or " of the old release" in line:
                seconds = time.monotonic() - trial
    return up.returncode, seconds, "".join(said)


@pytest.mark.parametrize("kind", planted.BAD)
def test_it_is_aborted(place, kind):
    running = set(place.containers())
    code, seconds, said = released(place, kind)
    lines = [line.strip() for line in said.splitlines() if line.startswith("traffic: ")]
    print(
        f"figure: bad: {kind}: {'aborted' if code else 'NOT ABORTED'} after {seconds:.0f} s; {'; '.join(lines)}",
        flush=True,
    )
    if not code:
        released(place, "")  # the next one is to be compared with one that is well
    assert code and lines, said[-3000:]
    assert set(place.containers()) == running, "the old release does not serve as before"


@pytest.mark.parametrize("kind", planted.GOOD)
def test_it_goes_through(place, application, settings, kind):
    if kind == planted.MIGRATED:
        planted.migrate(application)
    changed = "".join(f"{name}={value}\n" for name, value in planted.GOOD[kind].items())
    (place.folder / "stack.env").write_text(settings + changed)
    code, _, said = released(place, kind)
    print(
        f"figure: {kind}: {'ABORTED' if code else 'released'}; {said.count('on trial for')} trial",
        flush=True,
    )
    assert code == 0, said[-3000:]
    assert "on trial for" in said, "nothing was compared"
