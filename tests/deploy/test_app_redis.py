"""A project with a Redis of its own (APP_REDIS) on a server: served, left alone by the same again, its password rotated.

It is the sample project `forum` of tests/apps, as its stack.env says there.
"""

from __future__ import annotations

import re
import shutil

import httpx
import pytest
from deployments import timed
from samples import SAMPLES
from stacks import ROOT, eventually

pytestmark = pytest.mark.more

FORUM = next(sample for sample in SAMPLES if sample.name == "forum")
SERVICE = "label=com.docker.swarm.service.name=channels-stack_redis-app"


@pytest.fixture(scope="module")
def deployment(server):
    found = server.emptied()
    shutil.copytree(ROOT / "tests/apps/forum", found.hosts.folder / "forum")
    found.configure(
        {
            "APP_DIR": str(found.hosts.folder / "forum"),
            "APP_WORKER_CHANNELS": "",
            "APP_RELEASE_COMMANDS": "",
            "HTTP_PROCESSES": "1",
            **FORUM.settings,
        },
        stack_trial_seconds=0,
        stack_update_monitor="5s",
    )
    timed("a Redis of its own: first deploy", found.deploy())
    return found


@pytest.fixture(scope="module")
def browser(deployment):
    """A visitor, with the cookies of a browser."""
    site = deployment.site
    with httpx.Client(
        base_url=f"https://{site.addresses[0]}",
        verify=site.trust(),
        headers={"Host": site.domain},
        timeout=30,
        trust_env=False,
    ) as client:
        client.get = _as(client, site.domain)  # type: ignore[method-assign]
        yield client


def _as(client: httpx.Client, domain: str):
    """``client.get`` for the site of this name."""
    get = client.get
    return lambda path: get(path, extensions={"sni_hostname": domain})


def visits(browser: httpx.Client) -> int:
    """How often this browser was there, as its session says."""
    answer = browser.get("/")
    assert answer.status_code == 200, answer.text
    return int(re.search(r"visit (\d+)", answer.text)[1])


def works(browser: httpx.Client) -> None:
    """A session, a client made at import, a job of the queue."""
    before = visits(browser)
    assert visits(browser) == before + 1
    assert browser.get("/draw/?prize=a&prize=b").json() == {"drawn": ["a", "b"], "left": 0}
    assert browser.get("/forget/").status_code == 200
    eventually(
        lambda: browser.get("/counted/word/").json() == {"letters": 4}, 60, "the job of the queue is done"
    )


def test_a_deploy(deployment, browser):
    services = {"db", "redis", "redis-app", "http", "ws", "edge", "worker", "rq"}
    assert set(deployment.services()) == services
    works(browser)


def test_the_same_again_changes_nothing(deployment):
    before = deployment.running()
    play = deployment.deploy()
    assert play.changed == 0, play.changes
    assert deployment.running() == before


def test_a_new_password_signs_no_user_out(deployment, browser):
    before, container = visits(browser), deployment.docker("ps", "--quiet", "--filter", SERVICE)
    url = deployment.folder / "secrets/app_redis_url"
    old = url.read_text()
    deployment.play("rotate-secrets.yml", "-e", "what=app_redis")
    assert url.read_text() != old
    assert deployment.docker("ps", "--quiet", "--filter", SERVICE) == container, "it was restarted"
    assert visits(browser) == before + 1
    works(browser)
    password = re.search(":([^:@]+)@", old)[1]
    login = ["redis-cli", "--no-auth-warning", "--pass", password, "PING"]
    assert "NOAUTH" in deployment.docker("exec", container.strip(), *login)
