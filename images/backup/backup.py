#!/usr/bin/python3 -B
"""The command `backup`; what it does is in /usr/local/lib/backup."""

import sys

sys.path.insert(0, "/usr/local/lib/backup")

if __name__ == "__main__":
    if sys.argv[1:] == ["alive"]:
        from backup.alive import alive

        sys.exit(alive())
    from backup.__main__ import main

    sys.exit(main(sys.argv[1:]))
