"""The overlay for every Python program of a container, whatever settings module it writes down.

An old manage.py, a celery.py or a script may *assign* DJANGO_SETTINGS_MODULE where `startproject` only sets a default:
it would run with the project's database, key and DEBUG of development. The image's environment imports this module
at the start of each interpreter (channels_stack.pth): where the container says that the overlay is in effect, it stays so.
Who wants other settings says so before Python starts: `env DJANGO_SETTINGS_MODULE=shop.other python manage.py …`.

Where APP_SETTINGS names a class of django-configurations (``module:class``), DJANGO_CONFIGURATION is that class, for the
project's own entry points, which only set a default.

Who asks for REDIS_URL or another name of the application's own Redis gets an answer that is in no environment, so no child
process inherits it and no report of a crash lists it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping

NAME, OVERLAY = "DJANGO_SETTINGS_MODULE", "channels_stack.overlay"


class _Environ(os._Environ):  # type: ignore[type-arg]  # Python 3.9 is to run it
    """The environment of this process: NAME stays OVERLAY but for the stack's own commands, names of app_redis are answered."""

    reported = False
    answered: tuple[str, ...] = ()
    answers: Callable[[], Mapping[str, str]]

    def __getitem__(self, name: str) -> str:
        try:
            return super().__getitem__(name)
        except KeyError:
            if name in self.answered and name in (answers := _Environ.answers()):
                return answers[name]
            raise

    def __setitem__(self, name: str, value: str) -> None:
        if name == NAME and value != OVERLAY and not _is_ours(sys._getframe(1).f_globals.get("__package__")):
            if value != self.get("APP_SETTINGS", value).partition(":")[0] and not _Environ.reported:
                _Environ.reported = True
                print(
                    f"channels-stack: {NAME} stays {OVERLAY}, over APP_SETTINGS={self['APP_SETTINGS']}, and is not {value}; "
                    f"for other settings: env {NAME}={value} COMMAND",
                    file=sys.stderr,
                )
            value = OVERLAY
        super().__setitem__(name, value)


def _is_ours(package: object) -> bool:
    return isinstance(package, str) and package.partition(".")[0] == "channels_stack"


if os.environ.get(NAME) == OVERLAY:
    if _class := os.environ.get("APP_SETTINGS", "").partition(":")[2]:
        os.environ["DJANGO_CONFIGURATION"] = _class
    if "APP_REDIS_URL_FILE" in os.environ:  # else no interpreter pays for these imports
        from .config import app_redis
        from .patches import redis_clients

        _Environ.answered, _Environ.answers = app_redis.NAMES, app_redis.variables
        redis_clients.install()
    os.environ.__class__ = _Environ
