"""`python -m channels_stack` is `channels-stack`."""

from __future__ import annotations

import sys

from .cli import main

sys.exit(main())
