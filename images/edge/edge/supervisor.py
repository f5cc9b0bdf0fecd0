"""The container's first process: starts HAProxy, takes up changes of its folder, drains and stops it."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time

from . import crowds, events, haproxy, leaving, loading, settings, status, workers
from .haproxy import MASTER, Unreachable
from .loading import Refused

LOOK_SECONDS = 4
"""How often the folder is looked at. A change is taken up when it was seen twice, so that both files are there."""

MOST_FLOODS = 5
"""So many addresses that newly flood the edge are named at a look."""

CLOSING_SECONDS = 0.02
"""Between two checks whether HAProxy has closed its listening sockets: it does so a few milliseconds after the command."""

END_SECONDS = 3
"""HAProxy's time to end after the command to cut everything."""


def say(text: str) -> None:
    """One line a problem on stderr; stdout is the access log."""
    for line in text.splitlines():
        print(f"edge: {line}", file=sys.stderr, flush=True)


SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGCHLD}
"""What the supervisor waits for: stop (the first three), reload (the next two), the end of HAProxy."""


class Supervisor:
    """HAProxy's parent. Its signals are blocked and waited for, so none is lost or comes at a bad moment."""

    def __init__(self) -> None:
        self.seen = self.tried = ""
        self.crowded = False
        self.flooding: set[str] = set()
        self.replicas: dict[leaving.Replica, float] = {}
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)

    def run(self) -> int:
        """Start HAProxy and stay until it ends: 0 after a stop, 78 where the folder is refused, else HAProxy's own code."""
        try:
            configuration = loading.prepare()
        except Refused as error:
            say(str(error))
            return 78
        arguments = [*haproxy.command(configuration), "-W", "-db", "-S", f"{MASTER},mode,600"]
        self.master = subprocess.Popen(
            arguments, preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        )
        self.tried = loading.current()
        if text := loading.lowered(loading.read()):
            say(text)
        while not self.ended():
            number = self.signal(LOOK_SECONDS)
            if number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
                self.stop()
                return 0
            if number in (signal.SIGHUP, signal.SIGUSR2):
                self.reload()
            elif number is None:
                self.look()
        say(f"HAProxy ended by itself with {self.master.returncode}")
        return self.master.returncode or 1

    def signal(self, seconds: float) -> int | None:
        """The next signal within SECONDS."""
        found = signal.sigtimedwait(SIGNALS, seconds)
        return found.si_signo if found else None

    def look(self) -> None:
        """Reload where the folder changed since it was last tried, and no longer changes; close websockets whose worker goes."""
        with contextlib.suppress(Unreachable), loading.alone():
            self.remember()
            workers.tell_outlived()
            if not self.crowded and (crowd := crowds.look()):
                self.crowded = True  # logged once
                events.report("crowd", message=str(crowd))
            self.tell_floods()
        try:
            digest = loading.read().digest
        except Refused:
            return  # an operator is editing the folder; `edge reload` prints what is wrong
        if digest == self.seen != self.tried:
            self.reload()
        self.seen = digest

    def tell_floods(self) -> None:
        """Log who is newly cut; of many at once the first few. Raises Unreachable."""
        floods = crowds.floods()
        new = [flood for flood in floods if flood.address not in self.flooding]
        for flood in new[:MOST_FLOODS]:
            events.report(
                "flood",
                client=flood.address,
                requests=flood.requests,
                refused=flood.refused,
                message=str(flood),
            )
        if len(new) > MOST_FLOODS:
            events.report(
                "flood",
                message=f"{len(new) - MOST_FLOODS} more addresses flood the edge; their connections are cut",
            )
        self.flooding = {flood.address for flood in floods}

    def remember(self) -> None:
        """Which replicas HAProxy has found, and those that it knew lately. Raises Unreachable."""
        now = time.monotonic()
        self.replicas |= dict.fromkeys(leaving.replicas(), now)
        oldest = now - leaving.REMEMBERED_SECONDS
        self.replicas = {replica: seen for replica, seen in self.replicas.items() if seen > oldest}

    def reload(self) -> None:
        """Reload and say how it went."""
        try:
            self.tried = loading.read().digest
            if loading.reload():
                say("reloaded: the former worker stays for what it has open")
        except (Refused, Unreachable) as error:
            say(f"not reloaded, the former configuration goes on: {error}")

    def stop(self) -> None:
        """Drain, accept nothing new and have websockets closed, then cut what is left: each in its time."""
        times = {"EDGE_DRAIN_TIMEOUT": 0.0, "EDGE_STOP_TIMEOUT": 0.0}
        try:
            self.remember()
            for name in times:
                times[name] = settings.seconds(haproxy.setting(name))
            if loading.draining():
                times["EDGE_DRAIN_TIMEOUT"] = 0.0  # whoever started the drain has waited
            loading.drain(True)
        except (Unreachable, ValueError) as error:
            say(f"stopping at once: {error}")
        self.wait(times["EDGE_DRAIN_TIMEOUT"])
        self.leave(times["EDGE_STOP_TIMEOUT"])
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not self.ended():
                self.master.send_signal(number)
                self.wait(END_SECONDS)

    def leave(self, seconds: float) -> None:
        """Accept nothing new, let requests end, and have websockets closed with 1012; for SECONDS at most.

        They are closed when no client can come back to this edge any more, and a second time just before the end: a
        handshake may have come on a connection that a visitor had kept open.
        """
        cut = time.monotonic() + seconds
        last = max(time.monotonic(), cut - leaving.LAST_SECONDS)
        self.master.send_signal(signal.SIGUSR1)
        failure = None
        try:
            while not (self.ended() or status.stopping() or time.monotonic() > last):
                self.wait(CLOSING_SECONDS)
            secrets = [each.secret for each in workers.known()]
            leaving.tell(
                max(0.0, cut - time.monotonic()) * leaving.SPREAD, secrets, self.ended, former=self.replicas
            )
            self.wait(last - time.monotonic())
            if not self.ended():
                leaving.tell(0.0, secrets, self.ended, former=self.replicas)
        except Unreachable as error:
            failure = error
        self.wait(cut - time.monotonic())
        if failure and not self.ended():
            say(f"websockets could not be closed: {failure}")

    def ended(self) -> bool:
        """Whether HAProxy has ended: then nothing is open any more."""
        return self.master.poll() is not None

    def wait(self, seconds: float) -> None:
        """Until HAProxy has ended, for SECONDS at most; a second request to stop ends the wait too."""
        end = time.monotonic() + seconds
        while not self.ended() and (left := end - time.monotonic()) > 0:
            if self.signal(left) in (signal.SIGTERM, signal.SIGINT):
                return
