"""One form of log, whatever a project or a server configures."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import pytest
from processes import HERE, PATIENCE, RUNTIME, Project, Redis

from channels_stack.observability import logs

# Each snippet runs in a process of its own: logging belongs to the whole process.
PREPARE = """
import asyncio, logging, sys, types
from channels_stack.observability import logs
settings = types.SimpleNamespace(log_level="info", log_format="{form}")
logs.configure(settings, "http")
"""


def lines_of(code: str, form: str = "json") -> list:
    run = subprocess.run(
        [sys.executable, "-c", PREPARE.format(form=form) + code],
        env={"PYTHONPATH": f"{RUNTIME}:{HERE}"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    lines = run.stdout.splitlines()
    return [json.loads(line) for line in lines] if form == "json" else lines


def test_the_form_of_a_line():
    (line,) = lines_of(
        "logging.getLogger('a.b').warning('héllo %s\\nsecond', 'you', extra={'room': 'lobby'})"
    )
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "warning",
        "logger": "a.b",
        "message": "héllo you\nsecond",
        "service": "http",
        "room": "lobby",
    }


def test_an_exception_stays_in_its_line():
    code = """
try:
    1 / 0
except ZeroDivisionError:
    logging.exception("broken")
"""
    (line,) = lines_of(code)
    assert "ZeroDivisionError: division by zero" in line["exception"]
    assert line["message"] == "broken"


@pytest.mark.parametrize(
    ("logger", "level", "told"),
    [
        ("django.request", "WARNING", False),  # a 403 of a view
        ("django.security.SuspiciousOperation", "ERROR", False),  # a 400: forged cookies, too many fields
        ("django.request", "ERROR", True),  # a 500 is ours
    ],
)
@pytest.mark.parametrize("form", ["json", "text"])
def test_no_traceback_for_what_a_stranger_can_send(form, logger, level, told):
    code = f"logging.getLogger({logger!r}).log(logging.{level}, 'refused', exc_info=ValueError('bad'))"
    lines = lines_of(code, form)
    assert ("ValueError: bad" in str(lines)) is told


def test_text_for_people():
    (line,) = lines_of("logging.getLogger('a').info('hello')", "text")
    assert line.split(" ", 1)[1] == "INFO    a: hello"


def test_text_gives_the_terminal_no_orders_and_begins_no_line():
    """JSON writes them as they are written in a string."""
    code = (
        "logging.getLogger('a').info('x %s', 'y\\x1b[2J\\x9b\\r\\u2028\\n2026-11-29T08:15:00.000Z INFO b: z')"
    )
    first, second = lines_of(code, "text")
    assert first.endswith("INFO    a: x y\\x1b[2J\\u009b\\r\\u2028") and second.startswith("    2026-")


def test_the_level_is_that_of_the_settings():
    assert (
        lines_of(
            "logging.getLogger('a').debug('x'); settings.log_level = 'error'; logs.configure(settings, 'ws');"
            "logging.getLogger('a').warning('y')"
        )
        == []
    )


def test_a_second_time_changes_nothing():
    assert len(lines_of("logs.configure(settings, 'http'); logging.info('once')")) == 1


def test_django_cannot_undo_it():
    code = """
import logging.config
early = logging.getLogger("uvicorn.error")
early.propagate = False
logging.getLogger("daphne.server")
logging.config.dictConfig({
    "version": 1, "disable_existing_loggers": True,
    "formatters": {"own": {"format": "OWN %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "own"},
                 "memory": {"class": "logging.handlers.BufferingHandler", "capacity": 10}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {"shop": {"handlers": ["console", "memory"], "level": "DEBUG", "propagate": False},
                "shop.quiet": {"level": "ERROR"}},
})
logs.configure(settings, "http")
early.error("from uvicorn")
logging.getLogger("daphne.server").error("from daphne")
logging.getLogger("shop").info("from the project")
logging.getLogger("shop.quiet").info("the project does not want this")
assert len(logging.getLogger("shop").handlers[0].buffer) == 1, "its other handlers stay"
"""
    assert [line["message"] for line in lines_of(code)] == ["from uvicorn", "from daphne", "from the project"]


def test_a_real_project_that_configures_its_own_console(tmp_path):
    with Redis() as redis:
        project = Project(tmp_path, redis)
        try:
            worker = project.worker("reports")
            from test_worker import report, send

            send(redis, report(1))
            worker.says("made report 1")
            worker.terminate()
            assert worker.wait() == 0
            lines = [json.loads(line) for line in worker.output().splitlines()]
        finally:
            project.end()
    assert "OWN FORM" not in worker.output()
    made = [line for line in lines if line["message"] == "made report 1"]
    assert [(line["logger"], line["service"]) for line in made] == [("jobs", "worker")]


def run(scope, app, events=()):
    async def call():
        waiting = list(events)

        async def receive():
            return waiting.pop(0)

        async def send(message):
            pass

        await logs.access(app)(scope, receive, send)

    asyncio.run(call())


def http(path="/a", *headers):
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": b"token=s3cret",
        "client": ("192.0.2.1", 4711),
        "headers": headers,
    }


async def page(scope, receive, send):
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def written(caplog):
    caplog.set_level("INFO", logs.access_log.name)
    caplog.handler.addFilter(logs._ids)
    yield caplog
    caplog.handler.removeFilter(logs._ids)


def test_one_line_for_a_request(written):
    run(http("/a", (b"x-request-id", b"abc-123")), page)
    (record,) = written.records
    fields = (record.method, record.path, record.status, record.client, record.request_id)
    assert fields == ("GET", "/a", 204, "192.0.2.1", "abc-123")
    assert 0 <= record.duration_ms < 1000
    assert "s3cret" not in written.text
    assert logs.request_id.get() == ""


@pytest.mark.parametrize("offered", [b"", b"a b", b"x\r\ny", b"a" * 129, b"\xff"])
def test_an_id_that_is_not_ours_is_replaced(written, offered):
    run(http("/a", (b"x-request-id", offered)), page)
    assert len(written.records[0].request_id) == 32


def test_a_request_that_raises_is_a_500(written):
    async def broken(scope, receive, send):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        run(http(), broken)
    assert written.records[0].status == 500


def test_probes_write_nothing(written):
    run(http("/-/ready"), page)
    assert written.records == []


def test_a_path_cannot_forge_a_line(written):
    run(http("/a\n2026 ERROR forged"), page)
    assert written.records[0].getMessage().count("\n") == 0


async def socket(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    await receive()


async def refusing(scope, receive, send):
    await send({"type": "websocket.close"})


@pytest.mark.parametrize(
    ("app", "field", "code"),
    [(socket, "close_code", 1001), (refusing, "status", 403)],
    ids=["closed", "refused"],
)
def test_one_line_for_a_socket_at_its_end(written, app, field, code):
    scope = http("/ws/", (b"x-request-id", b"abc")) | {"type": "websocket"}
    run(scope, app, [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1001}])
    (record,) = written.records
    assert getattr(record, field) == code
    assert record.connection_id == "abc"
    assert record.method == "WEBSOCKET"


def test_a_project_may_keep_version_2_of_the_json_logger():
    """Its formatter is in another module; the sample `legacy` pins it."""
    script = (
        "import sys, pythonjsonlogger.json as module\n"
        "sys.modules |= {'pythonjsonlogger.jsonlogger': module, 'pythonjsonlogger.json': None}\n"
        "from channels_stack.observability import logs\n"
        "assert issubclass(logs._Json, module.JsonFormatter)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={"PYTHONPATH": str(RUNTIME)}
    )
    assert run.returncode == 0, run.stderr
