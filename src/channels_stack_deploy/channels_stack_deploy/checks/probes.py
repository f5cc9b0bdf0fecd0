"""What a visitor of one application must get, as its `probes.ini` says: pages, websockets, sign-ins, jobs of a worker.

    [page NAME]      path, status, text, as
    [socket NAME]    path, subprotocol, as, send, expect, seconds
    [sign-in NAME]   path, user, password_file, user_field, password_field, page, text, sign_out
    [job NAME]       socket or page, subprotocol, as, send, expect, result, text, seconds
    [visit NAME]     page, think, socket, subprotocol, as, send, messages, seconds, share, slowest

docs/how-to/smoke.md is the reference, docs/how-to/capacity.md that of a visit: no probe, but what `make capacity` repeats. Every
problem of the file is found at once, each with its line.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ..console import Failure
from ..paths import COMPOSE, Deployment

NAME = "probes.ini"
UNIQUE = "$unique"
"""In what is sent or expected: another word at each run."""

SECTION = re.compile(r"\[\s*([a-z-]+)\s+([^\]]+?)\s*\]$")
LINE = re.compile(r"([A-Za-z_-]+)\s*=\s*(.*)$")
SECONDS = {"socket": 10.0, "job": 60.0}
"""How long what is expected may take, unless the file says."""

WHOLE = {"seconds": 600, "share": 100}
"""Whole numbers, and the largest that each may be."""

KEYS = {
    "page": ("path", "status", "text", "as"),
    "socket": ("path", "subprotocol", "as", "send", "expect", "seconds"),
    "sign-in": (
        "path",
        "user",
        "password_file",
        "user_field",
        "password_field",
        "page",
        "text",
        "sign_out",
    ),
    "job": ("socket", "page", "subprotocol", "as", "send", "expect", "result", "text", "seconds"),
    "visit": (
        "page",
        "think",
        "socket",
        "subprotocol",
        "as",
        "send",
        "messages",
        "seconds",
        "share",
        "slowest",
    ),
}
REQUIRED = {
    "page": ("path",),
    "socket": ("path",),
    "sign-in": ("path", "user", "password_file"),
    "job": (),
    "visit": (),
}
REPEATED = {"visit": ("send", "page", "socket")} | dict.fromkeys(
    ("page", "socket", "sign-in", "job"), ("send", "expect", "page")
)
NUMBERS = ("think", "messages", "slowest")
"""Of a visit: above 0, and not always whole."""

PATHS = ("path", "socket", "page", "result", "sign_out")

Problem = tuple[int, str]
"""(line, what is wrong there and what to write instead)."""


@dataclass(frozen=True)
class Probe:
    """One section: its kind and name, and what it says. `steps` are its `send` and `expect` lines in their order.

    `sockets` are those of a visit.
    """

    kind: str
    name: str
    place: str
    """File and line."""
    values: dict[str, str]
    pages: tuple[str, ...] = ()
    steps: tuple[tuple[str, str], ...] = ()
    sockets: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """How a report calls it."""
        return f"{self.kind} {self.name}"

    def get(self, key: str, default: str = "") -> str:
        """What it says of KEY."""
        return self.values.get(key, default)

    @property
    def seconds(self) -> float:
        """How long what it expects may take."""
        return float(self.get("seconds") or SECONDS[self.kind])


@dataclass
class _Section:
    kind: str
    name: str
    line: int
    values: dict[str, tuple[str, int]] = field(default_factory=dict)
    repeated: list[tuple[str, str, int]] = field(default_factory=list)


def find(deployment: Deployment, settings: dict[str, str], *others: Path) -> Path | None:
    """The file of a deployment: one of OTHERS, the one in its folder, or the application's own; None: there is no file."""
    application = Path(settings["APP_DIR"])
    places = [*others, deployment.folder / NAME, (COMPOSE / application / NAME).resolve()]
    return next((path for path in places if path.is_file()), None)


def declared(
    deployment: Deployment, settings: dict[str, str], *others: Path
) -> tuple[Path | None, list[Probe]]:
    """The file and the probes that it holds; None and nothing without a file. Failure names all that is wrong in it."""
    file = find(deployment, settings, *others)
    return file, load(file, deployment.folder) if file else []


def load(path: Path, folder: Path) -> list[Probe]:
    """The probes of PATH; its password files are seen from FOLDER. Failure names everything that is wrong at once."""
    return [section for section in sections(path, folder) if section.kind != "visit"]


def sections(path: Path, folder: Path) -> list[Probe]:
    """The probes and the visits of PATH."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{path} cannot be read: {error}") from None
    problems: list[Problem] = []
    probes = list(_sections(text, problems))
    names = [each.name for each in probes if each.kind == "sign-in"]
    seen: dict[tuple[str, str], int] = {}
    for each in probes:
        first = seen.setdefault((each.kind, each.name), each.line)
        if first != each.line:
            problems.append(
                (
                    each.line,
                    f"[{each.kind} {each.name}] is in line {first} already; give it a name of its own",
                )
            )
        problems += _problems(each, names, folder)
    if problems:
        raise Failure("\n".join(f"{path}:{line}: {problem}" for line, problem in sorted(problems)))
    return [
        Probe(
            each.kind,
            each.name,
            f"{path}:{each.line}",
            {key: value for key, (value, _) in each.values.items()},
            tuple(value for key, value, _ in each.repeated if key == "page"),
            tuple((key, value) for key, value, _ in each.repeated if key in ("send", "expect")),
            tuple(value for key, value, _ in each.repeated if key == "socket"),
        )
        for each in probes
    ]


def _sections(text: str, problems: list[Problem]) -> Iterable[_Section]:
    current: _Section | None = None
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if line[0] == "[":
            if current:
                yield current
            current = _begun(line, number, problems)
            continue
        match = LINE.match(line)
        if not match:
            problems.append((number, f"{line[:40]!r} is not NAME = value"))
        elif current:
            _take(current, match[1], match[2].strip(), number, problems)
        elif not problems:
            problems.append((number, "this line belongs to no section; write [page NAME] above it"))
    if current:
        yield current


def _begun(line: str, number: int, problems: list[Problem]) -> _Section | None:
    """The section that LINE begins; None, and one more of PROBLEMS, where it begins none."""
    match = SECTION.match(line)
    if match and match[1] in KEYS:
        return _Section(match[1], match[2], number)
    if match:
        wrong = f"[{match[1]} …] is no kind of probe{_near(match[1], KEYS)}; there are {', '.join(KEYS)}"
    else:
        wrong = (
            f"{line[:40]!r} is no section; write [page NAME], [socket NAME], [sign-in NAME], "
            "[job NAME] or [visit NAME]"
        )
    problems.append((number, wrong))
    return None


def _take(section: _Section, key: str, value: str, number: int, problems: list[Problem]) -> None:
    """Let SECTION have the line KEY = VALUE; one more of PROBLEMS where it has no place there."""
    known = KEYS[section.kind]
    if key not in known:
        wrong = f"{key} says nothing in [{section.kind} …]{_near(key, known)}; there are {', '.join(known)}"
        problems.append((number, wrong))
    elif key in REPEATED[section.kind]:
        section.repeated.append((key, value, number))
    elif key in section.values:
        problems.append((number, f"{key} is in line {section.values[key][1]} already; remove one of the two"))
    else:
        section.values[key] = (value, number)


def _near(word: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(word, list(known), n=1)
    return f", did you mean {found[0]}?" if found else ""


def _problems(section: _Section, sign_ins: list[str], folder: Path) -> Iterable[Problem]:
    """All that is wrong inside one section."""
    for key in REQUIRED[section.kind]:
        if not section.values.get(key, ("", 0))[0]:
            yield section.line, f"[{section.kind} {section.name}] lacks {key}"
    lines = [(key, value, line) for key, (value, line) in section.values.items()] + section.repeated
    for key, value, line in lines:
        for wrong in _of_a_value(key, value):
            yield line, wrong
        if key == "as":
            for name in value.split() if section.kind == "visit" else [value]:
                if name not in sign_ins:
                    yield line, f"as names {name!r}, and there is no [sign-in {name}]{_near(name, sign_ins)}"
        if key == "password_file" and not (folder / value).exists():
            yield (
                line,
                f"password_file: there is no {folder / value}; put the password there, for your eyes only (chmod 600)",
            )
    if section.kind == "job":
        yield from _of_a_job(section)
    if section.kind == "visit":
        yield from _of_a_visit(section)


def _of_a_value(key: str, value: str) -> Iterable[str]:
    """What is wrong with the VALUE of KEY, whatever else the file says."""
    if key in PATHS:
        if not value.startswith("/"):
            yield f"{key} is {value!r}; a path begins with /"
        if re.search(r"\s", value):
            yield f"{key} holds a space; write it as %20"
    if key == "status" and not re.fullmatch(r"[1-5]\d\d", value):
        yield f"status is {value!r}; it takes one number, 200 for example"
    if key in WHOLE and not (re.fullmatch(r"\d+", value) and 1 <= int(value) <= WHOLE[key]):
        yield f"{key} is {value!r}; it takes a whole number from 1 to {WHOLE[key]}"
    if key in NUMBERS and not (re.fullmatch(r"\d+(\.\d+)?", value) and float(value) > 0):
        yield f"{key} is {value!r}; it takes a number above 0, 2 or 0.5 for example"
    if key in ("send", "expect") and value[:1] == "{":
        try:
            json.loads(value)
        except ValueError as error:
            yield f"{key} begins as JSON and is none: {error}"
    if key == "expect" and not value:
        yield "expect is empty; write words of the message, or fields of its JSON"


def _of_a_visit(section: _Section) -> Iterable[Problem]:
    keys = {key for key, _, _ in section.repeated} | section.values.keys()
    if not keys & {"page", "socket"}:
        yield section.line, f"[visit {section.name}] lacks page or socket: what its visitors ask for"
    if "socket" not in keys and keys & {"send", "messages", "subprotocol"}:
        yield section.line, f"[visit {section.name}] lacks socket; send, messages and subprotocol are of one"
    if "messages" in keys and "send" not in keys:
        yield (
            section.line,
            f"[visit {section.name}] lacks send: the message that goes out so many times a minute",
        )


def _of_a_job(section: _Section) -> Iterable[Problem]:
    keys = {key for key, _, _ in section.repeated} | section.values.keys()
    if ("socket" in keys) == ("page" in keys):
        yield (
            section.line,
            f"[job {section.name}] takes socket or page, one of them: it is where the job begins",
        )
    if "socket" in keys and "send" not in keys:
        yield section.line, f"[job {section.name}] lacks send: the message that begins the job"
    if "page" in keys and keys & {"send", "expect", "subprotocol"}:
        yield (
            section.line,
            f"[job {section.name}] begins at a page, and send, expect and subprotocol are of a socket",
        )
    if "expect" not in keys and "result" not in keys:
        yield (
            section.line,
            f"[job {section.name}] lacks expect, a message on the socket, or result, a page, where its effect is seen",
        )
    if "result" in keys and "text" not in keys:
        yield (
            section.line,
            f"[job {section.name}] lacks text: what the page {section.values['result'][0]} shows when it is done",
        )


def fits(wanted: str, text: str) -> bool:
    """Whether a message is the one that is WANTED: words that it holds, or fields that its JSON has among others."""
    if wanted[:1] != "{":
        return wanted in text
    try:
        return _holds(json.loads(text), json.loads(wanted))
    except ValueError:
        return False


def _holds(found: object, wanted: object) -> bool:
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            key in found and _holds(found[key], value) for key, value in wanted.items()
        )
    return found == wanted
