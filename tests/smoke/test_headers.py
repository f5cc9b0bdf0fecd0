"""Headers: those that every answer must bear, and those that a visitor may not forge."""

import json
import re
import time

import pytest
from stacks import eventually

EXPECTED = {
    "strict-transport-security": "max-age=",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=",
    "content-security-policy": "upgrade-insecure-requests",
    "x-request-id": "-",
}
"""Part of the value of each security header."""

FORGED = [
    ("X-Forwarded-For", "203.0.113.7"),
    ("X-Forwarded-For", "203.0.113.8"),
    ("X-Forwarded-Proto", "http"),
    ("X-Forwarded-Host", "evil.example"),
    ("X_Forwarded_For", "203.0.113.9"),
    ("X-Real-IP", "203.0.113.7"),
    ("Forwarded", "for=203.0.113.7;proto=http;host=evil.example"),
    ("X-Request-ID", "forged-id"),
    ("X-Script-Name", "/forged"),
    ("Daphne-Root-Path", "/forged"),
]
"""What a visitor may claim and nobody may believe."""

SEEN_SECONDS = 5
"""How soon a request is in a log."""


def missing(headers) -> dict[str, str]:
    """Which of the EXPECTED headers are not there or say something else."""
    said = {name: whole(headers, name) for name in EXPECTED}
    return {name: said[name] for name, part in EXPECTED.items() if part not in said[name]}


def whole(headers, name: str) -> str:
    """All values of a header: the application's policy and the edge's are two."""
    every = headers.get_all(name) if hasattr(headers, "get_all") else [headers.get(name)]
    return ", ".join(filter(None, every or []))


ANSWERS = {
    "200": (200, "GET", "/login/", []),
    "404": (404, "GET", "/there/is/nothing/", []),
    "413": (413, "POST", "/login/", [("Content-Length", str(64 * 1024 * 1024))]),
    "414": (414, "GET", "/" + "x" * 9000, []),
    "431": (431, "GET", "/login/", [("X-Large", "x" * 14000)]),
    "405": (405, "TRACE", "/login/", []),
}


@pytest.mark.parametrize(("status", "method", "target", "headers"), ANSWERS.values(), ids=ANSWERS)
def test_every_answer_bears_the_security_headers(request_as_is, status, method, target, headers):
    answer = request_as_is(method, target, headers)
    assert answer.status == status, answer.body[:300]
    assert missing(answer.headers) == {}


@pytest.mark.parametrize(("status", "method", "target", "headers"), ANSWERS.values(), ids=ANSWERS)
def test_no_answer_names_its_server(request_as_is, status, method, target, headers):
    answer = request_as_is(method, target, headers)
    assert {"server", "x-powered-by", "via"} & {name.lower() for name in answer.headers} == set()


def test_the_first_page_by_the_rules_of_the_http_observatory(request_as_is):
    """What makes its grade A+: each rule that gives or takes points, but the preload list of browsers."""
    answer = request_as_is("GET", "/login/")
    assert answer.status == 200
    policies = [value.strip() for value in whole(answer.headers, "content-security-policy").split(",")]
    directives = dict(part.strip().partition(" ")[::2] for each in policies for part in each.split(";"))
    assert directives["default-src"] == "'none'"
    assert {"base-uri", "form-action", "frame-ancestors"} <= directives.keys()
    assert not any(
        word in value for value in directives.values() for word in ("unsafe", "*", "http:", "data:")
    )
    cookies = answer.headers.get_all("set-cookie")
    assert cookies
    for cookie in cookies:
        assert "secure" in cookie.lower() and "samesite=" in cookie.lower(), cookie
        assert "httponly" in cookie.lower() or cookie.startswith("csrftoken="), cookie
    assert (
        int(whole(answer.headers, "strict-transport-security").partition("max-age=")[2].split(";")[0])
        >= 15768000
    )
    assert whole(answer.headers, "x-content-type-options") == "nosniff"
    assert whole(answer.headers, "referrer-policy") in ("same-origin", "strict-origin-when-cross-origin")
    assert whole(answer.headers, "cross-origin-resource-policy") == "same-origin"
    assert whole(answer.headers, "access-control-allow-origin") == ""
    for tag in re.findall(rb"<(?:script|link)[^>]*>", answer.body):
        assert b"//" not in tag, f"{tag} comes from elsewhere"


FLOOD = """
import http.client, json, ssl, sys, time
host, port, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
context = ssl._create_unverified_context()
connection = http.client.HTTPSConnection("edge", 8443, context=context, timeout=5)
for number in range(1, 1000):
    connection.request("GET", path, headers={"Host": f"{host}:{port}"})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status == 429:
        break
    if answer.getheader("Connection") == "close":
        connection.close()
print(json.dumps({"number": number, "status": answer.status, "headers": {n.lower(): v for n, v in answer.getheaders()}}))
"""


@pytest.fixture
def flood(stack, container):
    """The answer that ends a flood of requests; it comes from a container, so that our own address stays free."""
    return json.loads(container("http").python(FLOOD, stack.host, str(stack.port), "/static/none"))


@pytest.mark.containers
def test_a_flood_from_one_address_is_asked_to_wait(flood):
    assert flood["status"] == 429, f"{flood['number']} requests and still {flood['status']}"
    assert flood["headers"].get("retry-after", "").isdigit(), flood["headers"]
    assert missing(flood["headers"]) == {}


@pytest.fixture
def record_of(containers):
    """A function (service, request id) -> the line about that request in the logs of a service."""

    def look(service, request_id):
        for container in containers(service):
            for record in container.records():
                if record.get("request_id") == request_id and "client" in record:
                    return record
        return None

    return lambda service, request_id: eventually(
        lambda: look(service, request_id), SEEN_SECONDS, f"request {request_id} in the log of {service}"
    )


@pytest.mark.containers
def test_forged_address_has_no_effect(request_as_is, record_of):
    answer = request_as_is("GET", "/login/", FORGED)
    edge, app = (record_of(service, answer.headers["x-request-id"]) for service in ("edge", "http"))
    assert app["client"] == edge["client"] and not app["client"].startswith("203.0.113."), (edge, app)


@pytest.mark.containers
def test_request_has_one_id_in_every_log(request_as_is, record_of):
    path = f"/there/is/nothing/{time.time_ns()}/"
    answer = request_as_is("GET", path)
    paths = {record_of(service, answer.headers["x-request-id"])["path"] for service in ("edge", "http")}
    assert paths == {path}


def test_forged_request_id_has_no_effect(request_as_is):
    assert request_as_is("GET", "/login/", FORGED).headers["x-request-id"] != "forged-id"


def test_forged_root_path_and_host_have_no_effect_on_links(request_as_is):
    honest, forged = (request_as_is("GET", "/rooms/lobby/", headers) for headers in ((), FORGED))
    assert (forged.status, forged.headers["location"]) == (honest.status, honest.headers["location"])
    assert forged.headers["location"] == "/login/?next=/rooms/lobby/"
