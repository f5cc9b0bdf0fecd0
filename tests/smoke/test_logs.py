"""The logs of a run in which nothing was disturbed: readable by machines, and without a surprise."""

import json
import re

import pytest

pytestmark = [pytest.mark.containers, pytest.mark.looks_back]

JSON_SERVICES = ("edge", "http", "ws", "worker")
"""Redis and PostgreSQL write to standard output in a form of their own only."""

OF_HAPROXY = re.compile(r"\[(NOTICE|WARNING|ALERT)\] ")
"""What HAProxy says on standard error of its workers and servers (none yet, at the start) has a form of its own."""

TOLD = (
    "websocket refused:",
    "Not Found:",
    "Forbidden",
    "Bad Request",
    "Method Not Allowed",
    "Too Many",
)
"""How a warning about a visitor's mistake begins: one line that says who asked for what."""


@pytest.mark.parametrize("service", JSON_SERVICES)
def test_every_line_is_a_json_object(stack, containers, service):
    lines = [line for each in containers(service) for line in each.log()]
    if stack.folder is None and not lines:
        pytest.skip("nothing was logged since these tests began")
    odd = [
        line for line in lines if not is_object(line) and not (service == "edge" and OF_HAPROXY.match(line))
    ]
    assert lines and odd == []


def is_object(line):
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


@pytest.mark.parametrize("service", [*JSON_SERVICES, "redis", "db"])
def test_no_traceback(containers, service):
    assert [line for each in containers(service) for line in each.log() if "Traceback" in line] == []


@pytest.mark.parametrize("service", JSON_SERVICES)
def test_no_error_and_no_warning_but_about_visitors(containers, service):
    odd = [
        record
        for each in containers(service)
        for record in each.records()
        if record.get("level", "info") not in ("info", "debug") and not record["message"].startswith(TOLD)
    ]
    assert odd == []


COMPLAINTS = ("WARNING", "ERROR", "FATAL", "PANIC", " # ")
"""How PostgreSQL and Redis (the last one) mark what an operator should look at."""

EXPECTED_COMPLAINTS = (
    "Memory overcommit must be enabled",  # a setting of the machine, which a container cannot change
    'unique constraint "one_message_per_nonce"',  # how a message that is sent twice is known
)


@pytest.mark.parametrize("service", ["redis", "db"])
def test_data_store_does_not_complain(containers, service):
    lines = [line for each in containers(service) for line in each.log()]
    odd = [line for line in lines if any(mark in line for mark in COMPLAINTS)]
    assert [line for line in odd if not any(known in line for known in EXPECTED_COMPLAINTS)] == []


def test_no_query_string_in_a_log(containers):
    # They hold tokens; the websockets of these tests were opened with ?last=.
    lines = [line for service in JSON_SERVICES for each in containers(service) for line in each.log()]
    assert [line for line in lines if "?last=" in line] == []
