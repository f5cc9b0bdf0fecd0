"""`python -m channels_stack` is `channels-stack`."""

from __future__ import annotations

import sys

from .commands.cli import main

sys.exit(main())
