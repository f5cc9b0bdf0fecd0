"""Who runs this: for the history, the audit and hooks."""

from __future__ import annotations

import os
import pwd
import socket


def who() -> str:
    """The user of this process on this machine, root(anna)@host where anna became it by sudo: one word.

    No variable names another one: only root's is read.
    """
    number = os.getuid()
    before = os.environ.get("SUDO_USER", "") if number == 0 else ""
    return f"{user(number)}{f'({before})' if known(before) else ''}@{socket.gethostname()}"


def user(number: int) -> str:
    """The name of the user with this NUMBER."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid{number}"


def known(name: str) -> bool:
    """Whether NAME is a user, and not the one who runs this."""
    try:
        return pwd.getpwnam(name).pw_uid != os.getuid()
    except KeyError:
        return False
