"""For each rule of the doctor: the edits of the sound project that break it, and the edits that come close."""

from __future__ import annotations

from . import consumers, handshakes, layers, leftovers, packages, routing, settings

CASES = [
    *leftovers.CASES,
    *routing.CASES,
    *layers.CASES,
    *settings.CASES,
    *consumers.CASES,
    *handshakes.CASES,
    *packages.CASES,
]
