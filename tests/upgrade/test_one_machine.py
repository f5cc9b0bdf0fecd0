"""A stack of an earlier revision on one machine, upgraded as an operator does it: `git checkout`, `make up`, while people talk.

    make test-upgrade REV=v0.1.0

Both revisions are commits: what is not committed takes no part.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import stacks
from crowd import Crowd, Site
from visitors import browse, sign_in

SOCKETS, ROOMS = 40, 4

IN_PLACE_SECONDS = 60
"""What a changed edge, database or Redis may cost: they are replaced in place (README, known limitations)."""


@dataclass(frozen=True)
class Checkout:
    """A clone of this repository, with a stack of its own in its folder `compose`."""

    root: Path
    port: int
    project: str

    def run(self, *words: str) -> str:
        """What a command in it prints; it must succeed."""
        done = subprocess.run(
            words,
            cwd=self.root,
            env={**stacks.outside_make(), "ENGINE": "keep"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}"
        return done.stdout

    def stack(self) -> stacks.Stack:
        """The stack, as visitors and the engine see it."""
        folder = self.root / "compose"
        return stacks.Stack(
            variant="upgrade",
            url=f"https://localhost:{self.port}",
            ca=folder / "tls/ca.pem",
            user="admin",
            password=(folder / "secrets/demo_password").read_text().strip(),
            project=self.project,
            folder=folder,
        )


@pytest.fixture
def checkout(clone: Path) -> Iterator[Checkout]:
    """The earlier revision, running."""
    made = Checkout(clone, stacks.free_port(), f"stack-test-upgrade-{os.getpid()}")
    settings = {
        "COMPOSE_PROJECT_NAME": made.project,
        "BIND_ADDRESS": "127.0.0.1",
        "HTTP_PORT": str(stacks.free_port()),
        "HTTPS_PORT": str(made.port),
        "EDGE_REQUESTS_PER_10S": "0",  # all come from one address
        "EDGE_HANDSHAKES_PER_10S": "0",
        **stacks.machine_settings(),
    }
    example = (made.root / "compose/stack.env.example").read_text()
    lines = "".join(f"{name}={value}\n" for name, value in settings.items())
    (made.root / "compose/stack.env").write_text(example + lines)
    try:
        made.run("make", "up")
        yield made
    finally:
        made.run("make", "purge", "CONFIRM=yes")


def images(stack: stacks.Stack) -> dict[str, str]:
    """Container -> its image."""
    return {name: stacks.inspect(name)["Config"]["Image"] for name in stack.containers()}


def test_no_session_message_or_job_is_lost(checkout, upgrade):
    stack = checkout.stack()
    before = images(stack)
    people = Crowd(
        Site(["127.0.0.1"], stack.host, stack.ca, stack.user, stack.password, stack.port),
        SOCKETS,
        ROOMS,
        every=0.3,
    )
    with browse(stack) as visitor:
        assert sign_in(visitor, stack.user, stack.password).status_code == 302
        upgrade()
        with people.gathered():
            printed = checkout.run("make", "up")
        seen = people.report()
        print(printed)
        print(
            f"figure: upgrade from {checkout_name(before)} to {checkout_name(images(stack))}: {seen}",
            flush=True,
        )
        assert visitor.get("/", follow_redirects=False).status_code == 200, "the session was lost"
    assert (seen.lost, seen.doubled, seen.jobs_lost) == (0, 0, 0), str(seen)
    assert seen.sent > 50 and seen.jobs > 3, f"too little was sent to prove anything: {seen}"
    assert max(seen.away, default=0) <= IN_PLACE_SECONDS, str(seen)
    assert "nothing had to be restarted" in checkout.run("make", "up")


def checkout_name(found: dict[str, str]) -> str:
    """The images in short."""
    return ", ".join(sorted({name.rpartition("/")[2] for name in found.values()}))
