"""One host, from an empty swarm to a running release and through changes of it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import documented
import pytest
from crowd import Crowd
from deployments import CANARY, timed
from stacks import ROOT, eventually

pytestmark = pytest.mark.ci


@pytest.fixture(scope="module")
def deployment(server):
    return server.bootstrapped()


def test_a_check_run_on_a_fresh_host_changes_nothing(deployment):
    before = deployment.docker("config", "ls", "--quiet") + deployment.docker("secret", "ls", "--quiet")
    play = deployment.deploy("--check", "--diff")
    assert play.code == 0
    assert deployment.services() == {} and not deployment.locked()
    assert (
        deployment.docker("config", "ls", "--quiet") + deployment.docker("secret", "ls", "--quiet") == before
    )
    assert not deployment.folder.exists(), "a check run made secrets on the controller"


def test_the_first_deploy(deployment):
    play = deployment.deploy("-vvv", "--diff")
    timed("first deploy", play)
    assert set(deployment.services()) == {"db", "redis", "http", "ws", "worker", "edge"}
    assert deployment.release() and not deployment.locked()
    assert "errantly" not in play.text, "something was printed past Ansible's display"


def test_no_secret_is_shown_and_one_in_plain_text_is_reported(deployment):
    """By the most talkative of runs."""
    text = deployment.hosts.plays[-1].text
    secrets = {path.name: path.read_text().strip() for path in (deployment.folder / "secrets").iterdir()}
    assert len(secrets) > 5
    assert [name for name, secret in secrets.items() if secret and secret in text] == []
    assert CANARY not in text
    assert "stack_app_env.BILLING_TOKEN looks like a secret" in text


def test_no_host_asks_docker_hub_for_our_images(deployment):
    """Swarm asks at every start of a task: under names of Docker Hub anybody could answer."""
    said = deployment.hosts.run("host1", "journalctl", "--unit", "docker", "--no-pager").stdout
    assert "127.0.0.1:1" in said, "Swarm has asked nobody: is this still where it says so?"
    assert "docker.io" not in said


def test_there_is_nothing_to_go_back_to(deployment):
    play = deployment.play("rollback.yml", check=False)
    assert play.code != 0 and "there is no release before" in play.text
    assert not deployment.locked()


def test_the_same_again_changes_and_restarts_nothing(deployment):
    before = deployment.running()
    play = deployment.deploy()
    timed("redeploy, unchanged", play)
    assert play.changed == 0, play.changes
    assert deployment.running() == before


def test_a_check_run_on_a_deployed_host_changes_nothing(deployment):
    before, release = deployment.running(), deployment.release()
    deployment.configure({"LOG_LEVEL": "debug"})
    try:
        play = deployment.deploy("--check", "--diff")
    finally:
        del deployment.settings["LOG_LEVEL"]
        deployment.configure()
    assert play.code == 0 and play.changed > 0, "a check run did not tell of the change"
    assert (deployment.running(), deployment.release()) == (before, release)


def test_rooms_talk_through_the_public_address(deployment):
    crowd = Crowd(deployment.site, sockets=6, rooms=2, readers=1, every=0.3)
    with crowd.gathered():
        crowd.until(sent=6, jobs=0)
    seen = crowd.report()
    print(f"figure: {seen}", flush=True)
    assert seen.failures == [] and (seen.lost, seen.doubled, seen.jobs_lost) == (0, 0, 0)


def test_a_changed_setting_of_the_edge_leaves_the_application_alone(deployment):
    before = {line for line in deployment.running().values() if "_edge" not in line}
    deployment.configure({"EDGE_MAX_URI_BYTES": 4096})
    said = printed(deployment.make("deploy"), lines=40)
    assert (
        "certificates" not in said and "Folder | put them where the edge reads them: changed on host1" in said
    )
    assert {line for line in deployment.running().values() if "_edge" not in line} == before


def test_a_deploy_prints_little_where_nothing_changes(deployment):
    said = printed(deployment.make("deploy"), lines=12)
    assert f"serves release {deployment.release()}, as before" in said
    assert "nothing had to be changed" in said


def printed(done: subprocess.CompletedProcess[str], *, lines: int) -> str:
    """What a deploy that went well has printed: at most so many LINES, and where the rest is."""
    assert done.returncode == 0, done.stdout + done.stderr
    print(f"figure: make deploy prints {len(done.stdout.splitlines())} lines\n{done.stdout}", flush=True)
    assert len(done.stdout.splitlines()) <= lines, done.stdout
    log = Path(re.search(r"^log: (.+)$", done.stdout, re.M)[1])
    assert "PLAY RECAP" in log.read_text()
    log.unlink()
    return done.stdout


def test_more_tasks_and_fewer(deployment):
    deployment.play("scale.yml", "-e", "ws=3")
    assert deployment.services()["ws"]["Spec"]["Mode"]["Replicated"]["Replicas"] == 3
    deployment.play("scale.yml", "-e", "ws=2")
    assert deployment.services()["ws"]["Spec"]["Mode"]["Replicated"]["Replicas"] == 2
    eventually(
        lambda: sum("channels-stack_ws." in line for line in deployment.running().values()) == 2,
        what="the third has drained and ended",
    )


def test_the_status_shows_nodes_services_processes_and_the_certificate(deployment):
    play = deployment.play("status.yml")
    assert play.changed == 0
    for said in ("Ready", "http", "worker", deployment.release(), "reports:0", "days"):
        assert said.lower() in play.text.lower(), f"{said!r} is not in what status.yml says:\n{play.text}"


def test_smoke_is_green(deployment):
    before, done = deployment.running(), deployment.make("smoke")
    print(f"figure: make smoke ENV=…: {done.stdout.strip().splitlines()[-1]}", flush=True)
    assert done.returncode == 0, done.stdout + done.stderr
    for checked in ("[host1-worker]", "[edge]", "[host1-page sign-in form]"):
        assert checked in done.stdout, f"{checked} was not checked:\n{done.stdout}"
    assert deployment.running() == before


@pytest.fixture
def faulty(deployment):
    """Without a worker, and with a page that its probe does not like."""
    file = deployment.hosts.folder / "inventory/probes.ini"
    file.write_text("[page nowhere]\npath = /there/is/nothing/\n")
    deployment.docker("service", "scale", "--detach", "channels-stack_worker=0")
    eventually(lambda: deployment.places("worker") == [], what="there is no worker")
    yield file
    file.unlink()
    deployment.docker("service", "scale", "channels-stack_worker=1")


def test_smoke_names_what_is_wrong(deployment, faulty):
    done = deployment.make("smoke")
    assert done.returncode != 0
    assert "worker: 0 of 1 replicas run; see status.yml" in done.stdout, done.stdout
    probe = f"host1: page nowhere ({faulty}:1): /there/is/nothing/ answers 404, wanted 200"
    assert probe in done.stdout, done.stdout
    assert "2 failed" in done.stdout, done.stdout


def test_the_runbook_on_a_server(deployment):
    """What docs/operations/runbook.md says to type there instead of `docker compose exec ws`."""
    line = "docker exec $(docker ps -qf name=_ws | head -1)"
    assert line in (ROOT / "docs/operations/runbook.md").read_text()
    assert "LOOP LAG" in deployment.hosts.run("host1", "sh", "-c", f"{line} channels-stack status").stdout


def test_the_first_user_as_the_page_has_it(deployment):
    """docs/how-to/deploy.md: only the answers are given beforehand, because nobody sits at a terminal here."""
    (line,) = [one.text for one in documented.commands() if one.text.startswith("make manage ENV=production")]
    words = line.split()[3]
    done = deployment.make(
        "shell", f"C=env DJANGO_SUPERUSER_PASSWORD=first-7 python -m django {words[2:]} {ANSWERS}"
    )
    assert done.returncode == 0 and "created" in done.stdout, done.stdout + done.stderr


ANSWERS = "--noinput --username first --email first@example.org"
