"""A machine whose engine runs containers of a stack: this one, or one that is reached as Ansible reaches it."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..console import Failure
from ..paths import ROOT

HERE = "this machine"
ANSIBLE = ROOT / ".venv/bin/ansible"
GROUPS = "edge:app:data"

VARIABLES = {
    "stack": "{{ stack_name | default('channels-stack') }}",
    "root": "{{ stack_root | default('/srv/channels-stack') }}",
    "folder": "{{ stack_folder | default(inventory_dir ~ '/.stack') }}",
}
"""What the inventory says of the stack; defaults as in roles/stack, which a command without a playbook does not read."""

AS_ROOT = 'if [ "$(id -u)" = 0 ]; then exec "$@"; else exec sudo -n -- "$@"; fi'
"""A shell's program: its arguments are a command for root."""


@dataclass(frozen=True)
class Host:
    """One machine. SSH leads there and is empty for this one; GROUPS are those of the inventory that it is in."""

    name: str
    ssh: tuple[str, ...] = ()
    groups: tuple[str, ...] = field(default=())

    def command(self, words: list[str], *, terminal: bool = False) -> list[str]:
        """What this machine runs so that the host runs WORDS, as root where it is another one; with a TERMINAL of its own."""
        if not self.ssh:
            return words
        line = shlex.join(["sh", "-c", AS_ROOT, "sh", *words])
        return [self.ssh[0], *(["-tt"] if terminal else ["-T"]), *self.ssh[1:], line]

    def run(self, words: list[str], given: str = "") -> tuple[int, str, str]:
        """Exit code, output and complaint of WORDS, whose standard input is the text GIVEN."""
        done = subprocess.run(
            self.command(words), input=given, capture_output=True, text=True, errors="replace", check=False
        )
        return done.returncode, done.stdout, done.stderr

    def shell(self, line: str, given: str = "") -> tuple[int, str, str]:
        """The same of a command LINE."""
        return self.run(["sh", "-c", line], given)

    def asked(self, words: list[str], given: str = "") -> str:
        """What WORDS print; Failure with their complaint where they fail."""
        code, out, complaint = self.run(words, given)
        if code:
            last_lines = (complaint or out).strip().splitlines()[-3:]
            raise Failure(f"{self.name}: {' '.join(words[:3])} failed (exit {code}): {' '.join(last_lines)}")
        return out


@dataclass(frozen=True)
class Inventory:
    """What an inventory says of its stack: the name in the swarm, the folder on the managers, and on the controller."""

    stack: str
    root: str
    folder: Path
    hosts: tuple[Host, ...]


def of_inventory(inventory: Path) -> Inventory:
    """The hosts of INVENTORY and the way to each, by Ansible's own connection options. Nothing is asked of a host."""
    if not ANSIBLE.exists():
        raise Failure("there is no Ansible yet: make controller")
    with tempfile.TemporaryDirectory(prefix="channels-stack-") as answers:
        words = [str(ANSIBLE), GROUPS, "-i", str(inventory), "-m", "channels_stack.deploy.session"]
        words += ["-a", json.dumps(VARIABLES), "--tree", answers]
        done = subprocess.run(words, cwd=ROOT / "ansible", capture_output=True, text=True, check=False)
        found = {path.name: json.loads(path.read_text()) for path in Path(answers).iterdir()}
    bad = {name: str(each.get("msg", "")) for name, each in found.items() if "ssh" not in each}
    if done.returncode or bad or not found:
        lines = [f"{name}: {text}" for name, text in sorted(bad.items())] or errors(done.stderr)
        raise Failure("\n".join([f"{inventory} cannot be read by Ansible:", *lines]))
    # In the order of the inventory, which dictionaries of Ansible keep and the names of files do not.
    ordered = sorted(found.items(), key=lambda item: item[1]["number"])
    first: dict[str, Any] = ordered[0][1]
    hosts = tuple(Host(name, tuple(each["ssh"]), tuple(each["groups"])) for name, each in ordered)
    return Inventory(first["stack"], first["root"], Path(first["folder"]), hosts)


def errors(text: str) -> list[str]:
    """The lines of Ansible's complaint that are for people."""
    return [line for line in text.splitlines() if line.strip() and "[WARNING]" not in line][-5:]


def interactive() -> bool:
    """Whether a person sits in front of this."""
    return sys.stdin.isatty() and sys.stdout.isatty()
