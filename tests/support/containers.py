"""What processes and containers of this machine use, as the kernel counts it."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

CPUCLOCK_SCHED = 2
"""Of Linux's clocks of a process, the one in nanoseconds (clock_getcpuclockid(3), which Python has for threads alone)."""


def processes(container: str) -> list[str]:
    """Their ids, as this machine sees them."""
    command = ["docker", "top", container, "-o", "pid"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[1:]


def cpu_seconds(container: str) -> float:
    """What they have used, with their threads."""
    return _sum(process_cpu_seconds, container)


def process_cpu_seconds(process: str | int) -> float:
    """What one has used, with all its threads: also with those that have ended, which /proc/PID/task no longer has."""
    try:
        return time.clock_gettime((~int(process) << 3) | CPUCLOCK_SCHED)
    except OSError:
        raise ProcessLookupError(f"there is no process {process}") from None


def pss_kib(container: str) -> int:
    """Their memory: private pages, and their share of each shared one."""
    return int(_sum(process_pss_kib, container))


def process_pss_kib(process: str | int) -> int:
    """That of one process."""
    text = Path("/proc", str(process), "smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))


def _sum(of: Callable[[str], float], container: str) -> float:
    total = 0.0
    for process in processes(container):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a health check that has ended
            total += of(process)
    return total
