"""What the application sees of a request, what the visitor sees of its answer, and what the edge caches."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

PAGES = Path(__file__).resolve().parents[2] / "images" / "edge" / "pages"
HASHED = "/static/app.0123abcd.js"


# --- What the application sees and what the user sees ---------------------------------------------


FORGED = [
    "X-Forwarded-For: 6.6.6.6",
    "X-Forwarded-For: 7.7.7.7",
    "X-Forwarded-Proto: http",
    "X-Forwarded-Host: evil.test",
    "X-Forwarded-Port: 1",
    "X-Forwarded-Server: evil",
    "X-Forwarded-Prefix: /evil",
    "X-Forwarded-Anything: evil",
    "Forwarded: for=6.6.6.6",
    "X-Real-IP: 6.6.6.6",
    "X-Edge-Worker: evil",
    "Daphne-Root-Path: /evil",
    "X-Request-ID: forged",
    "Proxy: evil",
    "X_Forwarded_For: 6.6.6.6",
    "X_Real_IP: 6.6.6.6",
    "Daphne_Root_Path: /evil",
    "X-Script-Name: /evil",
    "Upgrade: h2c",
]


def test_forged_headers_have_no_effect(edge):
    answer = edge.get("/echo", *FORGED)
    (client,) = answer.seen("x-forwarded-for")
    assert socket.inet_aton(client)
    assert client not in ("6.6.6.6", "7.7.7.7")
    assert answer.seen("x-forwarded-proto") == ["https"]
    assert answer.seen("x-request-id") == [answer.header("x-request-id")]
    assert answer.seen("x-forwarded-port") == ["443"]
    allowed = {
        "host",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-port",
        "x-request-id",
        "connection",
    }
    assert {name.lower() for name, _ in answer.echo["headers"]} <= allowed


@pytest.mark.parametrize(("host", "port"), [("localhost", "443"), ("localhost:8443", "8443")])
def test_the_port_is_the_one_that_the_browser_named(edge, host, port):
    assert edge.get("/echo", host=host).seen("x-forwarded-port") == [port]


def test_usual_headers_pass(edge):
    answer = edge.get(
        "/echo",
        "Cookie: a=b",
        "Authorization: Bearer x",
        "Accept-Language: fi",
        "X-CSRFToken: t",
        "Origin: null",
    )
    for name, value in {
        "cookie": "a=b",
        "authorization": "Bearer x",
        "x-csrftoken": "t",
        "origin": "null",
    }.items():
        assert answer.seen(name) == [value]


def test_each_request_has_its_own_id(edge):
    assert edge.get("/echo").header("x-request-id") != edge.get("/echo").header("x-request-id")


SECURITY = {
    "strict-transport-security": "max-age=31536000",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "strict-origin-when-cross-origin",
    "cross-origin-opener-policy": "same-origin",
    "content-security-policy": "upgrade-insecure-requests",
}

ANSWERS = {
    "the application's 200": ("/echo", "GET", 200),
    "the application's 404": ("/status/404", "GET", 404),
    "the application's 500": ("/status/500", "GET", 500),
    "our 404": ("/-/live", "GET", 404),
    "our 405": ("/", "TRACE", 405),
    "our 502": ("/break/page", "POST", 502),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_every_answer_has_the_security_headers(edge, case):
    path, method, status = ANSWERS[case]
    answer = edge.get(path, method=method)
    assert answer.status == status
    assert {name: answer.header(name) for name in SECURITY} == SECURITY
    assert answer.header("permissions-policy")
    assert answer.header("x-request-id")
    assert answer.header("server") is None
    assert answer.header("x-powered-by") is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Frame-Options", "SAMEORIGIN"),
        ("Referrer-Policy", "same-origin"),
        ("Cross-Origin-Opener-Policy", "unsafe-none"),
        ("Strict-Transport-Security", "max-age=60"),
        ("Permissions-Policy", "camera=()"),
    ],
)
def test_the_application_has_the_last_word(edge, name, value):
    assert edge.get(f"/reply?{name}={value.replace('=', '%3D')}").header(name) == value


DECIDED = ["x-content-type-options", "referrer-policy", "cross-origin-opener-policy", "x-frame-options"]


@pytest.mark.parametrize("silent", DECIDED)
def test_what_the_application_has_left_out_on_purpose_stays_out(edge, silent):
    answer = edge.get(f"/reply?X-Edge-Decided=referrer,{silent},x")
    assert {name for name in DECIDED if answer.header(name) is None} == {silent}
    assert answer.header("x-edge-decided") is None, "between application and edge alone"


def test_a_decision_is_no_silence_for_the_next_answer(edge):
    edge.get(f"/reply?X-Edge-Decided={','.join(DECIDED)}")
    assert all(edge.get("/echo").header(name) for name in DECIDED)


def test_a_visitor_decides_on_nothing(edge):
    answer = edge.get("/echo", f"X-Edge-Decided: {','.join(DECIDED)}")
    assert all(answer.header(name) for name in DECIDED)


def test_a_policy_without_upgrade_gets_it_in_addition(edge):
    answer = edge.get("/reply?Content-Security-Policy=default-src%20'self'")
    assert sorted(answer.all("content-security-policy")) == [
        "default-src 'self'",
        "upgrade-insecure-requests",
    ]


def test_a_policy_with_upgrade_stays_alone(edge):
    policy = "default-src 'self'; upgrade-insecure-requests"
    assert (
        edge.get(f"/reply?Content-Security-Policy={policy.replace(' ', '%20')}").header(
            "content-security-policy"
        )
        == policy
    )


def test_frame_ancestors_makes_the_old_header_needless(edge):
    assert edge.get("/reply?Content-Security-Policy=frame-ancestors%20*").header("x-frame-options") is None


def test_hsts_and_upgrade_can_be_switched_off(site, backends):
    answer = site.edge(EDGE_HSTS_SECONDS="0", EDGE_UPGRADE_INSECURE="false").get("/echo")
    assert answer.header("strict-transport-security") is None
    assert answer.header("content-security-policy") is None


def test_503_says_when_to_come_back(site):
    answer = site.edge(wait=False, EDGE_RESOLVER="127.0.0.1:9").get("/")
    assert answer.status == 503
    assert answer.header("retry-after") == "5"
    assert answer.header("cache-control") == "no-store"
    assert b"Nothing was changed" in answer.body


def test_head_has_no_body(edge):
    answer = edge.get("/-/live", method="HEAD")
    assert (answer.status, answer.body) == (404, b"")


# --- Cache ----------------------------------------------------------------------------------------


def test_a_hashed_file_is_asked_for_once(edge, seen):
    assert edge.get(HASHED).header("x-cache") == "miss"
    again = edge.get(HASHED)
    assert again.header("x-cache") == "hit"
    assert again.status == 200
    assert again.header("strict-transport-security")
    assert seen("GET", HASHED) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_part_of_a_cached_file_comes_from_the_application(edge, seen, method):
    """HAProxy's cache knows whole files only, and Safari plays no film from a server that ignores Range."""
    path = f"/static/film-{method.lower()}.0123abcd.mp4"
    assert [edge.get(path).header("x-cache") for _ in range(2)] == ["miss", "hit"]
    before = seen(method, path)
    answer = edge.get(path, "Range: bytes=0-1", method=method)
    assert answer.header("x-cache") == "miss"
    assert seen(method, path) == before + 1
    assert edge.get(path).header("x-cache") == "hit", "the whole file is still there"


def test_a_file_without_a_hash_is_asked_for_each_time(edge, seen):
    for _ in range(2):
        assert edge.get("/static/plain.js").header("x-cache") == "miss"
    assert seen("GET", "/static/plain.js") == 2


def test_pages_are_never_cached(edge):
    assert edge.get("/reply?Cache-Control=public,%20max-age%3D600,%20immutable").header("x-cache") is None
