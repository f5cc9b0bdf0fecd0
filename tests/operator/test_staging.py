"""A named environment alongside another stack: started, tested, changed and removed by `make … ENV=`."""

from __future__ import annotations

import os
import pty
import re
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest
import stacks
from environments import clean, command, done, make, remove_stale, removed, things, written
from visitors import browse, sign_in


@pytest.fixture(scope="module")
def staging():
    """A running environment on free ports."""
    remove_stale("ci")
    name, port = f"ci-{os.getpid()}", stacks.free_port()
    folder = written(name, HTTP_PORT=str(stacks.free_port()), HTTPS_PORT=str(port))
    try:
        told = done("up", name)
        yield stacks.Stack(
            variant="staging",
            url=f"https://localhost:{port}",
            ca=folder / "tls/ca.pem",
            user="admin",
            password=(folder / "secrets/demo_password").read_text().strip(),
            project=f"channels-stack-{name}",
            folder=folder,
            told=told,
        )
    finally:
        removed(folder)


def name_of(staging) -> str:
    return staging.folder.name


def test_it_is_as_small_as_it_is_set_and_says_its_own_verbs(staging):
    assert len(staging.containers("http")) == len(staging.containers("ws")) == 1
    assert f"make down ENV={name_of(staging)}" in staging.told
    assert "make down " not in staging.told.replace(f"make down ENV={name_of(staging)}", "")


def test_it_prints_what_an_operator_reads_and_keeps_the_rest(staging):
    """At most 40 lines for a first release, 12 where nothing changes; all of it is in the log that the last line names."""
    again = done("up", name_of(staging))
    for told, most in ((staging.told, 40), (again, 12)):
        lines = told.splitlines()
        assert len(lines) <= most, told
        assert Path(lines[-1].strip().removeprefix("log: ")).is_file(), told
    assert "as before" in again


def test_plain_docker_compose_in_its_folder_means_it(staging):
    def compose(*words: str) -> str:
        command = ["docker", "compose", *words]
        return subprocess.run(
            command, cwd=staging.folder, capture_output=True, text=True, check=True, timeout=60
        ).stdout

    assert sorted(compose("ps", "--all", "--format", "{{.Name}}").split()) == staging.containers()
    # And every value of it: nothing comes from compose/.env, which Compose reads as well.
    rendered = done("ps", name_of(staging)) and stacks.tool(staging.folder, "compose", "config")
    assert compose("config") == rendered


@pytest.mark.parametrize("verb", ["ps", "status", "check"])
def test_every_verb_takes_it(staging, verb):
    assert done(verb, name_of(staging))


@pytest.mark.parametrize("verb", ["backup", "restore-drill"])
def test_backups_that_are_not_made_are_said_with_the_file_to_edit(staging, verb):
    ended = make(verb, name_of(staging))
    place = f"compose/environments/{name_of(staging)}/stack.env"
    assert ended.returncode and f"set BACKUP_REPOSITORY in {place}" in ended.stdout


@pytest.mark.parametrize("tests", ["tests/running", "tests/smoke/test_pages.py"])
def test_its_services_pages_and_sockets_are_right(staging, tests):
    """Checks of any application, and the smoke tests themselves, into the running environment."""
    told = done("smoke", name_of(staging), f"T={tests}")
    assert " passed" in told and " failed" not in told


def test_smoke_of_any_address(staging):
    """`make smoke TARGET=… OPTIONS=…`: the checks of any application, and tests of the reference application."""
    address, trust = f"TARGET={staging.url}", f"--ca {staging.ca}"
    login = f"--user {staging.user} --password-file {staging.folder / 'secrets/demo_password'}"
    for variables in (
        [f"OPTIONS={trust}"],
        [f"OPTIONS={trust} {login}", "T=tests/smoke/test_headers.py"],
    ):
        told = command("smoke", address, *variables)
        assert " passed" in told and " failed" not in told


def test_logs_follow_until_they_are_left(staging):
    follows = subprocess.Popen(
        ["make", "logs", f"ENV={name_of(staging)}"],
        cwd=stacks.ROOT,
        env=clean(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    late = threading.Timer(stacks.START_SECONDS, os.killpg, (follows.pid, signal.SIGKILL))
    late.start()
    try:
        assert follows.stdout
        services = set()
        for line in follows.stdout:
            services.update(re.findall(r"^\S+Z ([a-z]+)-\d+ ", line))
            if {"http", "ws", "edge"} <= services:
                break
        assert {"http", "ws", "edge"} <= services and follows.poll() is None
    finally:
        os.killpg(follows.pid, signal.SIGTERM)
        follows.wait(stacks.START_SECONDS)
        late.cancel()


def test_the_first_user(staging):
    """`make manage C=createsuperuser` as a person at a terminal has it: it asks, and the user can sign in."""
    password = "a long way down 7"
    asks = {"Username": "first", "mail": "first@example.org", "Password:": password, "(again)": password}
    told = typed(["make", "manage", f"ENV={name_of(staging)}", "C=createsuperuser"], asks)
    assert "created successfully" in told, told
    with browse(staging) as visitor:
        assert sign_in(visitor, "first", password).status_code == 302


def typed(words: list[str], asks: dict[str, str]) -> str:
    """What a command says at a terminal, where each of its questions gets its answer, in this order."""
    screen, keyboard = pty.openpty()
    ended = subprocess.Popen(
        words, cwd=stacks.ROOT, env=clean(), stdin=keyboard, stdout=keyboard, stderr=keyboard
    )
    os.close(keyboard)
    told, read, waiting = "", 0, list(asks.items())
    while True:
        try:
            part = os.read(screen, 4096)
        except OSError:  # Linux says so where the last one at the other end has left
            break
        if not part:
            break
        told += part.decode(errors="replace")
        if waiting and waiting[0][0] in told[read:]:
            read = len(told)
            os.write(screen, f"{waiting.pop(0)[1]}\n".encode())
    os.close(screen)
    assert ended.wait(stacks.START_SECONDS) == 0, told
    return told


def test_down_keeps_the_data(staging):
    done("down", name_of(staging))
    assert staging.containers() == [] and things(staging.project)["volume"]
    done("up", name_of(staging))
    with browse(staging) as visitor:
        assert sign_in(visitor, "first", "a long way down 7").status_code == 302


def test_another_one_on_its_ports_is_refused_with_its_name_and_free_ones(staging):
    number = staging.url.rpartition(":")[2]
    other = written(f"{name_of(staging)}-b", HTTP_PORT=str(stacks.free_port()), HTTPS_PORT=number)
    try:
        ended = make("up", other.name)
        assert ended.returncode
        (line,) = [each for each in ended.stdout.splitlines() if "in use" in each]
        assert f"{number} is in use by the environment {name_of(staging)} " in line
        assert (
            f" in compose/environments/{other.name}/stack.env (free now); or make down ENV={name_of(staging)}"
            in line
        )
        assert "HTTPS_PORT=" in line
        assert not any(things(f"channels-stack-{other.name}").values())
    finally:
        shutil.rmtree(other)


def test_a_changed_setting_is_its_own(other, staging):
    before = staging.containers(), other.containers()
    with (staging.folder / "stack.env").open("a") as file:
        file.write("EDGE_HSTS_SECONDS=60\n")
    assert "reloaded" in done("up", name_of(staging))
    header = "Strict-Transport-Security"
    with browse(staging) as visitor:
        assert visitor.get("/login/").headers[header] == "max-age=60"
    with browse(other) as visitor:
        assert visitor.get("/login/").headers[header] != "max-age=60"
    assert (staging.containers(), other.containers()) == before


def test_a_purge_leaves_its_settings_and_the_other_stack(other, staging):
    before = things(other.project)
    refused = make("purge", name_of(staging))
    assert refused.returncode and f"make purge ENV={name_of(staging)} CONFIRM=yes" in refused.stdout
    done("purge", name_of(staging), "CONFIRM=yes")
    assert not any(things(staging.project).values())
    assert things(other.project) == before
    left = {path.name for path in staging.folder.iterdir()}
    assert left == {"stack.env", "app.env", "compose.yaml", "audit"}
