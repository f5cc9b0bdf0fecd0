"""A new release, a second one, and the way back, while people talk: issue 4, part 4, step 3."""

from __future__ import annotations

import pytest
from crowd import Crowd
from deployments import timed

SOCKETS, ROOMS = 300, 10
STEPS = {
    "a new release": ("deploy.yml", {"LOG_LEVEL": "warning"}),
    "another release": ("deploy.yml", {"WS_THREADS": 6}),
    "the way back": ("rollback.yml", {}),
}


@pytest.fixture(scope="module", params=["uvicorn", "daphne"])
def deployment(server, request):
    # Pages stay on gunicorn: two servers' images are rolled together then, as on most sites.
    return server.deployed({"SERVER_WS": request.param}, stack_trial_seconds=5, stack_update_monitor="5s")


@pytest.mark.parametrize("step", STEPS)
def test_no_visitor_notices(deployment, step):
    playbook, settings = STEPS[step]
    server = deployment.settings["SERVER_WS"]
    deployment.configure(settings)
    before = deployment.release()
    crowd = Crowd(deployment.site, SOCKETS, ROOMS)
    with crowd.gathered():
        play = deployment.play(playbook)
    timed(f"{server}: {step}", play)
    seen = crowd.report()
    print(f"figure: {server}: {step}: {seen}", flush=True)
    assert deployment.release() != before
    assert seen.failures == [], f"{len(seen.failures)} of {seen.pages} requests failed: {seen.failures[:10]}"
    assert set(seen.codes) == {1012}, f"sockets were closed with {dict(seen.codes)}"
    assert seen.codes[1012] == SOCKETS and seen.most_closes == 1, f"not each socket once: {seen}"
    assert sum(seconds <= 10 for seconds in seen.away) >= 0.99 * len(seen.away) and max(seen.away) <= 30, str(
        seen
    )
    assert (seen.lost, seen.doubled, seen.jobs_lost) == (0, 0, 0), str(seen)
    assert seen.sent > 100 and seen.jobs > 5, f"too little was said to prove anything: {seen}"
