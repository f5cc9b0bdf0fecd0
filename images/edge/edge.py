#!/usr/bin/python3
"""`edge`: the command of the image. Its modules are in /usr/local/lib/channels-stack."""

import sys

sys.dont_write_bytecode = True
sys.path.insert(0, "/usr/local/lib/channels-stack")

from edge.commands import main  # noqa: E402

sys.exit(main())
