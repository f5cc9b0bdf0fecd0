"""The matrix: which versions the minimal project of the Channels 4.0 notes runs on, and what every row must do.

Only the standard library: a unit test holds docs/reference/versions.md to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

CASES = {
    "page": "a page from the database, over HTTPS; where redis-py is pinned, each second for two minutes",
    "static": "the page's static file, by django.contrib.staticfiles, under a name with its hash",
    "stream": "a streamed answer from an async generator",
    "group": "two sockets hear each other through the channel layer, before and after 6 s of silence",
    "refusals": "another site's page and an unknown path are refused, a message too large closes with 1009",
    "reason": "`close(code, reason=…)` reaches the client",
    "worker": "a job from a socket to a worker, its answer to a group",
    "commands": "`runserver` is Daphne's, `runworker` is Channels'",
    "spawn": "`ChannelsLiveServerTestCase` where processes start by `spawn`",
    "fork": "`ChannelsLiveServerTestCase` where processes start by `fork`",
    "stop": "SIGTERM: sockets 1012, the request and the job in flight are finished, exit code 0, no traceback",
}
"""Column of the table -> what is done, in this order; a test of the same name does it."""


@dataclass(frozen=True)
class Lack:
    """Why versions cannot do a case. The test is run all the same, and has to fail with the words that are SEEN."""

    why: str
    seen: str


@dataclass(frozen=True)
class Row:
    """A set of versions. What is not named in `pins` is the newest that fits."""

    debian: str
    python: str
    pins: dict[str, str]
    """Package -> version specifier: the project's constraints file."""
    http: str
    ws: str
    """Servers of pages and of websockets; each release of Debian meets each server."""
    cannot: dict[str, Lack] = field(default_factory=dict)
    """Case -> why these versions cannot do it. One that works must leave this list."""
    redis: str = "redis"
    """What keeps the layers: redis or valkey, of Debian."""

    @property
    def name(self) -> str:
        """What a test and its Compose project are called: `bullseye-django-3-2`."""
        named = ((package, self.pins.get(package)) for package in ("Django", "redis"))
        parts = [f"{package}-{pin.strip('=*.')}" for package, pin in named if pin]
        server = [self.redis] if self.redis != "redis" else []
        return "-".join([self.debian, *(parts or server or ["newest"])]).lower().replace(".", "-")


OF_THE_NOTES = {"channels": "==4.0.0", "daphne": "==4.0.0", "channels-redis": "==4.0.0"}
CHANNELS_4_3 = {"channels": "==4.3.*"}

BEFORE_CHANNELS_4_3 = {
    "spawn": Lack(
        "the server starts, as the notes say, but asks the project's own database instead of the test's until Channels 4.3",
        seen="no such table",
    ),
}
OF_THE_NOTES_CANNOT = {
    "reason": Lack("`close()` takes a reason since Channels 4.1", seen="(1011, "),
    **BEFORE_CHANNELS_4_3,
}
BEFORE_DJANGO_4_2 = {"stream": Lack("Django streams from async generators since 4.2", seen="500 == 200")}

ROWS = (
    Row(
        "bullseye",
        "3.9",
        {"Django": "==3.2.*", **OF_THE_NOTES},
        http="gunicorn",
        ws="daphne",
        cannot={**OF_THE_NOTES_CANNOT, **BEFORE_DJANGO_4_2},
    ),
    Row(
        "bullseye",
        "3.9",
        {"Django": "==4.0.*", **OF_THE_NOTES},
        http="uvicorn",
        ws="gunicorn",
        cannot={**OF_THE_NOTES_CANNOT, **BEFORE_DJANGO_4_2},
    ),
    Row(
        "bullseye",
        "3.9",
        {"Django": "==4.1.*", **OF_THE_NOTES},
        http="daphne",
        ws="uvicorn",
        cannot={**OF_THE_NOTES_CANNOT, **BEFORE_DJANGO_4_2},
    ),
    Row("bookworm", "3.11", {"Django": "==4.2.*", **CHANNELS_4_3}, http="gunicorn", ws="daphne"),
    Row(
        "bookworm",
        "3.11",
        {"Django": "==5.0.*", "channels": "==4.1.*", "daphne": "==4.1.*", "channels-redis": "==4.2.*"},
        http="uvicorn",
        ws="daphne",
        cannot=BEFORE_CHANNELS_4_3,
    ),
    Row("bookworm", "3.11", {"Django": "==5.2.*", **CHANNELS_4_3}, http="daphne", ws="uvicorn"),
    Row(
        "trixie",
        "3.13",
        {"Django": "==5.1.*", "channels": "==4.2.*"},
        http="gunicorn",
        ws="uvicorn",
        cannot=BEFORE_CHANNELS_4_3,
    ),
    Row("trixie", "3.13", {"Django": "==5.2.*"}, http="uvicorn", ws="gunicorn"),
    Row("trixie", "3.13", {"Django": "==6.0.*"}, http="gunicorn", ws="daphne"),
    Row("trixie", "3.13", {"Django": "==6.1.*"}, http="daphne", ws="uvicorn"),
    # Of redis-py 5.0.1 one method has another name: after some seconds the stack took every page off the net for good.
    Row("trixie", "3.13", {"redis": "==5.0.1"}, http="gunicorn", ws="uvicorn"),
    Row("bookworm", "3.11", {"channels-redis": "==4.1.*", "redis": "==4.6.*"}, http="gunicorn", ws="daphne"),
    Row("trixie", "3.13", {}, http="gunicorn", ws="uvicorn", redis="valkey"),
    Row("forky", "3.14", {}, http="gunicorn", ws="daphne"),
)
