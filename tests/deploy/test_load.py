"""A new release, a second one, and the way back, while people talk: issue 4, part 4, step 3."""

from __future__ import annotations

import pytest
from crowd import Crowd
from deployments import Deployment, timed
from hosts import Hosts

SOCKETS, ROOMS = 300, 10
STEPS = {
    "a new release": ("deploy.yml", {"LOG_LEVEL": "warning"}),
    "another release": ("deploy.yml", {"WS_THREADS": 6}),
    "the way back": ("rollback.yml", {}),
}


@pytest.fixture(scope="module", params=["uvicorn", "daphne"])
def deployment(request):
    with Hosts(1) as hosts:
        # Pages stay on gunicorn: two servers' images are rolled together then, as on most sites.
        found = Deployment(hosts, SERVER_WS=request.param)
        found.play("bootstrap.yml")
        found.deploy()
        found.server = request.param
        yield found


@pytest.mark.parametrize("step", STEPS)
def test_nobody_notices(deployment, step):
    playbook, settings = STEPS[step]
    deployment.configure(settings)
    before = deployment.release()
    crowd = Crowd(deployment.site, SOCKETS, ROOMS)
    with crowd.gathered():
        play = deployment.play(playbook)
    timed(f"{deployment.server}: {step}", play)
    seen = crowd.report()
    print(f"figure: {deployment.server}: {step}: {seen}", flush=True)
    assert deployment.release() != before
    assert seen.failures == [], f"{len(seen.failures)} of {seen.pages} requests failed: {seen.failures[:10]}"
    assert set(seen.codes) == {1012}, f"sockets were closed with {dict(seen.codes)}"
    assert seen.codes[1012] == SOCKETS and seen.most_closes == 1, f"not each socket once: {seen}"
    assert sum(seconds <= 10 for seconds in seen.away) >= 0.99 * len(seen.away) and max(seen.away) <= 30, str(
        seen
    )
    assert (seen.lost, seen.doubled, seen.jobs_lost) == (0, 0, 0), str(seen)
    assert seen.sent > 100 and seen.jobs > 5, f"too little was said to prove anything: {seen}"
