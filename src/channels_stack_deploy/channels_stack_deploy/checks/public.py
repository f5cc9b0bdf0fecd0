"""What every visitor of every stack must get, whatever its application is: each check returns what is wrong, "" for nothing.

A problem says what was answered, what is right, and the fix.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable, Mapping
from dataclasses import replace
from time import monotonic, sleep, time

from . import visit
from .visit import FAILURES, NOT_OURS, Paths
from .visitor import Answer, Site, Visitor

HEALTH = "/-/edge"
"""Answered by the edge itself, so that it bears every header that the edge adds and an application may leave out."""

ALWAYS = {
    "X-Request-ID": "-",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=",
}
"""Headers of each answer of the edge, and a part of the value of each."""

NEVER = ("Server", "X-Powered-By")
UNKNOWN = "unknown.invalid"
"""A name that is reserved and never assigned (RFC 2606)."""


def problems(there: Site, settings: Mapping[str, str], paths: Paths) -> list[str]:
    """What stays wrong for SECONDS at THERE with the headers, a static file and the websockets of PATHS."""
    deadline = monotonic() + visit.SECONDS
    while True:
        checked = [headers(there, settings), static(there, paths.static)]
        checked += [websocket(there, route.path) for route in paths.routes]
        wrong = [problem for problem in checked if problem]
        if not wrong or monotonic() > deadline:
            return wrong
        sleep(visit.PAUSE)


def certificate(there: Site, domain: str) -> str:
    """The certificate is valid for DOMAIN, and more than a tenth of its time is left."""
    try:
        with replace(there, domain=domain).connect() as connection:
            known = connection.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        return (
            f"the certificate is not valid for {domain}: {error.verify_message}; it must name each of DOMAINS "
            "and not have ended: docs/how-to/certificates.md"
        )
    except FAILURES as error:
        return f"no TLS with {domain}: {visit.worded(error)}"
    if not known:  # by an authority that this machine does not know
        return ""
    begin, end = (ssl.cert_time_to_seconds(str(known[name])) for name in ("notBefore", "notAfter"))
    left = end - time()
    if left < (end - begin) / 10:
        return (
            f"the certificate ends in {left / 86400:.1f} days, less than a tenth of its time; renew it: "
            "docs/how-to/certificates.md"
        )
    return ""


def headers(there: Site, settings: Mapping[str, str]) -> str:
    """Answers bear the security headers, and do not say which server they come from."""
    expected = dict(ALWAYS)
    if settings["EDGE_HSTS_SECONDS"] != "0":
        expected["Strict-Transport-Security"] = "max-age="
    if settings["EDGE_UPGRADE_INSECURE"] == "true":
        expected["Content-Security-Policy"] = "upgrade-insecure-requests"

    def look(answer: Answer) -> str:
        wrong = [
            f"{name} is {answer.headers.get(name, 'missing')!r}, wanted …{part}…"
            for name, part in expected.items()
            if part not in ", ".join(answer.headers.get_all(name, []))
        ]
        wrong += [
            f"{name} is {answer.headers[name]!r}, wanted none" for name in NEVER if name in answer.headers
        ]
        fix = "; what is in front of the edge must leave headers alone: docs/how-to/in-front.md"
        return "; ".join(wrong) + fix if wrong else ""

    return _page(there, HEALTH, look)


def unknown_name(there: Site) -> str:
    """A name that is not among DOMAINS is refused."""

    def look(answer: Answer) -> str:
        fix = "is another server in front of the edge?"
        return (
            ""
            if answer.status in (400, NOT_OURS)
            else f"{answer.status} for {UNKNOWN}, wanted {NOT_OURS}; {fix}"
        )

    return _page(there, "/", look, {"Host": UNKNOWN})


def static(there: Site, path: str) -> str:
    """The static file at PATH ("": there is none) is delivered."""

    def look(answer: Answer) -> str:
        fix = "wanted 200 with the file; deploy again (`make up`, deploy.yml): the release collects static files"
        return (
            ""
            if answer.status == 200 and answer.body
            else f"status {answer.status}, {len(answer.body)} bytes; {fix}"
        )

    return _page(there, path, look) if path else ""


def websocket(there: Site, path: str) -> str:
    """A handshake at PATH, a route of the application, is answered: 101, or a refusal of the application's own.

    A stranger may be more than a consumer expects: its exception (500) says that the handshake reached it.
    """
    problem = visit.handshake(there, visit.Route(path, guessed=True))
    return (
        f"{problem}; wanted 101 or a refusal of the application's own: see the log of ws" if problem else ""
    )


def redirect(there: Site, port: int) -> str:
    """Plain HTTP at PORT leads to the same address by HTTPS."""
    path = "/there/is/nothing/?by=http"
    connection = http.client.HTTPConnection(there.domain, port, timeout=visit.SECONDS)
    try:
        connection.sock = there.open(port)
        connection.request("GET", path, headers={"Host": there.domain, "User-Agent": "channels-stack"})
        answer = connection.getresponse()
        answer.read()
    except FAILURES as error:
        return f"no answer by plain HTTP on port {port}: {visit.worded(error)}; open it in the firewall"
    finally:
        connection.close()
    where = answer.headers.get("Location", "")
    if answer.status in (301, 308) and where == there.url + path:
        return ""
    return (
        f"plain HTTP on port {port} answers {answer.status} {where}".rstrip()
        + f", wanted 308 to {there.url}{path}; is another server in front of the edge, or PUBLIC_PORT wrong?"
    )


def _page(
    there: Site, path: str, look: Callable[[Answer], str], sent: Mapping[str, str] | None = None
) -> str:
    """What LOOK finds wrong with the answer at PATH, with the path in front."""
    try:
        problem = look(Visitor(there).ask("GET", path, sent))
    except FAILURES as error:
        problem = visit.worded(error)
    return f"{path}: {problem}" if problem else ""
