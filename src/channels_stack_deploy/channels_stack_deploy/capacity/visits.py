"""What visitors do: the visits that probes.ini declares, or one made of its probes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..checks import visit
from ..checks.probes import Probe
from ..console import Failure, detail

THINK, SECONDS, MESSAGES, SLOWEST = 10.0, 120.0, 2.0, 1.0
"""Seconds from one page to the next; of a visit, which then begins again; messages a minute; p95 that is too slow."""

UNKNOWN = """\
no [visit] is declared, and nothing else is known that a stranger may ask for; write what your visitors do
to probes.ini next to stack.env (docs/how-to/capacity.md):
  [visit reader]
  page = /a/path/of/yours/
  socket = /ws/of/yours/"""


@dataclass(frozen=True)
class Visit:
    """What one kind of visitor does, again and again: pages with a pause after each, a socket all the while."""

    name: str
    pages: tuple[str, ...]
    sockets: tuple[str, ...] = ()
    """Visitors take turns; each has one open."""
    users: tuple[str, ...] = ("",)
    """Names of [sign-in …]; visitors take turns. "": a stranger."""
    subprotocol: str = ""
    send: tuple[str, ...] = ()
    think: float = THINK
    seconds: float = SECONDS
    messages: float = MESSAGES
    share: int = 1
    slowest: float = SLOWEST

    def plan(self, cookies: dict[str, dict[str, str]]) -> dict[str, Any]:
        """As the generator takes it; COOKIES are those of each user."""
        return {
            "pages": self.pages,
            "sockets": self.sockets,
            "subprotocol": self.subprotocol,
            "send": self.send,
            "think": self.think,
            "seconds": self.seconds,
            "messages": self.messages,
            "share": self.share,
            "cookies": [cookies[user] for user in self.users],
        }

    def __str__(self) -> str:
        users = " and ".join(self.users) if self.users != ("",) else "strangers"
        words = [f"{self.name}: {users}; {self.pages_text}, {self.think:g} s after each"]
        if self.sockets:
            words.append("a socket at " + " or ".join(self.sockets))
        if self.send:
            words.append(f"{self.messages:g} messages a minute")
        return "; ".join(words) + f"; comes again after {self.seconds:g} s"

    @property
    def pages_text(self) -> str:
        """Its pages for people."""
        return ", ".join(self.pages) or "no page"


def declared(sections: list[Probe]) -> list[Visit]:
    """The [visit …] of probes.ini."""
    return [
        Visit(
            section.name,
            section.pages,
            section.sockets,
            tuple(section.get("as").split()) or ("",),
            section.get("subprotocol"),
            tuple(text for act, text in section.steps if act == "send"),
            float(section.get("think") or THINK),
            float(section.get("seconds") or SECONDS),
            float(section.get("messages") or MESSAGES),
            int(section.get("share") or 1),
            float(section.get("slowest") or SLOWEST),
        )
        for section in sections
        if section.kind == "visit"
    ]


def supposed(sections: list[Probe], paths: visit.Paths) -> list[Visit]:
    """Where none is declared: pages and sockets of the probes, nothing sent; without probes / and the routes that are known."""
    found = []
    users = ["", *(section.name for section in sections if section.kind == "sign-in")]
    for user in users:
        of_user = [
            section
            for section in sections
            if user == (section.name if section.kind == "sign-in" else section.get("as"))
        ]
        pages = [
            path
            for each in of_user
            for path in ([each.get("path")] if each.kind == "page" else each.pages)
            if each.kind in ("page", "sign-in") and int(each.get("status", "200")) < 400
        ]
        sockets = [each for each in of_user if each.kind == "socket"]
        protocols = {socket.get("subprotocol") for socket in sockets}
        if pages or sockets:
            found += [
                Visit(
                    "the probes" if not user else f"the probes as {user}",
                    tuple(pages),
                    tuple(socket.get("path") for socket in sockets if socket.get("subprotocol") == protocol),
                    (user,),
                    protocol,
                )
                for protocol in protocols or {""}
            ]
    routes = tuple(route.path for route in paths.routes if not route.guessed)
    return found or [Visit("a page", ("/",), routes)]


def chosen(those: visit.Guests, sections: list[Probe], paths: visit.Paths) -> list[Visit]:
    """What is declared, or else assumed; each visit is printed, and tried by THOSE."""
    known = declared(sections)
    found = possible(those, known or supposed(sections, paths), given=bool(known))
    for each in found:
        detail(str(each))
    if not known:
        detail("no [visit] is declared, so this is made of what is known: docs/how-to/capacity.md")
    return found


def possible(those: visit.Guests, visits: list[Visit], *, given: bool) -> list[Visit]:
    """VISITS, each tried once. Failure names what is not answered; what was not declared (GIVEN) is left out instead."""
    problems = []
    found = []
    for each in visits:
        wrong = list(_wrong(those, each))
        problems += [f"visit {each.name}: {path} answers {answer}" for path, answer in wrong]
        bad = {path for path, _ in wrong}
        kept = Visit(
            **{
                **vars(each),
                "pages": tuple(path for path in each.pages if path not in bad),
                "sockets": tuple(path for path in each.sockets if path not in bad),
            }
        )
        if kept.pages or kept.sockets:
            found.append(kept)
    if problems and given:
        raise Failure("\n".join([*problems, "a [visit] asks for what is answered: docs/how-to/capacity.md"]))
    if not found:
        raise Failure("\n".join([*problems, UNKNOWN]))
    return found


def _wrong(those: visit.Guests, each: Visit) -> Iterator[tuple[str, str]]:
    """(path, what it answers) of what a first visitor does not get."""
    guest = those.visitor(each.users[0])
    for path in each.pages:
        try:
            answer = str(guest.get(path).status)
        except visit.FAILURES as error:
            answer = visit.worded(error)
        if not answer.isdigit() or int(answer) >= 400:
            yield path, answer
    for path in each.sockets:
        try:
            socket = guest.socket(path, each.subprotocol)
            socket.close()
            answer = str(socket.status)
        except visit.FAILURES as error:
            answer = visit.worded(error)
        if answer != "101":
            yield path, answer
