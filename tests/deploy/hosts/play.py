"""One run of ansible-playbook: its output with times, its result, and the way to interrupt it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

RECAP = re.compile(
    r"^(?P<host>\S+)\s+: ok=(?P<ok>\d+)\s+changed=(?P<changed>\d+)\s+unreachable=(?P<unreachable>\d+)\s+failed=(?P<failed>\d+)",
    re.M,
)
PLAY_SECONDS = 900
"""The longest that any playbook of ours may take."""


class Play:
    """A started run; `wait` ends it. `code`, `text`, `recap` and `seconds` are there then."""

    def __init__(self, command: list[str], folder: Path, log: Path, environment: dict[str, str]) -> None:
        self.name = next(word for word in command if word.endswith(".yml"))
        self.arguments = command[command.index(self.name) + 1 :]
        self.log = log
        self.lines: list[str] = []
        self.seconds = 0.0
        self.code: int | None = None
        log.parent.mkdir(parents=True, exist_ok=True)
        self._started = time.monotonic()
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self.log.open("w") as log:
            for line in self._process.stdout:
                self.lines.append(line.rstrip("\n"))
                log.write(f"{time.monotonic() - self._started:7.1f}  {line}")
                log.flush()

    def wait(self) -> Play:
        """Until it has ended; what it said last is told where that takes longer than PLAY_SECONDS."""
        try:
            self.code = self._process.wait(timeout=PLAY_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end in {PLAY_SECONDS} s:\n{self.tail(30)}") from None
        except BaseException:
            self.kill()
            raise
        self._reader.join()
        self.seconds = time.monotonic() - self._started
        return self

    def kill(self) -> None:
        """SIGKILL to it and all its children, as when the controller loses its power."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self.code = self._process.wait()
        self._reader.join(timeout=5)
        self.seconds = time.monotonic() - self._started

    def interrupt(self, number: int) -> None:
        """SIGINT to all of it, as from a terminal, or another signal to it alone; returns when it has ended."""
        if number == signal.SIGINT:
            os.killpg(self._process.pid, number)
        else:
            self._process.send_signal(number)
        self.wait()

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def text(self) -> str:
        """All that it said."""
        return "\n".join(self.lines)

    def tail(self, lines: int) -> str:
        return "\n".join(self.lines[-lines:])

    @property
    def recap(self) -> dict[str, dict[str, int]]:
        """host -> {"ok", "changed", "unreachable", "failed"}."""
        found = {}
        for match in RECAP.finditer(self.text):
            numbers = match.groupdict()
            host = numbers.pop("host")
            found[host] = {key: int(value) for key, value in numbers.items()}
        return found

    @property
    def changed(self) -> int:
        """Changes on all hosts together."""
        return sum(numbers["changed"] for numbers in self.recap.values())

    @property
    def changes(self) -> list[str]:
        """Names of the tasks that changed something."""
        task, found = "", []
        for line in self.lines:
            if line.startswith(("TASK [", "RUNNING HANDLER [")):
                task = line.split("[", 1)[1].rpartition("]")[0]
            elif line.startswith("changed:") and (not found or found[-1] != task):
                found.append(task)
        return found

    def __str__(self) -> str:
        what = " ".join([self.name, *self.arguments])
        return f"{what}: exit {self.code}, {self.changed} changed, {self.seconds:.1f} s, log {self.log}"
