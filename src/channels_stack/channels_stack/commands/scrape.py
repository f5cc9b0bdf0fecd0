"""`channels-stack metrics [NAME]`: what this container counts, for people; scrapers ask `/-/metrics` themselves."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request

from ..config.settings import SERVICE_PORT

TIMEOUT_SECONDS = 5


def main(name: str) -> int:
    """Print the metrics whose name begins with ``name``, in the text format of Prometheus.

    The exit code is 0, or 1 where the service does not answer or counts no such thing.
    """
    address = f"http://127.0.0.1:{SERVICE_PORT}/-/metrics"
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS) as answer:
            lines = answer.read().decode().splitlines()
    except (urllib.error.URLError, OSError) as error:
        print(f"channels-stack: metrics: {address}: {error}", file=sys.stderr)
        return 1
    samples = [
        line for line in lines if line.removeprefix("# HELP ").removeprefix("# TYPE ").startswith(name)
    ]
    if not samples:
        print(f"channels-stack: metrics: nothing is counted as {name}", file=sys.stderr)
        return 1
    print("\n".join(samples))
    return 0
