"""What the program has to report: one JSON object a line on stderr, alongside HAProxy's own lines. stdout is the access log."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime


def report(event: str, **fields: object) -> None:
    """Write one line about EVENT."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    print(json.dumps({"time": now, "event": event, **fields}), file=sys.stderr, flush=True)
