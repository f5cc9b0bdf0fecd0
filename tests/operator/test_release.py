"""`make up` with a changed release, on one machine, while people talk: nobody loses a page, a message or a job."""

import pytest
import stacks
from crowd import Crowd, Site

SOCKETS, ROOMS = 60, 6
ROLLED = ("http", "ws", "worker")
KEPT = ("edge", "redis", "db")


@pytest.fixture(scope="module")
def running():
    """A stack of its own: after this it is not as it was."""
    unlimited = {"EDGE_REQUESTS_PER_10S": "0", "EDGE_HANDSHAKES_PER_10S": "0"}  # all come from one address
    with stacks.own("release", **unlimited) as made:
        yield made


def change(stack, **settings: str) -> None:
    """Write SETTINGS as an operator does."""
    lines = "".join(f"{name}={value}\n" for name, value in settings.items())
    (stack.folder / "stack.env").write_text((stack.folder / "stack.env").read_text() + lines)


def ids(stack, *services: str) -> set[str]:
    """Ids of the containers of SERVICES."""
    return {stacks.inspect(name)["Id"] for service in services for name in stack.containers(service)}


def crowd(stack) -> Crowd:
    site = Site(["127.0.0.1"], stack.host, stack.ca, stack.user, stack.password, stack.port)
    return Crowd(site, SOCKETS, ROOMS, every=0.3)


def assert_nobody_noticed(seen) -> None:
    print(f"figure: {seen}", flush=True)
    assert seen.failures == [], f"{len(seen.failures)} of {seen.pages} requests failed: {seen.failures[:10]}"
    assert set(seen.codes) <= {1012} and seen.most_closes <= 1, f"sockets were closed with {dict(seen.codes)}"
    assert max(seen.away, default=0) <= 30, str(seen)
    assert (seen.lost, seen.doubled, seen.jobs_lost) == (0, 0, 0), str(seen)
    assert seen.sent > 50 and seen.jobs > 3, f"too little was said to prove anything: {seen}"


def test_a_changed_release_costs_no_visitor_anything(running):
    rolled, kept = ids(running, *ROLLED), ids(running, *KEPT)
    change(running, SERVER_WS="daphne")  # another image, other settings
    people = crowd(running)
    with people.gathered():
        told = stacks.tool(running.folder, "up")
    seen = people.report()
    assert_nobody_noticed(seen)
    assert seen.codes[1012] == SOCKETS, f"not each socket once: {seen}"
    now = ids(running, *ROLLED)
    assert len(now) == len(rolled) and not now & rolled, told
    assert ids(running, *KEPT) == kept, told
    for name in (each for service in ROLLED for each in running.containers(service)):
        made_of = stacks.inspect(name)["Config"]
        assert f"RUNNING_IMAGE={made_of['Image']}" in made_of["Env"], "the console shows another image"
    unchanged = stacks.tool(running.folder, "up")
    print(f"figure: {len(unchanged.splitlines())} lines of an unchanged make up", flush=True)
    assert "nothing had to be restarted" in unchanged
    assert len(unchanged.splitlines()) < 12, unchanged
    assert ids(running, *ROLLED, *KEPT) == now | kept


def test_one_that_does_not_become_healthy_leaves_the_old_one_serving(running):
    before = ids(running, *ROLLED, *KEPT)
    sound = (running.folder / "stack.env").read_text()
    change(running, WS_THREADS="5", WS_MEMORY="24M")
    people = crowd(running)
    with people.gathered(), pytest.raises(stacks.StackError) as failure:
        stacks.tool(running.folder, "up")
    seen = people.report()
    assert_nobody_noticed(seen)
    assert not seen.codes
    assert "ws is" in str(failure.value) and "the one before goes on serving" in str(failure.value)
    assert ids(running, *ROLLED, *KEPT) == before
    (running.folder / "stack.env").write_text(sound)
    assert "nothing had to be restarted" in stacks.tool(running.folder, "up")
    assert ids(running, *ROLLED, *KEPT) == before


def test_one_that_was_cut_short_is_gone_on_with(running):
    """Some of the new containers are there, and all of the old ones: as after Ctrl-C before anything was drained."""
    before = ids(running, *ROLLED)
    change(running, WS_THREADS="6")
    with (running.folder / "services.env").open("a") as file:
        file.write("WS_THREADS=6\n")
    begun = {"http": 4, "ws": 3}
    counts = [word for name, count in begun.items() for word in ("--scale", f"{name}={count}")]
    running.compose("up", "--detach", "--no-build", "--no-recreate", *counts, *begun)
    assert len(ids(running, *ROLLED) - before) == 3
    people = crowd(running)
    with people.gathered():
        stacks.tool(running.folder, "up")
    assert_nobody_noticed(people.report())  # on Daphne now
    now = ids(running, *ROLLED)
    assert len(now) == len(before) and not now & before
    assert "nothing had to be restarted" in stacks.tool(running.folder, "up")
