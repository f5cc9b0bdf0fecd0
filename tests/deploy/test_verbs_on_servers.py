"""The verbs of an operator on servers, over SSH; tests/operator/test_operate.py has the same on one machine."""

from __future__ import annotations

import shutil

import pytest
import verbs
from crowd import Crowd
from stacks import eventually

pytestmark = pytest.mark.more


@pytest.fixture(scope="module")
def deployment(server):
    return server.deployed()


@pytest.fixture(scope="module")
def verb(deployment):
    """A function (name, variables) -> what `make NAME ENV=…` says."""

    def make(name: str, **variables: str) -> str:
        done = deployment.make(name, *(f"{key}={value}" for key, value in variables.items()))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return make


@pytest.mark.parametrize("name", verbs.ANSWERS)
def test_a_verb_answers(verb, name):
    verbs.answered(verb, name)


def test_who_did_what_is_kept(verb):
    verbs.noted(verb, "deploy")


def test_the_lines_of_one_request(deployment, verb):
    with Crowd(deployment.site).client(deployment.site.addresses[0]) as visitor:
        request = visitor.get("/login/").headers["X-Request-ID"]
    eventually(lambda: verb("logs", REQUEST=request, FOLLOW="no").count("\n") == 2)
    verbs.lines_of_one_request(verb, request)


def test_maintenance(deployment, verb):
    def status() -> tuple[int, str]:
        with Crowd(deployment.site).client(deployment.site.addresses[0]) as visitor:
            answer = visitor.get("/login/")
            return answer.status_code, answer.headers.get("Retry-After", "")

    verbs.maintained(verb, status)


def test_a_hook_may_forbid_a_release(deployment):
    """It is told which one, and nothing has begun; then another is told that it serves."""
    folder, release = deployment.hosts.folder / "inventory/hooks", deployment.release()
    folder.mkdir()
    told = deployment.hosts.folder / "told"
    for name, line in (
        ("before-release", "echo not on a Friday; exit 1"),
        ("notify", f"echo $HOOK_EVENT $HOOK_RELEASE >> {told}"),
    ):
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(0o755)
    deployment.configure({"LOG_LEVEL": "warning"}, stack_trial_seconds=0, stack_update_monitor="5s")
    play = deployment.deploy(check=False)
    assert (
        play.code
        and "before-release forbids it; nothing was changed" in play.text
        and "not on a Friday" in play.text
    )
    assert deployment.release() == release and not told.exists() and not deployment.locked()
    (folder / "before-release").unlink()
    deployment.deploy()
    assert deployment.release() != release
    assert told.read_text().split() == [
        "before-release",
        deployment.release(),
        "after-release",
        deployment.release(),
    ]
    shutil.rmtree(folder)


def test_a_secret_comes_from_a_vault(deployment, tmp_path):
    """The controller asks for it; the cluster has it, and no line of the playbook."""
    (tmp_path / "key").write_text("a key that the vault gave, of fifty characters or more\n")
    vault = tmp_path / "vault"
    vault.write_text('#!/bin/sh\nexec cat "$(dirname "$0")/key"\n')
    vault.chmod(0o755)
    deployment.configure({"SECRET_COMMANDS": f"secret_key: {vault}"})
    play = deployment.deploy()
    key = deployment.docker("exec", serving(deployment), "cat", "/run/secrets/secret_key")
    assert key == "a key that the vault gave, of fifty characters or more"
    vault.write_text("#!/bin/sh\necho the token has expired >&2; exit 3\n")
    release = deployment.release()
    failed = deployment.deploy(check=False)
    assert failed.code and "failed (exit 3): the token has expired" in " ".join(failed.text.split())
    assert deployment.release() == release and "that the vault gave" not in play.text + failed.text
    deployment.configure({"SECRET_COMMANDS": ""})


def serving(deployment) -> str:
    """A container of pages."""
    label = "label=com.docker.swarm.service.name=channels-stack_http"
    return deployment.docker("ps", "--quiet", "--filter", label, "--filter", "health=healthy").split()[0]


def test_what_runs_is_of_the_release_that_serves(deployment, verb):
    first, _, *rows = verb("details").splitlines()
    assert deployment.release() in first
    running = [row for row in rows if row.startswith("host1")]
    assert running and all(deployment.release() in row for row in running), rows
