"""Rules that have nothing to say of a project which this stack runs: of what the stack does itself, or sets over the project."""

from __future__ import annotations

from collections.abc import Sequence

MOOT = {
    # What starts processes here is `channels-stack`: no runserver, no runworker, no line of a Procfile.
    "E105": "runserver",
    "E114": "Daphne's options",
    "W115": "uvicorn's worker class",
    "E205": "APP_ASGI names the application",
    "E207": "runserver; Django's own daphne.E001 says the same",
    "W208": "runserver",
    "W209": "runworker",
    "E210": "APP_WORKER_CHANNELS names the channels, and the worker checks whether they are consumed",
    "E202": "django.setup() comes before the application is imported",
    "E201": "pages are routed to Django where the router has no route for them",
    "E804": "the same, of the imported application",
    "E401": "the threads of its processes stay, so that kept connections are used again",
    "W317": "such clients reach the application's Redis, and the release names those that do not",
    "W608": "synchronous streams are sent part by part",
    # The build reads what is installed, not what is asked for; its notices are reported by each release.
    "E701": "versions",
    "E702": "packages",
    "E703": "versions",
    "E704": "versions",
    "W705": "packages",
    "W708": "versions",
}
"""Rule -> what of the stack it would speak about."""

ORIGINS = ("E501", "E502", "W503")
"""Moot where the stack holds every websocket to ALLOWED_ORIGINS: the part `origins` of the overlay."""

SQLITE = "W404"
"""Moot where the database's folder is a volume."""

COUNTS = "W517"
"""Moot at a release, which says by itself what each process counts alone."""

SET = {
    "debug": ("E507", "W508"),
    "secret_key": ("E504", "W505", "E506", "W315"),
    "hosts": ("E509", "W510"),
    "origins": ORIGINS,
    "database": ("E402", SQLITE),
    "layers": ("E301", "E302", "E307", "W308", "W309", "E310", "E311", "W316"),
    "static": ("E511",),
    "mail": ("W515",),
    "sessions": ("E516",),
}
"""Part of the overlay -> rules about the values that it sets, which are the project's own in its sources."""


CACHE = "W313"
"""Moot where caches move to a Redis of the application's own: APP_REDIS, by the part `redis` of the overlay."""


def unspoken(overlay: Sequence[str], own_redis: str = "") -> set[str]:
    """The numbers of the rules that say nothing of sources which this stack runs with APP_OVERLAY and APP_REDIS as they are."""
    found = set(MOOT)
    if own_redis and not {"off", "-redis"} & set(overlay):
        found.add(CACHE)
    for part, numbers in SET.items():
        if "off" not in overlay and f"-{part}" not in overlay:
            found.update(numbers)
    return found
