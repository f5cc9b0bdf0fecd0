"""The doctor's rules in a release: what they say of a project that this stack runs, as Django's check messages.

Rules about what the stack does itself, whatever the project says, are left out.
"""

from __future__ import annotations

import os

from django.core.checks import CheckMessage, Warning

from ..config.settings import Settings
from . import checks
from .findings import CODE, PREFIX, SETTINGS, rules
from .moot import CACHE, COUNTS, MOOT, ORIGINS, SQLITE


def messages(settings: Settings) -> list[CheckMessage]:
    """What the rules find in the project whose Django is set up. A bug of the doctor's is a warning."""
    without = moot(settings)
    chosen = [rule for rule in rules(SETTINGS, CODE) if rule.id[len(PREFIX) :] not in without]
    try:
        return checks.messages(chosen)
    except Exception as error:  # nothing that the doctor trips over may end a release
        text = f"the doctor could not read the project: {type(error).__name__}: {error}"
        return [Warning(text, id=f"{PREFIX}W000")]


def moot(settings: Settings) -> set[str]:
    """The numbers of the rules that say nothing here."""
    numbers = {*MOOT, COUNTS}
    if "origins" in settings.app_overlay:
        numbers.update(ORIGINS)
    if settings.app_redis_url:
        numbers.add(CACHE)
    if _databases_are_on_volumes():
        numbers.add(SQLITE)
    return numbers


def _databases_are_on_volumes() -> bool:
    """Whether every SQLite file is where processes may write: the root of a container is read-only."""
    from django.conf import settings

    names = [
        str(database.get("NAME"))
        for database in settings.DATABASES.values()
        if "sqlite3" in str(database.get("ENGINE"))
    ]
    return all(os.access(os.path.dirname(os.path.abspath(name)), os.W_OK) for name in names)
