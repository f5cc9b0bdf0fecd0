"""The checks of a running stack: what there is to look at is asked for once, and decides which tests there are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import running_stack

from channels_stack_deploy.console import Failure

LOOKED = pytest.StashKey[running_stack.Running | None]()


def pytest_collection(session):
    """Look at the stack that the options name, if any; one clear end where that is not possible."""
    option = session.config.option
    try:
        if option.inventory:
            found = running_stack.on(option.inventory.resolve())
        elif option.deployment:
            found = running_stack.here(option.deployment)
        else:
            found = running_stack.at(option.target, option.ca, option.probes) if option.target else None
    except Failure as failure:
        raise pytest.UsageError(str(failure)) from None
    session.config.stash[LOOKED] = found


def pytest_generate_tests(metafunc):
    """A test for each thing that the names of its fixtures mean."""
    names = tuple(name for name in NAMES if name in metafunc.fixturenames)
    found = metafunc.config.stash[LOOKED]
    rows = list(dict.fromkeys(of(found, names))) if found else []
    metafunc.parametrize(names, rows, ids=["-".join(row) for row in rows])


NAMES = ("node", "place", "edge", "service", "domain", "route", "probe")


def of(found: running_stack.Running, names: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """What there is FOUND for fixtures of these NAMES."""
    match names:
        case ["node"]:
            yield from ((host,) for host in found.nodes)
        case ["place"]:
            yield from ((host,) for host in found.hosts)
        case ["place", "service"]:
            yield from sorted((host, each.service) for host in found.hosts for each in found.hosts[host])
        case ["place", "edge"]:
            yield from ((host, "edge") for host in found.differing)
        case ["service"]:
            yield from ((service,) for service in found.services)
        case ["edge"]:
            yield from ((edge,) for edge in found.sites)
        case ["edge", "domain"]:
            yield from ((edge, name) for edge in found.sites for name in found.settings["DOMAINS"].split())
        case ["edge", "route"]:
            yield from ((edge, route.path) for edge in found.sites for route in found.paths.routes)
        case ["edge", "probe"]:
            for number, edge in enumerate(found.sites):
                # Jobs are begun once.
                yield from ((edge, each.title) for each in found.probes if not number or each.kind != "job")


@pytest.fixture(scope="session")
def running(request):
    """The stack that is looked at."""
    return request.config.stash[LOOKED]


@pytest.fixture
def right():
    """A function (problem, words in front) that fails the test in one clear message where there is a PROBLEM."""

    def judge(problem: str, *place: str) -> None:
        if problem:
            pytest.fail(f"{', '.join(place)}: {problem}" if place else problem, pytrace=False)

    return judge
