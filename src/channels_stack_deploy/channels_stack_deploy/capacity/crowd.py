"""The container of the visitors: its start, its input and output, its end."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import queue
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

from ..console import Failure
from ..paths import ROOT
from . import generator

ADDRESSES = 250
"""That visitors come from: as many as there are people in front of the limits of one address."""

START_SECONDS = 30
END_SECONDS = 15


class Crowd:
    """Visitors in a container NAME of their own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.seconds: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        for text in self.process.stdout:
            self.seconds.put(json.loads(text))
        self.seconds.put({})

    def become(self, number: int, seconds: float, tick: float = 0.0) -> None:
        """NUMBER visitors, SECONDS from now; with TICK they ask together, each time so many seconds are over."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"visitors": number, "seconds": seconds, "tick": tick}) + "\n")
        self.process.stdin.flush()

    def next(self) -> dict[str, Any]:
        """What they got in the second that ends now."""
        try:
            found = self.seconds.get(timeout=START_SECONDS)
        except queue.Empty:
            found = {}
        if not found:
            raise Failure(
                "the visitors have ended: another run of `make capacity`, or the engine, ended them"
            )
        return found


@contextlib.contextmanager
def crowd(name: str, image: str, network: str, plan: dict[str, Any]) -> Iterator[Crowd]:
    """Visitors of PLAN, on NETWORK; at the end all that they have open is closed."""
    command = [
        *("docker", "run", "--rm", "--interactive", "--name", name, "--network", network),
        *(
            "--user",
            "0",
            "--cap-drop",
            "ALL",
            "--cap-add",
            "NET_ADMIN",
            "--read-only",
            "--log-driver",
            "none",
        ),
        *("--volume", f"{ROOT / 'src/channels_stack_deploy'}:/run/tool:ro"),
        *("--env", "PYTHONPATH=/run/tool", "--env", "PYTHONDONTWRITEBYTECODE=1", "--entrypoint", "python"),
        *(image, "-m", "channels_stack_deploy.capacity.generator"),
    ]
    # In a session of its own: Ctrl-C is for who asked, and ends the visitors in good order.
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdin
        process.stdin.write(json.dumps(plan) + "\n")
        process.stdin.flush()
        found = Crowd(process)
        if found.next().get("boot") != generator.BOOT.read_text().strip():
            raise Failure("the engine is on another machine: `make capacity` measures its own; run it there")
        yield found
    except BrokenPipeError:
        raise Failure("the container of the visitors did not start; the lines above say why") from None
    finally:
        with contextlib.suppress(BrokenPipeError):
            if process.stdin:
                process.stdin.close()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)


def addresses(network: dict[str, Any]) -> list[str]:
    """Of NETWORK, as the engine describes it, the last ones, which no container has: the engine gives the first ones."""
    subnet = next(
        ipaddress.ip_network(each["Subnet"])
        for each in network["IPAM"]["Config"]
        if ":" not in each["Subnet"]
    )
    taken = {container["IPv4Address"].partition("/")[0] for container in network["Containers"].values()}
    count = min(ADDRESSES, subnet.num_addresses // 2)
    last = (str(subnet[-2 - number]) for number in range(subnet.num_addresses - 3))
    return [
        address for address, _ in zip((one for one in last if one not in taken), range(count), strict=False)
    ]
