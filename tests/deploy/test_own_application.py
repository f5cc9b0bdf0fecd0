"""Somebody else's application on a server, with processes, a volume and release commands of its own, and a second release of it.

It is the sample project `office` of tests/apps, as its stack.env says there.
"""

from __future__ import annotations

import json
import shutil
import socket
import time

import httpx
import pytest
from crowd import ANSWER, HANDSHAKE, Site
from deployments import timed
from samples import SAMPLES
from stacks import ROOT, on_threads
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

pytestmark = pytest.mark.more

OFFICE = next(sample for sample in SAMPLES if sample.name == "office")

MIGRATION = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("office", "0001_initial")]
    operations = [migrations.AddField("letter", "stamp", models.TextField(null=True))]
"""
COMMAND = """
from django.conf import settings
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    def handle(self, *args, **options):
        (settings.PAPERS / "release.txt").write_text("from the second release")
"""


@pytest.fixture(scope="module")
def deployment(server):
    found = server.emptied()
    shutil.copytree(ROOT / "tests/apps/office", found.hosts.folder / "office")
    found.configure(
        {
            "APP_DIR": str(found.hosts.folder / "office"),
            "APP_WORKER_CHANNELS": "",
            "HTTP_PROCESSES": "1",
            **OFFICE.settings,
        },
        stack_trial_seconds=5,
        stack_update_monitor="5s",
    )
    return found


def change(deployment) -> None:
    """The second release: another migration, a word in the page, a command that writes to the volume."""
    office = deployment.hosts.folder / "office/office"
    (office / "migrations/0002_letter_stamp.py").write_text(MIGRATION)
    with (office / "models.py").open("a") as models:
        models.write("    stamp = models.TextField(null=True)\n")
    (office / "management/commands").mkdir(parents=True)
    (office / "management/commands/paper.py").write_text(COMMAND)
    page = office / "templates/office.html"
    page.write_text(page.read_text().replace("<h1>Office</h1>", "<h1>Second office</h1>"))
    deployment.configure({"APP_RELEASE_COMMANDS": "loaddata first; paper"})


def page(site: Site) -> str:
    """What a visitor reads."""
    with httpx.Client(verify=site.trust(), timeout=ANSWER, trust_env=False) as client:
        answer = client.get(
            f"https://{site.addresses[0]}/",
            headers={"Host": site.domain},
            extensions={"sni_hostname": site.domain},
        )
    assert answer.status_code == 200, answer.text
    return answer.text


def desk(site: Site) -> ClientConnection:
    """An open websocket."""
    return connect(
        f"{site.url.replace('https', 'wss')}{OFFICE.socket}",
        sock=socket.create_connection((site.addresses[0], site.port), timeout=HANDSHAKE),
        ssl=on_threads(site.trust()),
        origin=site.url,
        open_timeout=HANDSHAKE,
    )


def end(at: ClientConnection) -> int:
    """The code of the close that a desk has got."""
    deadline = time.monotonic() + ANSWER
    try:
        while True:
            at.recv(timeout=max(0.01, deadline - time.monotonic()))
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 1006


def print_letter(at: ClientConnection, text: str) -> None:
    """Have Celery's worker print TEXT; it says so to every desk."""
    at.send(json.dumps({"message": text}))
    deadline = time.monotonic() + ANSWER
    while json.loads(at.recv(timeout=max(0.01, deadline - time.monotonic()))) != {"message": text}:
        pass


def test_the_first_release(deployment):
    timed("own application: first deploy", deployment.deploy())
    assert set(deployment.services()) == {"db", "redis", "http", "ws", "edge", "worker", "celery", "beat"}
    with desk(deployment.site) as at:
        print_letter(at, "first letter")
    shown = page(deployment.site)
    assert "<h1>Office</h1>" in shown and "<p>from the fixture</p>" in shown
    assert "<pre>first letter</pre>" in shown, "the volume is not the same for Celery and for pages"


def test_a_channel_that_nothing_consumes_is_reported_before_anything_is_replaced(deployment):
    before, release = deployment.running(), deployment.release()
    deployment.configure({"APP_WORKER_CHANNELS": "desks"})
    play = deployment.deploy(check=False)
    deployment.configure({"APP_WORKER_CHANNELS": ""})
    assert play.code != 0
    assert "no consumer for channel 'desks'; it consumes: none" in play.text, play.tail(30)
    assert (deployment.running(), deployment.release()) == (before, release)
    assert not deployment.locked()


def test_the_second_release(deployment):
    before = deployment.release()
    change(deployment)
    with desk(deployment.site) as at:
        timed("own application: second release", deployment.deploy())
        assert end(at) == 1012
    assert deployment.release() != before
    with desk(deployment.site) as at:
        print_letter(at, "second letter")
    shown = page(deployment.site)
    assert "<h1>Second office</h1>" in shown and "<pre>second letter</pre>" in shown
    assert "<pre>from the second release</pre>" in shown, "the job of the release wrote elsewhere"
