"""What the containers of a stack on one host print: a program that runs there, and prints each line with its time and container.

follow.py LABEL SERVICES SINCE TAIL FOLLOW: the label of the stack's containers; words are empty where they do not matter.
It ends when its standard input does, so that none is left behind on a host. Python 3.9 and the standard library.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading

SERVICES = ("com.docker.swarm.service.name", "com.docker.compose.service")


class Host:
    """The engine's containers of one stack."""

    def __init__(self, label: str, services: str, since: str, tail: str, follow: bool) -> None:
        self.label, self.services = label, set(services.split())
        self.first = [*(["--since", since] if since else []), *(["--tail", tail] if tail else [])]
        self.follow = follow
        self.lines: queue.Queue[str | None] = queue.Queue(10000)
        self.known: set[str] = set()
        self.threads: list[threading.Thread] = []
        self.processes: list[subprocess.Popen[bytes]] = []

    def names(self) -> dict[str, str]:
        """Container -> its service, without the name of the stack."""
        form = "\t".join(["{{.ID}}", *('{{.Label "' + name + '"}}' for name in SERVICES)])
        command = ["docker", "ps", "--all", "--no-trunc", "--filter", "label=" + self.label, "--format", form]
        listed = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode()
        found = {}
        for line in listed.splitlines():
            identity, swarm, compose = line.split("\t")
            found[identity] = swarm[len(self.label.partition("=")[2]) + 1 :] if swarm else compose
        return found

    def begin(self, options: list[str]) -> None:
        """Read every container that is not read yet."""
        for identity, service in self.names().items():
            if identity not in self.known and (not self.services or service in self.services):
                self.known.add(identity)
                thread = threading.Thread(target=self.read, args=(identity, service, options), daemon=True)
                thread.start()
                self.threads.append(thread)

    def read(self, identity: str, service: str, options: list[str]) -> None:
        """One container's lines, of both its outputs."""
        command = [
            "docker",
            "logs",
            "--timestamps",
            *(["--follow"] if self.follow else []),
            *options,
            identity,
        ]
        process = self.started(command, stderr=subprocess.STDOUT)
        assert process.stdout
        for raw in process.stdout:
            time, _, text = raw.decode("utf-8", "replace").rstrip("\r\n").partition(" ")
            self.lines.put(json.dumps([time, identity, service, text]))
        process.wait()

    def watch(self) -> None:
        """Read containers that start later."""
        command = [
            "docker",
            "events",
            "--filter",
            "label=" + self.label,
            "--filter",
            "event=start",
            "--format",
            "{{.ID}}",
        ]
        process = self.started(command)
        assert process.stdout
        for _ in process.stdout:
            self.begin([])

    def started(self, command: list[str], stderr: int | None = None) -> subprocess.Popen[bytes]:
        """A process that ends with this one."""
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr)
        self.processes.append(process)
        return process

    def leave(self) -> None:
        """End with who asked."""
        sys.stdin.read()
        self.stop()

    def stop(self) -> None:
        """End, and leave nothing behind: a reader of a silent container would never end."""
        for process in self.processes:
            process.terminate()
        os._exit(0)

    def run(self) -> None:
        """Print lines until there are none or the reader has gone."""
        if self.follow:
            threading.Thread(target=self.leave, daemon=True).start()
            threading.Thread(target=self.watch, daemon=True).start()
        self.begin(self.first)
        if not self.follow:
            threading.Thread(target=self.end, daemon=True).start()
        try:
            while True:
                line = self.lines.get()
                if line is None:
                    return
                print(line, flush=True)
        except BrokenPipeError:
            self.stop()

    def end(self) -> None:
        """Say that all has been read."""
        for thread in self.threads:
            thread.join()
        self.lines.put(None)


if __name__ == "__main__":
    Host(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5] == "follow").run()
