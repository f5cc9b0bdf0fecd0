"""What runs where, of which release, since when and by whom."""

from __future__ import annotations

from datetime import UTC, datetime

from ..config import settings as stack_settings
from ..console import aligned, say
from ..local import up
from ..swarm import history
from ..swarm.summary import duration
from .targets import Container, Target


def show(target: Target) -> None:
    """Print it."""
    settings = stack_settings.load(target.deployment.settings)
    past = history.events(target.engine, target.releases)
    last = next((each for each in reversed(past) if each.event in ("served", "back")), None)
    whose = (
        f"since {last.at} by {last.who}"
        if last and last.release == target.current
        else "the history does not say since when"
    )
    say(f"{up.address(settings)}  {target.stack}, release {target.current or 'without a name'}, {whose}")
    releases = target.release_of()
    head = ["host", "container", "state", "for", "release", "restarts", "image"]
    # Swarm replaces a task that has ended, and keeps it: here nothing is in its place.
    ended = not target.servers
    rows = [
        row(each, releases.get(each.identity, ""))
        for each in target.containers
        if ended or each.state != "exited" or each.service == "release"
    ]
    for line in aligned([head, *rows]):
        say(line)
    for line in history.lines(target.engine, target.releases):
        say(line)


def row(each: Container, release: str) -> list[str]:
    """One container's."""
    return [
        each.host.name,
        each.name,
        condition(each),
        duration((datetime.now(UTC) - datetime.fromisoformat(f"{each.since[:19]}+00:00")).total_seconds()),
        release or "unknown",
        str(each.restarts),
        each.image.rpartition("/")[2].partition("@")[0],
    ]


def condition(each: Container) -> str:
    """How it is: by its health check where it runs and has one, with its exit code where it has ended."""
    if each.state == "running":
        return each.health or each.state
    return f"{each.state} ({each.code})" if each.state in ("exited", "dead") else each.state
