"""Whether a stack serves: a page, a websocket and the application's own probes, through each address of the edge.

`make up`, the end of deploy.yml (__main__.py) and `make smoke` (tests/running) ask so.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import secrets
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..console import Failure, detail
from ..paths import Deployment
from . import probes, visitor
from .probes import Probe
from .visitor import Site, Visitor

SECONDS = 30
"""How long each answer may be wanting: right after a start the edge needs some seconds to find its servers."""

STEADY_SECONDS = 5
"""How long page and websocket must stay answered: what ends right after its start, or with its first visitor, shows by then."""

PAUSE = 1.0
POLL = 0.5
NOT_OURS = 421
"""What the edge says where the name or the port is none of the stack's."""

FAILURES = (OSError, http.client.HTTPException, visitor.Closed)


@dataclass(frozen=True)
class Route:
    """A path at which the application has a websocket; GUESSED: with values of ours in the place of its parameters."""

    path: str
    guessed: bool = False


@dataclass(frozen=True)
class Paths:
    """What `channels-stack paths` says of an application; without its answer any socket at / will do."""

    routes: tuple[Route, ...] = (Route("/", guessed=True),)
    static: str = ""

    @classmethod
    def read(cls, text: str) -> Paths:
        """From its JSON; what is none is as if nothing had been filled."""
        try:
            answer: dict[str, Any] = json.loads(text)
            if not answer.get("known"):
                return cls(static=answer.get("static") or "")
            routes = tuple(
                Route(websocket["path"], bool(websocket["guessed"])) for websocket in answer["websockets"]
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls()
        return cls(routes, answer.get("static") or "")

    def served(self, settings: dict[str, str]) -> Paths:
        """Those that are served, as SETTINGS say: without a ws there is no websocket."""
        return replace(self, routes=()) if settings["WS_REPLICAS"] == "0" else self


def site(settings: dict[str, str], deployment: Deployment, address: str) -> Site:
    """How the stack is visited at ADDRESS: its first name and public port, with the trust of its own certificates."""
    authorities = [deployment.authority / "ca.pem"]
    if settings["CERTIFICATE"] == "files":
        authorities.append(deployment.authority / "fullchain.pem")
    if settings["CERTIFICATE"] == "acme":
        authorities.append(deployment.authority / "acme.pem")
    return Site(
        domain=settings["DOMAINS"].split()[0],
        public_port=int(settings["PUBLIC_PORT"] or settings["HTTPS_PORT"]),
        address=address,
        port=int(settings["HTTPS_PORT"]),
        context=visitor.trust(authorities),
        origin=(settings["ALLOWED_ORIGINS"].split() or [""])[0],
    )


def reached(settings: dict[str, str], there: Site) -> Site:
    """THERE as it can be reached: with the PROXY protocol, where the edge takes this machine for a hop that speaks it.

    A certificate by ACME from an authority that this machine does not know is reported, and not verified.
    """
    try:
        there.connect().close()
    except ssl.SSLCertVerificationError as error:
        if settings["CERTIFICATE"] == "acme":
            detail(f"the certificate is not verified: {error.verify_message}")
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            return replace(there, context=context)
    except OSError:
        if settings["EDGE_CLIENT_FROM"] == "proxy-protocol" and settings["EDGE_TRUSTED_HOPS"] != "none":
            return replace(there, proxied=True)
    return there


def page(there: Site, path: str) -> str:
    """What is wrong with the page at PATH, "" for nothing: any answer of the application below 500 will do."""
    try:
        answer = Visitor(there).get(path)
    except FAILURES as error:
        return f"page {path}: {worded(error)}"
    if answer.status >= 500 or answer.status == NOT_OURS:
        return f"page {path}: status {answer.status}"
    return ""


def handshake(there: Site, route: Route) -> str:
    """What is wrong with the websocket of ROUTE: 101 or a refusal of the application's own will do.

    Where the values in the path are ours, an exception of the application's (500) says that the handshake reached it.
    """
    try:
        socket = Visitor(there).socket(route.path)
        socket.close()
    except FAILURES as error:
        return f"websocket {route.path}: {worded(error)}"
    if socket.status == NOT_OURS or socket.status >= (501 if route.guessed else 500):
        return f"websocket {route.path}: status {socket.status}"
    return ""


def answers(there: Site, path: str, routes: tuple[Route, ...]) -> list[str]:
    """What is not answered now: the page at PATH, and, where there are ROUTES, one of them."""
    problems = [page(there, path)]
    if routes:
        wrong = []
        for route in routes:
            problem = handshake(there, route)
            if not problem:
                break
            wrong.append(problem)
        else:
            problems += wrong
    return [problem for problem in problems if problem]


def steady(there: Site, path: str, routes: tuple[Route, ...], seconds: float = STEADY_SECONDS) -> list[str]:
    """Wait until page and websocket are answered, and watch for SECONDS that they stay so; what was wrong last."""
    # Those whose path is known before those with values of ours in it.
    tried = tuple(sorted(routes, key=lambda route: route.guessed))
    deadline = time.monotonic() + SECONDS
    begun, wrong = 0.0, []
    while True:
        now = answers(there, path, tried)
        moment = time.monotonic()
        if now:
            begun, wrong = 0.0, now
            if moment > deadline:
                return wrong
        elif not begun:
            begun = moment
        if begun and moment - begun >= seconds:
            return []
        time.sleep(PAUSE if begun else POLL)


# --- Probes of the application's own ------------------------------------------------------------------


@dataclass
class Guests:
    """Visitors of one site, signed in where a probe asks for it; all are signed out at the end."""

    site: Site
    folder: Path
    probes: list[probes.Probe]
    members: dict[str, Visitor] = field(default_factory=dict)

    def visitor(self, name: str) -> Visitor:
        """A stranger for "", else who has signed in as the probe [sign-in NAME] says. Failure where that does not work."""
        if not name:
            return Visitor(self.site)
        if name not in self.members:
            probe = next(each for each in self.probes if each.kind == "sign-in" and each.name == name)
            self.members[name] = self._sign_in(probe)
        return self.members[name]

    def _sign_in(self, probe: Probe) -> Visitor:
        path = self.folder / probe.get("password_file")
        try:
            password = path.read_text().rstrip("\r\n")
        except OSError as error:
            raise Unreadable(f"{path} cannot be read: {error.strerror}; run it as a user who may") from None
        guest = Visitor(self.site)
        form = {
            probe.get("user_field", "username"): probe.get("user"),
            probe.get("password_field", "password"): password,
        }
        answer = guest.send_form(probe.get("path"), form)
        if answer.status >= 400 or (answer.status == 200 and not probe.pages):
            raise Failure(
                f"{_answered(probe.get('path'), answer)} to the form: is the password in {path} still the user's?"
            )
        return guest

    def leave(self) -> None:
        """Sign out all guests whose probe says how; a failure there does not matter any more."""
        for name, guest in self.members.items():
            probe = next(each for each in self.probes if each.kind == "sign-in" and each.name == name)
            with contextlib.suppress(*FAILURES):
                if probe.get("sign_out"):
                    guest.press(probe.get("sign_out"))
        self.members.clear()


class Unreadable(Failure):
    """A probe cannot be tried by this user."""


@contextlib.contextmanager
def guests(there: Site, folder: Path, wanted: list[probes.Probe]) -> Iterator[Guests]:
    """Visitors for a time."""
    found = Guests(there, folder, wanted)
    try:
        yield found
    finally:
        found.leave()


def tried(those: Guests, probe: probes.Probe) -> str:
    """What PROBE finds wrong, "" for nothing. Unreadable where this user cannot try it."""
    unique = secrets.token_hex(8)
    try:
        RUN[probe.kind](those, probe, lambda text: text.replace(probes.UNIQUE, unique))
    except Unreadable:
        raise
    except Failure as failure:
        return f"{probe.title} ({probe.place}): {failure}"
    except FAILURES as error:
        return f"{probe.title} ({probe.place}): {worded(error)}"
    return ""


Filled = Callable[[str], str]


def _page(those: Guests, probe: probes.Probe, filled: Filled) -> None:
    _expect_page(
        those.visitor(probe.get("as")),
        probe.get("path"),
        probe.get("status", "200"),
        filled(probe.get("text")),
    )


def _sign_in(those: Guests, probe: probes.Probe, filled: Filled) -> None:
    guest = those.visitor(probe.name)
    for path in probe.pages:
        _expect_page(guest, path, "200", filled(probe.get("text")))


def _socket(those: Guests, probe: probes.Probe, filled: Filled) -> None:
    _talk(those, probe, probe.get("path"), filled)


def _job(those: Guests, probe: probes.Probe, filled: Filled) -> None:
    if probe.get("socket"):
        _talk(those, probe, probe.get("socket"), filled)
    else:
        begin = probe.pages[0]
        answer = those.visitor(probe.get("as")).get(filled(begin))
        if answer.status >= 400:
            raise Failure(f"{_answered(begin, answer)}: the job was not begun")
    if not probe.get("result"):
        return
    path, text = probe.get("result"), filled(probe.get("text"))
    deadline = time.monotonic() + probe.seconds
    while True:
        answer = those.visitor(probe.get("as")).get(filled(path))
        if answer.status == 200 and text in answer.text:
            return
        if time.monotonic() > deadline:
            raise Failure(
                f"{_answered(path, answer)} without {text!r} after {probe.seconds:.0f} s: the job had no effect"
            )
        time.sleep(POLL)


RUN: dict[str, Callable[[Guests, probes.Probe, Filled], None]] = {
    "page": _page,
    "socket": _socket,
    "sign-in": _sign_in,
    "job": _job,
}


def _expect_page(guest: Visitor, path: str, status: str, text: str) -> None:
    answer = guest.get(path)
    if str(answer.status) != status:
        raise Failure(f"{_answered(path, answer)}, wanted {status}")
    if text and text not in answer.text:
        raise Failure(f"{_answered(path, answer)} without the text {text!r}")


def _talk(those: Guests, probe: probes.Probe, path: str, filled: Filled) -> None:
    subprotocol = probe.get("subprotocol")
    socket = those.visitor(probe.get("as")).socket(filled(path), subprotocol)
    try:
        if socket.status != 101:
            raise Failure(f"{path}: the handshake was answered {socket.status}, wanted 101")
        if socket.subprotocol != subprotocol:
            raise Failure(
                f"{path}: the subprotocol is {socket.subprotocol or 'none'!r}, wanted {subprotocol!r}"
            )
        for act, words in probe.steps:
            text = filled(words)
            if act == "send":
                socket.send(text)
                continue
            heard, others = socket.hear(lambda message, text=text: probes.fits(text, message), probe.seconds)  # type: ignore[misc]
            if not heard:
                # What else came may hold what only members may read.
                came = f"{len(others)} other messages came" if others else "nothing came"
                raise Failure(f"{path}: no message with {text} within {probe.seconds:.0f} s; {came}")
    finally:
        socket.close()


def _answered(path: str, answer: visitor.Answer) -> str:
    where = answer.headers.get("Location")
    return f"{path} answers {answer.status}" + (f" to {where}" if where else "")


def worded(error: Exception) -> str:
    """What ERROR says; its kind where it says nothing."""
    return str(error) or type(error).__name__


# --- All of it ------------------------------------------------------------------------------------


def everything(
    sites: Iterable[Site],
    path: str,
    paths: Paths,
    folder: Path,
    wanted: list[probes.Probe],
    generic: Callable[[Site], list[str]] = lambda there: [],
) -> list[str]:
    """What is wrong at any of SITES, a line each: page and websocket, kept up, what is GENERIC, then the probes.

    Jobs are begun once. Any other probe that fails is tried again: a request that came between two replicas is no fault of
    the release.
    """
    problems: list[str] = []
    for number, there in enumerate(sites):
        found = steady(there, path, paths.routes) or generic(there)
        if not found:
            here = [each for each in wanted if each.kind != "job" or not number]
            with guests(there, folder, wanted) as those:
                for probe in here:
                    try:
                        problem = tried(those, probe)
                        if problem and probe.kind != "job":
                            problem = tried(those, probe)
                        found.append(problem)
                    except Unreadable as unreadable:
                        detail(f"{probe.title} was not tried: {unreadable}")
        problems += [f"{there.authority} at {there.address}: {problem}" for problem in found if problem]
    return problems
