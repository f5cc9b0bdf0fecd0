"""What a playbook of ours prints: changes, progress, failures with their reason, and a summary. The rest is in the log file."""

from __future__ import annotations

import threading
import time
from typing import Any

from ansible.plugins.callback.default import CallbackModule as Default

from ansible import constants as C

DOCUMENTATION = """
    name: brief
    type: stdout
    short_description: changes, progress, failures and a summary; everything else goes to the log file
    description:
      - A task that changed something is one line, with the hosts and how long it took. One that changed nothing is none.
      - A failure is its task, its host, its reason, and the last lines of what was run.
      - What Ansible prints by default goes to C(log_path), which the last line names. With C(-v) it goes to the screen as well.
    extends_documentation_fragment:
      - default_callback
      - result_format_callback
"""

SILENCE_SECONDS = 10
"""After so long without a line the task that runs is named."""

PHASE_SECONDS = 2
"""A phase that took less is not in the summary."""

TAIL_LINES = 12
"""Of the output of what failed."""


class Log:
    """Ansible's display, that writes to the log alone unless -v asks for more."""

    def __init__(self, screen: Any) -> None:
        self._screen = screen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._screen, name)

    def display(self, msg: str, color: str | None = None, **options: Any) -> None:
        """Write MSG to the log."""
        if self._screen.verbosity:
            self._screen.display(msg, color=color, **options)
        elif not options.get("screen_only"):
            self._screen.display(msg, log_only=True)

    def _error(self, *arguments: Any, **options: Any) -> None:
        """The reason of a failure with its place in the playbook: `_say_failure` has the reason."""
        if self._screen.verbosity:
            self._screen._error(*arguments, **options)

    def banner(self, msg: str, color: str | None = None, cows: bool = True) -> None:
        """A headline."""
        self.display(f"\n{msg} {'*' * max(3, 79 - len(msg))}", color=color)


class CallbackModule(Default):
    """Prints to the screen what an operator reads, and leaves the log to Ansible's default callback."""

    CALLBACK_NAME = "brief"

    _display: Any

    def __init__(self) -> None:
        super().__init__()
        self._screen: Any = self._display
        self._display = Log(self._screen)
        self._begun = time.monotonic()
        self._name = ""
        self._task_begun = 0.0
        self._changed: list[str] = []
        self._failed: set[str] = set()
        self._changes = 0
        self._phases: dict[str, float] = {}
        self._timer: threading.Timer | None = None

    def _say(self, text: str, color: str | None = None) -> None:
        """A line on the screen, unless -v shows everything anyway. The log has it from the default callback."""
        if not self._screen.verbosity:
            self._screen.display(text, color=color, screen_only=True)

    def _end_task(self) -> None:
        """One line for a task that changed something; its time belongs to its phase, the words before the bar."""
        if self._timer:
            self._timer.cancel()
        if not self._name:
            return
        seconds = time.monotonic() - self._task_begun
        phase = self._name.partition(" | ")[0]
        self._phases[phase] = self._phases.get(phase, 0) + seconds
        if self._changed:
            self._changes += 1
            hosts = ", ".join(dict.fromkeys(self._changed))
            self._say(f"  {self._name}: changed on {hosts} ({seconds:.0f} s)", C.COLOR_CHANGED)
        self._name, self._changed = "", []

    def _remind(self, name: str, seconds: int) -> None:
        """Name the task that has been running for SECONDS."""
        self._say(f"  {name} … {seconds} s")
        self._watch(name, seconds)

    def _watch(self, name: str, seconds: int) -> None:
        """Remind again, less and less often."""
        pause = max(SILENCE_SECONDS, seconds)
        self._timer = threading.Timer(pause, self._remind, (name, seconds + pause))
        self._timer.daemon = True
        self._timer.start()

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """The play."""
        super().v2_playbook_on_play_start(play)
        self._end_task()
        self._say(play.get_name().strip())

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """The next task."""
        super().v2_playbook_on_task_start(task, is_conditional)
        self._next_task(task)

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """The next handler."""
        super().v2_playbook_on_handler_task_start(task)
        self._next_task(task)

    def _next_task(self, task: Any) -> None:
        """The one before has ended."""
        self._end_task()
        self._name = task.get_name().partition(" : ")[2] or task.get_name()
        self._task_begun = time.monotonic()
        self._watch(self._name, 0)

    def v2_runner_on_ok(self, result: Any) -> None:
        """A host is done; what `debug` says is for people."""
        super().v2_runner_on_ok(result)
        if result.task.action in C._ACTION_DEBUG and "msg" in result.result:
            message = result.result["msg"]
            for line in message if isinstance(message, list) else str(message).splitlines():
                self._say(f"  {line}")
        elif result.result.get("changed"):
            self._changed.append(result.host.get_name())

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """The reason first."""
        super().v2_runner_on_failed(result, ignore_errors)
        if not ignore_errors and not result.task.loop:
            self._say_failure(result)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        """The same for one item of a loop."""
        super().v2_runner_item_on_failed(result)
        if not result.task.ignore_errors:
            self._say_failure(result)

    def _say_failure(self, result: Any) -> None:
        """Task, host, reason, and the last lines of output. A reason that ten hosts have is printed once."""
        values = result.result
        reason = str(values.get("msg") or values.get("reason") or "failed").strip()
        output = [
            line
            for key in ("stdout", "stderr", "module_stderr")
            for line in str(values.get(key) or "").splitlines()
        ]
        lines = [
            *reason.splitlines(),
            *(line for line in output[-TAIL_LINES:] if line.strip() and line not in reason),
        ]
        text = "\n".join(f"    {line}" for line in lines)
        if (self._name + text) in self._failed:
            return
        self._failed.add(self._name + text)
        self._say(f"  FAILED on {result.host.get_name()}: {self._name}\n{text}", C.COLOR_ERROR)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """A host that does not answer."""
        super().v2_runner_on_unreachable(result)
        self._say(
            f"  UNREACHABLE {result.host.get_name()}: {str(result.result.get('msg')).strip()}",
            C.COLOR_UNREACHABLE,
        )

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """How long each phase took, and where the rest is written."""
        self._end_task()
        super().v2_playbook_on_stats(stats)
        bad = [host for host in sorted(stats.processed) if stats.failures.get(host) or stats.dark.get(host)]
        long = [
            f"{phase} {seconds:.0f} s" for phase, seconds in self._phases.items() if seconds >= PHASE_SECONDS
        ]
        changes = f"{self._changes} task{'s' if self._changes > 1 else ''} changed something"
        outcome = (
            f"failed on {', '.join(bad)}"
            if bad
            else changes
            if self._changes
            else "nothing had to be changed"
        )
        times = f" ({', '.join(long)})" if long else ""
        self._say(
            f"{outcome}, {time.monotonic() - self._begun:.0f} s{times}", C.COLOR_ERROR if bad else C.COLOR_OK
        )
        if C.DEFAULT_LOG_PATH:
            self._say(f"log: {C.DEFAULT_LOG_PATH}")
