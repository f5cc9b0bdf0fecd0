"""One deploy at a time: a lock in the cluster itself, so that it holds between controllers.

The lock is a Swarm config: to create one is atomic, and two of one name cannot be. Its labels say who holds it. A
controller that was killed leaves it behind; the next run on that controller sees that the process is gone.
"""

from __future__ import annotations

import json
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from ..console import Failure
from ..person import who
from .engine import NAMESPACE, Engine

PREFIX = "channels-stack.lock."


@dataclass(frozen=True)
class Holder:
    """Who holds the lock: a person on a machine, and the process there (pid, and when it began)."""

    who: str
    machine: str
    pid: str
    began: str
    since: str

    @classmethod
    def process(cls, pid: int) -> Holder:
        """The process PID of this machine, which holds it since now."""
        return cls(
            who=who(),
            machine=machine(),
            pid=str(pid),
            began=began(pid),
            since=time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
        )

    @property
    def gone(self) -> bool:
        """Whether it is certain that the process has ended: it was on this machine, and is not there any more."""
        return self.machine == machine() and began(int(self.pid)) != self.began


def machine() -> str:
    """What distinguishes this machine, since its last boot, from every other one."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip() + "/" + socket.gethostname()


def began(pid: int) -> str:
    """When the process PID began, in clock ticks since the boot; "" where there is none. Pids are used again."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    # Field 22; the command's name before it may hold spaces and brackets.
    return text.rpartition(")")[2].split()[19]


def name(engine: Engine) -> str:
    """The config that is the lock."""
    return f"{engine.stack}_lock"


def holder(engine: Engine) -> Holder | None:
    """Who holds the lock, None where it is free."""
    code, out, _ = engine.attempt("config", "inspect", name(engine))
    if code:
        return None
    labels = json.loads(out)[0]["Spec"]["Labels"]
    return Holder(**{field: labels.get(PREFIX + field, "") for field in Holder.__dataclass_fields__})


def take(engine: Engine, mine: Holder, unlock: str = "") -> str:
    """Take the lock for MINE; returns what to report about it. Failure names who holds it.

    UNLOCK is the `since` of a lock that shall be taken away, whoever holds it.
    """
    labels = [part for key, value in asdict(mine).items() for part in ("--label", f"{PREFIX}{key}={value}")]
    labels += ["--label", f"{NAMESPACE}={engine.stack}"]
    for _ in range(3):
        code, _, complaint = engine.attempt("config", "create", *labels, name(engine), "-", given="lock\n")
        if not code:
            return "locked"
        if "already exists" not in complaint.lower().replace("alreadyexists", "already exists"):
            raise Failure(f"the lock cannot be taken: {complaint.strip()}")
        other = holder(engine)
        if other is None:
            continue  # released in this moment
        if other == mine:
            return "locked"  # the connection broke before the answer came, and Ansible asked again
        if other.gone:
            engine.tell(f"the run of {other.who} since {other.since} was killed; going on from there")
        elif unlock != other.since:
            raise Failure(
                f"locked by {other.who} since {other.since} (process {other.pid}). Wait for it to end; if it is dead, "
                f"take the lock away with: -e unlock='{other.since}'"
            )
        engine.attempt("config", "rm", name(engine))
    raise Failure("the lock is taken and released by others again and again: try again")


def release(engine: Engine, pid: int) -> bool:
    """Release the lock if the process PID of this machine holds it. Returns whether it did."""
    other = holder(engine)
    if other is None or (other.machine, other.pid, other.began) != (machine(), str(pid), began(pid)):
        return False
    engine.docker("config", "rm", name(engine))
    return True
