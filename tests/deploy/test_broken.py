"""Releases that must not reach anybody: the old one keeps all traffic, one clear line says why, the lock is released."""

from __future__ import annotations

import pytest
import sources
from crowd import Crowd
from deployments import timed

BROKEN = {
    "never healthy": "not healthy within 40 s",
    "migration fails": "rooms.0009_broken (rooms/migrations/0009_broken.py): division by zero",
    "crashes after 20 s": "trial-",
    "every page fails": "pages: /: 500, http answers",
    "pages of those signed in fail": "answers are 5xx",
    "image missing": "the image registry.invalid/redis:9 is not on this machine",
    "domain with a scheme": "stack_settings: DOMAINS holds 'https://rooms.example.org'; a domain is ASCII, without scheme",
}
"""Kind -> words of the line that says why."""


@pytest.fixture(scope="module")
def deployment(server):
    return server.deployed(stack_trial_seconds=30, stack_update_monitor="30s")


@pytest.fixture
def broken(deployment, request):
    """Settings of a release that is broken in the way of the test's parameter; the good ones are set again at the end."""
    folder, kind = deployment.hosts.folder, request.param
    name = "app-" + kind.replace(" ", "-")
    variables: dict[str, object] = {}
    match kind:
        case "never healthy":
            change = {"APP_DIR": str(sources.copy(folder, name, config__asgi=sources.HANGS))}
            variables = {"stack_healthy_seconds": 40}
        case "migration fails":
            change = {"APP_DIR": str(sources.migrated(folder, name, **{"0009_broken": sources.FAILING}))}
        case "crashes after 20 s":
            change = {"APP_DIR": str(sources.copy(folder, name, config__asgi=sources.CRASHES))}
        case "every page fails" | "pages of those signed in fail":
            where = "True" if kind == "every page fails" else "request.user.is_authenticated"
            files = {
                "config__settings": sources.FAILS,
                "config__fails": sources.FAILING_PAGES.format(where=where),
            }
            change = {"APP_DIR": str(sources.copy(folder, name, **files))}
        case "image missing":
            change = {"REDIS_IMAGE": "registry.invalid/redis:9"}
        case "domain with a scheme":
            change = {"DOMAINS": "https://rooms.example.org"}
    good = dict(deployment.settings), dict(deployment.variables)
    deployment.configure(change, **variables)
    yield kind
    deployment.settings, deployment.variables = good
    deployment.configure()


SEEN = "pages of those signed in fail"
IN_CI = "migration fails"


@pytest.mark.parametrize(
    "broken",
    [pytest.param(kind, marks=pytest.mark.ci if kind == IN_CI else ()) for kind in BROKEN],
    indirect=True,
)
def test_the_old_release_keeps_all_traffic(deployment, broken):
    release = deployment.release()
    application = {line for line in deployment.running().values() if "trial" not in line}
    crowd = Crowd(deployment.site, sockets=40, rooms=2, readers=4, signed_in=2)
    with crowd.gathered():
        play = deployment.deploy(check=False)
    timed(f"broken release, {broken}", play)
    seen = crowd.report()
    print(f"figure: {broken}: {seen}", flush=True)
    assert play.code != 0
    assert BROKEN[broken] in play.text, play.tail(40)
    if broken == SEEN:
        # Some have to meet it before it can be known: those of one task of three, for a few seconds.
        # The sockets of the first task of ws come back when it goes.
        assert len(seen.failures) < 0.1 * seen.pages and set(seen.codes) <= {1012}, str(seen)
    else:
        assert seen.failures == [] and not seen.codes, str(seen)
    assert (seen.lost, seen.doubled, seen.jobs_lost) == (0, 0, 0), str(seen)
    assert deployment.release() == release and not deployment.locked()
    assert application <= set(deployment.running().values()), "something was restarted"


@pytest.fixture
def declared(deployment):
    """A function (text) that writes the application's probes; they are removed at the end."""
    file = deployment.hosts.folder / "inventory/probes.ini"
    yield file.write_text
    file.unlink()


def test_a_probe_that_fails_takes_the_release_back(deployment, declared):
    """What is wrong with the file is reported before anything is changed; a page that fails after the rollout."""
    release, running = deployment.release(), deployment.running()
    deployment.configure({"LOG_LEVEL": "warning"}, stack_trial_seconds=0, stack_update_monitor="5s")
    declared("[pgae nowhere]\npath = /there/is/nothing/\n")
    play = deployment.deploy(check=False)
    assert play.code != 0 and "probes.ini:1: [pgae …] is no kind of probe, did you mean page?" in play.text
    assert deployment.running() == running
    declared("[page nowhere]\npath = /there/is/nothing/\n")
    play = deployment.deploy(check=False)
    timed("a probe fails: rolled out and taken back", play)
    assert play.code != 0
    for words in (
        "http on host1 (channels-stack_http.",
        "the stack does not serve; the lines above",
        "probes.ini:1): /there/is/nothing/ answers 404, wanted 200",
        "what was replaced is taken back",
    ):
        assert words in play.text, play.tail(60)
    assert deployment.release() == release and not deployment.locked()


def test_the_next_good_release_goes_through(deployment):
    before = deployment.release()
    deployment.configure({"LOG_LEVEL": "warning"}, stack_trial_seconds=5, stack_update_monitor="5s")
    deployment.deploy()
    assert deployment.release() != before
