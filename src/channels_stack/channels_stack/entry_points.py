"""The overlay for every Python program of a container, whatever settings module it writes down.

An old manage.py, a celery.py or a script may *assign* DJANGO_SETTINGS_MODULE where `startproject` only sets a default:
it would run with the project's database, key and DEBUG of development. The image's environment imports this module
at the start of each interpreter (channels_stack.pth): where the container says that the overlay is in force, it stays so.
Who wants other settings says so before Python starts: `env DJANGO_SETTINGS_MODULE=shop.other python manage.py …`.
"""

from __future__ import annotations

import os
import sys

NAME, OVERLAY = "DJANGO_SETTINGS_MODULE", "channels_stack.overlay"


class _Environ(os._Environ):  # type: ignore[type-arg]  # Python 3.9 is to run it
    """The environment of this process, in which NAME stays OVERLAY but for the stack's own commands."""

    told = False

    def __setitem__(self, name: str, value: str) -> None:
        if name == NAME and value != OVERLAY and not _is_ours(sys._getframe(1).f_globals.get("__package__")):
            if value != self.get("APP_SETTINGS", value) and not _Environ.told:
                _Environ.told = True
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
    os.environ.__class__ = _Environ
