"""A stack for each sample project, one after the other, with its logs below a failure."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
import stacks
from checks import Visit

COMMON = {
    "APP_WORKER_CHANNELS": "",
    "APP_RELEASE_COMMANDS": "",
    # One process in each container is enough to see what a project does, and is there sooner.
    "HTTP_PROCESSES": "1",
}
"""What the samples have in common: nothing that the reference application has."""


def lock(sample):
    """Make the uv.lock of a project that is deployed from one: it names an index, which no commit of ours may."""
    command = [sys.executable, "-m", "uv", "lock", "--system-certs", "--quiet", "--project"]
    subprocess.run([*command, stacks.ROOT / "tests/apps" / sample.name], check=True)


@pytest.fixture
def visit(sample, request):
    """A visitor of the stack that runs SAMPLE, which is removed at the end; how long `make up` took is printed."""
    stacks.remove_stale()
    if sample.settings.get("APP_REQUIREMENTS") == "uv.lock":
        lock(sample)
    place = f"../tests/apps/{sample.name}"
    settings = {"HTTP_PROCESSES": "1"} if sample.adopted else {**COMMON, "APP_DIR": place, **sample.settings}
    adopt = stacks.ROOT / "compose" / place if sample.adopted else None
    started = time.monotonic()
    with stacks.own(sample.name, adopt=adopt, **settings) as stack, Visit(stack) as visit:
        first = time.monotonic() - started
        yield visit
        started = time.monotonic()
        stacks.tool(stack.folder, "up")
        built = (
            "its images were built" if "image channels-stack/app-" in stack.told else "its images were there"
        )
        say(
            request.config,
            f"{sample.name}: `make up` took {first:.0f} s ({built}), again {time.monotonic() - started:.0f} s",
        )


def say(config, text: str) -> None:
    """A line of progress, also where pytest collects what tests print."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    with config.pluginmanager.get_plugin("capturemanager").global_and_fixture_disabled():
        reporter.ensure_newline()
        reporter.write_line(f"==> {text}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Print what the release said and the end of every container's log below a failure."""
    report = yield
    visit = item.funcargs.get("visit")
    if report.failed and visit is not None:
        report.sections += [("make up", visit.stack.told)]
        report.sections += [(f"log of {name}", text) for name, text in visit.stack.log_tails()]
    return report
