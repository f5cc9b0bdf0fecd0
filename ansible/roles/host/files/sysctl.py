"""Apply kernel settings: python3 - check|apply '{"net.core.somaxconn": 16384, ...}'

Prints {"differ": {name: value in effect}, "refused": {name: reason}}. With `check` nothing is set.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path


def main(command: str, wanted: str) -> None:
    """Compare, set with `apply`, print."""
    differ, refused = {}, {}
    for name, value in json.loads(wanted).items():
        path = Path("/proc/sys", *name.split("."))
        text = " ".join(str(value).split())
        try:
            before = " ".join(path.read_text().split())
            if before == text:
                continue
            if command == "apply":
                path.write_text(text)
            elif not os.access(path, os.W_OK):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS))
            differ[name] = before
        except OSError as error:
            refused[name] = error.strerror
    print(json.dumps({"differ": differ, "refused": refused}))


if __name__ == "__main__":
    main(*sys.argv[1:])
