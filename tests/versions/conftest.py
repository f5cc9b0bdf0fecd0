"""A stack for each row of the matrix, one after the other, and the table that their last runs leave."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

import pytest
import stacks
import table
from checks import Visit
from matrix import CASES, ROWS, Row

SMALL = {
    "APP_SETTINGS": "mysite.settings",
    "APP_ASGI": "mysite.asgi:application",
    "APP_CONSTRAINTS": "constraints.txt",
    "APP_WORKER_CHANNELS": "jobs",
    "APP_RELEASE_COMMANDS": "",
    "HTTP_REPLICAS": "1",
    "WS_REPLICAS": "1",
    "HTTP_PROCESSES": "1",
    "DRAIN_NOTICE_SECONDS": "1",
    "DRAIN_SECONDS": "1",
    "STOP_SECONDS": "15",
}
RUN = pytest.StashKey[table.Run]()


def pytest_configure(config):
    config.stash[RUN] = table.Run()


def pytest_generate_tests(metafunc):
    """Each case for each row; what a row cannot do has to fail."""
    if "row" not in metafunc.fixturenames:
        return
    case = metafunc.function.__name__.removeprefix("test_")
    assert case in CASES, f"{case} is no case of the matrix"
    rows = []
    for row in ROWS:
        lack = row.cannot.get(case)
        marks = [pytest.mark.xfail(reason=lack.why, strict=True)] if lack else []
        rows.append(pytest.param(row, id=row.name, marks=marks))
    metafunc.parametrize("row", rows, indirect=True, scope="session")


def pytest_collection_modifyitems(items):
    """One row after the other: a stack runs only as long as its row."""
    items.sort(key=lambda item: ROWS.index(item.callspec.params["row"]) if hasattr(item, "callspec") else -1)


@pytest.fixture(scope="session")
def row(request):
    return request.param


@pytest.fixture(scope="session")
def running(row: Row, request, tmp_path_factory):
    """The stack that runs the project on the versions of ROW."""
    project = tmp_path_factory.mktemp(row.name) / "project"
    shutil.copytree(Path(__file__).parent / "project", project, ignore=shutil.ignore_patterns("__pycache__"))
    pins = "".join(f"{package}{version}\n" for package, version in row.pins.items())
    (project / "constraints.txt").write_text(pins)
    settings = {
        "APP_DIR": str(project),
        "APP_DEBIAN": row.debian,
        "SERVER_HTTP": row.http,
        "SERVER_WS": row.ws,
        "REDIS_IMAGE": "" if row.redis == "redis" else row.redis,
    }
    stacks.remove_stale()
    say(request.config, f"{row.name}: images and start")
    started = time.monotonic()
    result = request.config.stash[RUN].result(row)
    with stacks.own(row.name, **SMALL, **settings) as stack:
        result.start_seconds = time.monotonic() - started
        result.versions, result.pins = versions(stack), row.pins
        yield stack
    result.seconds, result.date = time.monotonic() - started, time.strftime("%Y-%m-%d", time.gmtime())
    say(
        request.config,
        f"{row.name}: started in {result.start_seconds:.0f} s, done after {result.seconds:.0f} s",
    )


@pytest.fixture
def visit(running):
    with Visit(running) as visit:
        yield visit


def versions(stack: stacks.Stack) -> dict[str, str]:
    """What is installed where pages and where websockets are served, and what keeps the layers."""
    code = (
        "import platform\n"
        "from importlib.metadata import distributions\n"
        "print('python', platform.python_version())\n"
        "for each in distributions(): print(each.metadata['Name'].lower().replace('_', '-'), each.version)"
    )
    found: dict[str, str] = {}
    for service in ("http", "ws"):
        text = stack.compose("exec", "-T", service, "python", "-c", code)
        found |= dict(line.split() for line in text.splitlines())
    server = stack.compose("exec", "-T", "redis", "redis-server", "--version")
    found["server"] = re.sub(r"^(\w+) server v=(\S+) .*", r"\1 \2", server.strip(), flags=re.S)
    return found


def say(config, text: str) -> None:
    """A line of progress, also where pytest collects what tests print."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    with config.pluginmanager.get_plugin("capturemanager").global_and_fixture_disabled():
        reporter.ensure_newline()
        reporter.write_line(f"==> {time.strftime('%H:%M:%S')} {text}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Keep what the table says; below a failure print what the build, the release and the containers said."""
    report = yield
    if hasattr(item, "callspec") and call.when == "call":
        case = item.originalname.removeprefix("test_")
        row = item.callspec.params["row"]
        if report.skipped and row.cannot[case].seen not in str(call.excinfo.value):
            report.outcome = "failed"
            report.longrepr = (
                f"it had to fail with {row.cannot[case].seen!r}, but did so with:\n{call.excinfo.value}"
            )
        item.config.stash[RUN].result(row).outcomes[case] = report.outcome
    stack = item.funcargs.get("running")
    if stack is not None and report.failed:
        report.sections += [("make up", stack.told)]
        report.sections += [(f"log of {name}", text) for name, text in stack.log_tails()]
    return report


def pytest_sessionfinish(session):
    """Write docs/reference/versions.md, as soon as every row has been seen to do what it should."""
    if session.config.option.collectonly:
        return
    run = session.config.stash[RUN]
    missing = run.keep()
    if missing:
        say(session.config, f"docs/reference/versions.md stays as it is: not seen yet: {', '.join(missing)}")
    else:
        table.FILE.write_text(table.text(run))
        say(session.config, f"{table.FILE.relative_to(stacks.ROOT)} is written anew")
