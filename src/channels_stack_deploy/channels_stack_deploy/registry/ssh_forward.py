"""Ways through SSH to a host, as Ansible's connection goes: a session, or a port of it for this machine's engine.

That port is open to no other host, and no certificate is trusted for it.

The engine takes 127.0.0.0/8 for itself and asks no certificate there (https://docs.docker.com/reference/cli/dockerd/#insecure-registries);
SSH has authenticated the host.
"""

from __future__ import annotations

import contextlib
import hashlib
import shlex
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from ..console import Failure

OPEN_SECONDS = 30
"""How long the way may take to open: a few jumps over slow lines."""

POLL_SECONDS = 0.1


def loopback(key: str) -> str:
    """ADDRESS:PORT of this machine that stands for KEY, always the same one.

    An engine remembers by such names which layers are where, and does not send those again. Of KEY's hash: another
    deployment has another one, and the ports lie below those that systems choose themselves (ip_local_port_range, 32768).
    """
    digest = hashlib.sha256(key.encode()).digest()
    port = 20000 + int.from_bytes(digest[3:5], "big") % 12000
    return f"127.{1 + digest[0] % 254}.{digest[1]}.{1 + digest[2] % 254}:{port}"


def command(option: Callable[[str], Any], here: str, there: str) -> list[str]:
    """The command that leads HERE to THERE (ADDRESS:PORT each), with what Ansible's connection ssh says of its host.

    A connection of its own, because what is forwarded over a shared one stays when the command ends.
    """
    alone = ("ControlMaster=no", "ControlPath=none", "ExitOnForwardFailure=yes")
    return [option("ssh_executable"), "-N", "-L", f"{here}:{there}", *options(option, *alone)]


def session(connection: Any) -> list[str]:
    """The command that opens a session on the host of Ansible's CONNECTION; the next one shares what it has opened."""
    if connection.transport != "ssh":
        raise Failure(
            f"it is reached through Ansible's connection `{connection.transport}`, and a session takes `ssh`"
        )
    option = connection.get_option
    folder = Path(option("control_path_dir") or "~/.ansible/cp").expanduser()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    shared = (f"ControlPath={folder}/%C", "LogLevel=ERROR")
    return [option("ssh_executable"), *options(option, *shared)]


def options(option: Callable[[str], Any], *first: str) -> list[str]:
    """The words after the program's name: FIRST, what Ansible's connection says, and the host.

    OPTION is that connection's `get_option`: jump hosts, keys, user and port are those of every other task. A password cannot be
    handed to it.
    """
    words = []
    # ssh takes the first value that it finds.
    for each in ("BatchMode=yes", *first):
        words += ["-o", each]
    for name in ("ssh_args", "ssh_common_args", "ssh_extra_args"):
        words += shlex.split(option(name) or "")
    if option("host_key_checking") is False:
        words += ["-o", "StrictHostKeyChecking=no"]
    given = {"port": "Port", "private_key_file": "IdentityFile", "remote_user": "User"}
    for name, keyword in given.items():
        if option(name):
            words += ["-o", f'{keyword}="{option(name)}"']
    return [*words, "-o", f"ConnectTimeout={option('timeout')}", option("host")]


@contextlib.contextmanager
def to_host(connection: Any, here: str, there: str) -> Iterator[None]:
    """The way from HERE to THERE alongside the CONNECTION of Ansible to that host; Failure says why there is none."""
    if connection.transport != "ssh":
        raise Failure(
            f"the stack's own registry is reached through Ansible's connection `ssh`, and its host has `{connection.transport}`: "
            "take the group `registry` out of the inventory, or set ansible_connection: ssh for it. Nothing was changed"
        )
    try:
        with opened(command(connection.get_option, here, there), here):
            yield
    except NoWay as error:
        raise Failure(
            f"the registry {there} cannot be reached through SSH: {error}. Its host must let in a key without a password and "
            "forward (AllowTcpForwarding of its sshd). Nothing was changed"
        ) from None


class NoWay(Exception):
    """Why there is none."""


@contextlib.contextmanager
def opened(words: list[str], here: str) -> Iterator[None]:
    """The way of the command WORDS, open at HERE and answered with TLS at its end; NoWay says why it is not."""
    with tempfile.TemporaryFile("w+") as messages:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=messages
        )
        try:
            until(process, here, messages)
            yield
        finally:
            process.terminate()
            process.wait()


def until(process: subprocess.Popen[bytes], here: str, messages: IO[str]) -> None:
    """Wait until a server answers with TLS at HERE; NoWay with the last line of ssh's MESSAGES where none will."""
    address, _, port = here.partition(":")
    deadline = time.monotonic() + OPEN_SECONDS
    while True:
        try:
            ssl.get_server_certificate((address, int(port)), timeout=OPEN_SECONDS)
            return
        except OSError as error:
            waiting = isinstance(error, ConnectionRefusedError)
            if not waiting or process.poll() is not None or time.monotonic() > deadline:
                messages.seek(0)
                raise NoWay(" ".join(messages.read().strip().splitlines()[-1:]) or str(error)) from None
        time.sleep(POLL_SECONDS)
