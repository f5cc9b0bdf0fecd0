"""`make bundle` here, `make up BUNDLE=…` on a bare machine that reaches nothing: no mirror, no registry, no index."""

from __future__ import annotations

import subprocess

import pytest
import stacks
from hosts import Hosts
from stacks import ROOT

pytestmark = pytest.mark.more

SUITE = "trixie"


@pytest.fixture(scope="module")
def bundle():
    """The file, which is removed at the end."""
    done = subprocess.run(
        ["make", "bundle", f"W={SUITE}"],
        cwd=ROOT,
        env=stacks.outside_make(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    print(f"figure: {done.stdout.splitlines()[-2]}", flush=True)
    path = ROOT / done.stdout.splitlines()[-2].partition(":")[0]
    yield path
    path.unlink()


@pytest.fixture(scope="module")
def machine(bundle):
    """A machine with the bundle on it, and a function that runs a shell's line there as root."""
    with Hosts(1, flavour="bare", suite=SUITE, internal=True) as hosts:
        stacks.docker("cp", str(bundle), f"{hosts.container('host1')}:/root/{bundle.name}")

        def run(line: str) -> tuple[int, str]:
            done = hosts.run("host1", "sh", "-c", f"cd /root && ({line}) 2>&1", check=False)
            return done.returncode, done.stdout

        yield run


def test_the_machine_reaches_nothing_and_has_nothing(machine):
    assert machine("apt-get --error-on=any update")[0] != 0
    assert machine("command -v docker make pip")[1] == ""


def test_the_sources_and_make_are_in_it(machine, bundle):
    code, text = machine(
        f"tar -xf {bundle.name} && dpkg -i bundle/packages/{SUITE}/make_*.deb && rm -r bundle"
    )
    assert code == 0, text


def test_a_file_that_was_cut_off_is_refused(machine, bundle):
    machine(f"head --bytes=40000000 {bundle.name} > cut.tar")
    text = machine("cd channels-stack && make up BUNDLE=../cut.tar; rm ../cut.tar")[1]
    assert "copy the file again" in text and "Traceback" not in text, text
    assert machine("command -v docker")[1] == "", "something was installed"


def test_it_serves(machine, bundle):
    code, text = machine(f"cd channels-stack && make up BUNDLE=../{bundle.name}")
    assert code == 0, text
    assert "serves release" in text and "a page and a websocket" in text, text
    assert "image channels-stack/" not in text, "an image was built"
    assert machine(
        "curl --silent --insecure --output /dev/null --write-out '%{http_code}' https://localhost/login/"
    ) == (
        0,
        "200",
    )


def test_the_next_one_needs_no_bundle(machine):
    code, text = machine("cd channels-stack && make up")
    assert code == 0 and "nothing had to be restarted" in text, text


def test_it_is_a_controller(machine):
    code, text = machine("cd channels-stack && make controller && .venv/bin/ansible-playbook --version")
    assert code == 0 and "ansible-playbook [core" in text, text
