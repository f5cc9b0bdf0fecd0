"""Reading `stack.env`: the defaults are in `stack.env.example`, once; this adds the operator's changes."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from ..console import Failure
from ..paths import EXAMPLE, Deployment
from . import app_services, schema, secret_commands, texts

DURATION = re.compile(r"^([1-9]\d*)(ms|s|m|h|d)$")
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
DOMAIN = re.compile(r"^(?!-)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*$")
"""The runtime rejects the same; here it is seen before anything is made."""

RECEIVER = re.compile(r"(https?://[^\s/?#@]+(/[^\s?#@]*)?)?$")
"""An address without user, password and query, or nothing."""
PERCENT = re.compile(r"(100(\.0+)?|\d{1,2}(\.\d+)?)$")

PROJECT = re.compile(r"^[a-z0-9][a-z0-9_-]*$")
"""What Compose accepts as COMPOSE_PROJECT_NAME."""

LINE = re.compile(r"^(?P<commented>#?)(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)$")


def parse(path: Path, *, commented: bool = False) -> dict[str, str]:
    """NAME=value lines of PATH as a dictionary; with COMMENTED the lines `#NAME=value` as well."""
    values = {}
    for line in texts.read(path).splitlines():
        match = LINE.match(line.strip())
        if match and (commented or not match["commented"]):
            value = match["value"].strip()
            if value[:1] in ("'", '"') and value[:1] == value[-1:] and len(value) > 1:
                value = value[1:-1]
            values[match["name"]] = value
    return values


def defaults(environment: str = "") -> dict[str, str]:
    """Every setting with its default: the commented lines of the example are the defaults.

    Another line is what a new stack.env says of the reference application: it has no default.
    An ENVIRONMENT with a name has a project of its own by default: `channels-stack-staging`.
    """
    known = parse(EXAMPLE, commented=True) | dict.fromkeys(parse(EXAMPLE), "")
    if environment:
        known["COMPOSE_PROJECT_NAME"] += f"-{environment}"
    return known


def of(deployment: Deployment) -> dict[str, str]:
    """The settings of DEPLOYMENT in effect; the defaults where it has no stack.env yet."""
    return load(deployment.settings) if deployment.settings.exists() else defaults(deployment.name)


def load(path: Path, place: str = "") -> dict[str, str]:
    """The settings in effect: defaults, then PATH. Failure names everything that is wrong at once.

    PLACE is where people wrote them, where that is another one than PATH.
    """
    deployment = Deployment(path.parent)
    place = place or deployment.shown(path)
    known = defaults(deployment.name)
    given = parse(path)
    problems = []
    for line_number, line in enumerate(texts.read(path).splitlines(), 1):
        text = line.strip()
        if text and not text.startswith("#") and not LINE.match(text):
            problems.append(f"{place}:{line_number}: not NAME=value: {text[:40]}")
    problems += wrong(given, place)
    if problems:
        raise Failure("\n".join(problems))
    return {**known, **given}


def wrong(given: dict[str, str], place: str) -> list[str]:
    """One line for each of the settings GIVEN at PLACE that is unknown, or has a value that it does not take."""
    known = defaults()
    problems = []
    for name in sorted(given.keys() - known.keys()):
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else "variables of the application belong in app.env"
        problems.append(f"{place}: {name} is not a setting of the stack; {hint}")
    problems += [
        f"{place}: {name} is {given[name]!r}; it takes one of: {', '.join(choices).lstrip(', ')}"
        for name, choices in schema.CHOICES.items()
        if given.get(name, choices[0]) not in choices
    ]
    problems += [
        f"{place}: {name} is {given[name]!r}; it takes a whole number, {known[name]} for example"
        for name in given
        if known.get(name, "").isdigit() and not given[name].isdigit()
    ]
    problems += [
        f"{place}: {name} is {given[name]!r}; it takes a time with its unit, {known[name]} for example"
        for name in given
        if DURATION.match(known.get(name, "")) and not DURATION.match(given[name])
    ]
    problems += silences(known | given, place)
    problems += [
        f"{place}: DOMAINS holds {word!r}; a domain is ASCII, without scheme, path, port, star, comma or outer dot: write "
        + " ".join(domain(part) for part in re.split("[,;]", word) if part)
        for word in given.get("DOMAINS", "").split()
        if not DOMAIN.match(word)
    ]
    if not RECEIVER.match(given.get("TRACING", "")):
        problems.append(
            f"{place}: TRACING is {given['TRACING']!r}; it takes the address of a receiver: http://collector:4318"
        )
    if not PERCENT.match(given.get("TRACING_PERCENT", "1")):
        problems.append(
            f"{place}: TRACING_PERCENT is {given['TRACING_PERCENT']!r}; it takes 0 to 100, 1.0 for example"
        )
    if not PROJECT.match(given.get("COMPOSE_PROJECT_NAME", "channels-stack")):
        problems.append(
            f"{place}: COMPOSE_PROJECT_NAME is {given['COMPOSE_PROJECT_NAME']!r}; it takes small letters, digits, - and _, "
            "a letter or digit first: channels-stack"
        )
    for name, read in (("APP_COMMANDS", services), (secret_commands.SETTING, secret_commands.commands)):
        try:
            read(given.get(name, ""))
        except Failure as failure:
            problems.append(f"{place}: {failure}")
    return problems


def silences(values: dict[str, str], place: str) -> list[str]:
    """What is wrong with how long a WebSocket may be silent: the edge must outwait pings and handshakes.

    Values that are no times have been refused already.
    """
    tunnel, handshake = seconds(values["EDGE_TUNNEL_TIMEOUT"]), seconds(values["EDGE_HANDSHAKE_TIMEOUT"])
    pings = values["WS_PING_SECONDS"]
    found = []
    if pings.isdigit() and tunnel is not None and tunnel <= 2 * int(pings):
        found.append(
            f"{place}: EDGE_TUNNEL_TIMEOUT is {values['EDGE_TUNNEL_TIMEOUT']} and WS_PING_SECONDS {pings}: the edge would end "
            f"quiet WebSockets between two pings; it takes more than twice as long, {4 * int(pings) + 10}s for example"
        )
    if handshake is not None and tunnel is not None and handshake >= tunnel:
        found.append(
            f"{place}: EDGE_HANDSHAKE_TIMEOUT is {values['EDGE_HANDSHAKE_TIMEOUT']}; "
            f"it takes less than EDGE_TUNNEL_TIMEOUT, {values['EDGE_TUNNEL_TIMEOUT']}"
        )
    return found


def seconds(duration: str) -> float | None:
    """Of a DURATION with its unit; None where it is none.

    >>> seconds("90s"), seconds("2m"), seconds("90")
    (90, 120, None)
    """
    found = DURATION.match(duration)
    return int(found[1]) * UNITS[found[2]] if found else None


def services(text: str) -> dict[str, list[str]]:
    """The services in TEXT, the value of APP_COMMANDS."""
    return app_services.commands({"APP_COMMANDS": text})


def domain(word: str) -> str:
    """What was probably meant by WORD, which is no domain."""
    name = (
        re.sub(r"^\w+://", "", word)
        .partition("/")[0]
        .rpartition("@")[2]
        .partition(":")[0]
        .strip(".*")
        .lower()
    )
    try:
        name = name.encode("idna").decode()
    except UnicodeError:
        name = ""
    return name if DOMAIN.match(name) else "rooms.example.org"
