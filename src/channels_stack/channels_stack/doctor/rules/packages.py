"""Requirement and lock files: versions that keep Channels 4 out, and versions with known holes."""

from __future__ import annotations

from ..findings import Found, rule
from ..packages import Requirement, version
from ..project import Project

LATEST = "Channels 4.3"
# Package -> the first version that goes with Channels 4.
CHANNELS_4_FLOORS = {
    "channels": ("4.0", "Channels 4"),
    "daphne": ("4.0", "Channels 4 with Daphne"),
    "channels-redis": ("4.0", "Channels 4; older ones use aioredis"),
    "asgiref": ("3.9", LATEST),
    "twisted": ("22.4", "Daphne 4"),
    "django": ("4.2", LATEST),
}
# Packages that do not go with Channels 4.
GONE = {
    "aioredis": "redis (redis-py has been asynchronous since 4.2; channels-redis brings it)",
    "asgi-redis": "channels-redis",
    "asgi-rabbitmq": "channels-redis",
    "asgi-ipc": "channels-redis",
    "channels-rabbitmq": "channels-redis",
}
# Package -> first version without a known hole that a stranger can use, and the hole. One entry for each series.
SAFE = {
    "channels": [("3.0.3", "CVE-2020-35681: the legacy handler mixed up the sessions of users")],
    "daphne": [("4.2.2", "CVE-2026-44545: a websocket message of any size fills the memory; CVE-2026-44546")],
    "django": [
        ("5.2.14", "CVE-2026-3902 and CVE-2026-5766: forged headers and unlimited uploads under ASGI"),
        ("6.0.5", "CVE-2026-5766: unlimited uploads under ASGI"),
    ],
    "uvicorn": [("0.11.7", "CVE-2020-7694 and CVE-2020-7695: log and header injection")],
    "gunicorn": [("23.0", "CVE-2024-1135 and CVE-2024-6827: request smuggling")],
    "twisted": [("24.7", "CVE-2024-41671: answers of pipelined requests are mixed up")],
    "redis": [
        ("4.5.4", "CVE-2023-28858 and CVE-2023-28859: a cancelled command gives its answer to the next one")
    ],
    "h11": [("0.16", "CVE-2025-43859: request smuggling")],
    "autobahn": [("20.12.3", "CVE-2020-35678: redirect header injection")],
    "granian": [("2.7.4", "CVE-2026-42544: one upgrade request ends a worker")],
}


@rule("E701")
def before_channels_4(project: Project) -> Found:
    """A requirement that keeps Channels 4 out

    In production: the installation fails because the requirements contradict each other, or you stay with a release that
    gets no corrections.

    Instead: raise the bound and lock again.
        channels[daphne]>=4.3.2
    """
    chosen = [one.pinned for one in project.packages.find("channels") if one.pinned]
    is_earlier_4 = any(version("4.0") <= pinned < version("4.3") for pinned in chosen)
    for name, (floor, why) in CHANNELS_4_FLOORS.items():
        if why == LATEST and is_earlier_4:
            continue  # it has a Channels 4 that goes with what it has
        for one in project.packages.find(name):
            if one.excludes(floor):
                better = f"raise the bound and lock again.\n    {_with_extras(one)}>={floor}"
                yield one.place, f"{one.text} is below {floor}, which is needed for {why}", better


def _with_extras(one: Requirement) -> str:
    return f"{one.name}[{','.join(one.extras)}]" if one.extras else one.name


@rule("E702")
def gone_package(project: Project) -> Found:
    """A package that does not go with Channels 4

    In production: it is not maintained, and fails with today's Python or Channels.

    Instead: delete the line.
    """
    for name, better in GONE.items():
        for one in project.packages.find(name):
            yield one.place, f"{one.text} is required", f"delete the line; in its place: {better}"


@rule("E703")
def unsafe_version(project: Project) -> Found:
    """A version with a known hole

    In production: a stranger can use it.

    Instead: raise the version and lock again.
    """
    for name, series in SAFE.items():
        for one in project.packages.find(name):
            if name in CHANNELS_4_FLOORS and one.excludes(CHANNELS_4_FLOORS[name][0]):
                continue  # E701 has asked for more
            pinned = one.pinned
            for floor, hole in series:
                # Of several series, that of the pinned version counts: 6.0.1 is not saved by 5.2.14.
                of_series = pinned is not None and len(series) > 1 and pinned[:1] == version(floor)[:1]
                if one.excludes(floor) and (len(series) == 1 or of_series or floor == series[0][0]):
                    yield (
                        one.place,
                        f"{one.text}: {hole}",
                        f"raise the version and lock again.\n    {_with_extras(one)}>={floor}",
                    )
                    break


@rule("E704")
def broken_autobahn(project: Project) -> Found:
    """autobahn 25.9.1

    In production: Daphne ends at start with a traceback (daphne#572).

    Instead: leave this release out and lock again.
        autobahn!=25.9.1
    """
    for one in project.packages.find("autobahn"):
        if one.pinned == version("25.9.1"):
            yield one.place, f"{one.text} is pinned"


@rule("W705")
def two_dotenvs(project: Project) -> Found:
    """django-dotenv together with python-dotenv

    In production: both install the module `dotenv`, and the later one wins: settings that use the other's functions end
    with an ImportError. uvicorn[standard] brings python-dotenv along.

    Instead: keep one of them.
        uvicorn
        django-dotenv
    """
    brings = [one for one in project.packages.find("uvicorn") if "standard" in one.extras]
    others = [*project.packages.find("python-dotenv"), *brings]
    for one in project.packages.find("django-dotenv"):
        if others:
            yield one.place, f"{one.text} and {others[0].text} ({others[0].place}) are both required"
