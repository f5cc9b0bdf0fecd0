#!/usr/bin/python3 -B
"""The command `backup`; what it does is in /usr/local/lib/backup."""

import sys

sys.path.insert(0, "/usr/local/lib/backup")

from backup.__main__ import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
