"""What the suites that need a running stack have in common: which stack, in which order, and its logs on failure.

pytest tests/smoke tests/browser                          starts stacks of its own, one for each server variant
pytest tests/operator                                     starts the stacks that it changes
pytest tests/smoke --target https://HOST --user U …       looks at a running stack and changes nothing in it
pytest tests/running --inventory FOLDER …                 the same for any application, also on servers
"""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import pytest
import stacks

MARKERS = {
    "alone": "measures times: runs when no other test does (`make image`)",
    "variants(*names)": "server variants of stacks.VARIANTS to run on; without it: default and daphne",
    "containers": "looks into the stack's containers: needs them on this machine",
    "writes": "leaves rows in the database: not on a running stack",
    "looks_back": "about the whole quiet part of the run: comes after the tests that disturb nothing",
    "disrupts": "stops or starts parts of the stack: comes last, and not on a running stack",
}
PHASES = ("looks_back", "disrupts")
"""Tests with these markers come after all others of a variant, in this order."""


def pytest_addoption(parser):
    group = parser.getgroup("stack", "the stack to test")
    group.addoption("--target", help="address of a running stack, https://host[:port]; it is not changed")
    group.addoption(
        "--project", help="its Compose project on this machine, to look into the containers as well"
    )
    group.addoption("--ca", type=Path, help="certificate of the authority to trust")
    group.addoption(
        "--user", default="admin", help="a staff user of the reference application (default: admin)"
    )
    group.addoption("--password-file", type=Path, help="file with this user's password")
    group.addoption("--deployment", type=Path, help="its settings on this machine: the folder of stack.env")
    group.addoption("--inventory", type=Path, help="of Ansible: look at the servers in it (tests/running)")
    group.addoption(
        "--probes", type=Path, help="probes.ini of the application, where --target is all that is known"
    )


def pytest_configure(config):
    for name, text in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {text}")
    # A run that is told to end removes its stacks first, as on Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_generate_tests(metafunc):
    if "stack" not in metafunc.fixturenames:
        return
    if metafunc.config.option.target:
        variants = ["target"]
    else:
        marker = metafunc.definition.get_closest_marker("variants")
        variants = marker.args if marker else ("default", "daphne")
    metafunc.parametrize("stack", variants, indirect=True, scope="session")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """One variant after the other; within it the phases. Skip what a running stack must be spared."""
    items.sort(key=lambda item: (_variant(item), _phase(item)))
    if not config.option.target:
        return
    reasons = {
        "writes": "it leaves rows in the database, and --target is not to be changed",
        "disrupts": "it stops or starts parts of the stack, and --target is not to be changed",
    }
    if not config.option.project:
        reasons["containers"] = "it looks into containers: give --project where they are on this machine"
    for item in items:
        for name, reason in reasons.items():
            if item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """`--dist loadscope`: tests of one stack belong to one process, of the two that `make smoke` runs."""
    if config.option.dist != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Stacks(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file, _, test = nodeid.partition("::")
            variant = re.search(rf"\[({'|'.join(stacks.VARIANTS)})\b", test)
            return variant[1] if variant else file

    return Stacks(config, log)


def _variant_name(item) -> str:
    """The stack that a test is for, "" where it starts its own."""
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("stack", "") if callspec else ""


def _variant(item) -> int:
    return ["", "target", *stacks.VARIANTS].index(_variant_name(item))


def _phase(item) -> int:
    return max((PHASES.index(name) + 1 for name in PHASES if item.get_closest_marker(name)), default=0)


RUNNING = pytest.StashKey[stacks.Stack]()
"""The stack that runs now, for the report of a failure: it also exists where a fixture failed."""


@pytest.fixture(scope="session")
def stack(request):
    """The stack under test: of our own for each variant, or the one that --target names."""
    options, stash = request.config.option, request.config.stash
    if options.target:
        if options.password_file is None:
            pytest.exit("--target needs --password-file: the password of --user", returncode=4)
        running = stacks.Stack(
            variant="target",
            url=options.target.rstrip("/"),
            ca=options.ca,
            user=options.user,
            password=options.password_file.read_text().strip(),
            project=options.project,
            since=str(int(time.time())),
        )
        if not running.answers():
            pytest.exit(f"nothing listens at {running.url}: is the stack up?", returncode=1)
        yield stash.setdefault(RUNNING, running)
        return
    try:
        stacks.remove_stale()
        with stacks.own(request.param) as stash[RUNNING]:
            yield stash[RUNNING]
            del stash[RUNNING]
    except stacks.StackError as error:
        # Without its stack no test can say anything: one clear end instead of an error for each.
        pytest.exit(str(error), returncode=1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Print the end of every container's log below a failure."""
    report = yield
    running = item.config.stash.get(RUNNING, None)
    if report.failed and running is not None:
        report.sections += [(f"log of {name}", text) for name, text in running.log_tails()]
    return report
