"""What a worker knows of its supervisor: that there is one, and whether a sibling has reported a rejection already."""

from __future__ import annotations

import os

REPORTED = "CHANNELS_STACK_SUPERVISED"
"""In the environment of a worker that has a supervisor: a file that the first who is refused makes."""


def first_to_tell() -> bool:
    """Whether this process is to log why it was refused: it has no supervisor, or no sibling has logged it yet."""
    path = os.environ.get(REPORTED)
    try:
        if path:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True
