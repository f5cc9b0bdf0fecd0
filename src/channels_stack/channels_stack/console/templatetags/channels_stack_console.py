"""How the console writes times and sizes."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Any

from django import template

register = template.Library()

MEBIBYTE = 1 << 20


@register.filter
def age(unix: Any) -> str:
    """How long ago."""
    return duration(max(time.time() - float(unix), 0))


@register.filter
def duration(seconds: Any) -> str:
    """12 s, 5 min, 3 h, 8 d."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


@register.filter
def moment(unix: Any) -> str:
    """2026-11-29 08:15:00 UTC."""
    return datetime.fromtimestamp(float(unix), timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


@register.filter
def milliseconds(value: Any) -> str:
    return "–" if value is None else f"{value:.1f} ms" if value < 10 else f"{value:.0f} ms"


@register.filter
def mebibytes(value: Any) -> str:
    return f"{value / MEBIBYTE:.0f} MiB"
