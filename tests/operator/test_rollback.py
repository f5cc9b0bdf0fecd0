"""`make rollback` on one machine: nobody notices. tests/deploy/test_rollback.py: on servers."""

import re

import pytest
import sources
import stacks
from crowd import Crowd, Site

WITHOUT_A_JUDGE = (
    'migrations.RunSQL("ALTER TABLE rooms_message ADD COLUMN shouted boolean NOT NULL DEFAULT false")'
)


@pytest.fixture(scope="module")
def application(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rollback")
    folder.chmod(0o755)
    return sources.copy(folder, "site")


@pytest.fixture(scope="module")
def place(application):
    unlimited = {"EDGE_REQUESTS_PER_10S": "0", "EDGE_HANDSHAKES_PER_10S": "0"}
    small = {"HTTP_REPLICAS": "1", "WS_REPLICAS": "1", "HTTP_PROCESSES": "1"}
    with stacks.own("rollback", APP_DIR=str(application), **unlimited, **small, **stacks.BRIEF) as made:
        yield made


def change(place, **settings: str) -> None:
    """Write SETTINGS as an operator does, and put them into service."""
    path = place.folder / "stack.env"
    path.write_text(path.read_text() + "".join(f"{name}={value}\n" for name, value in settings.items()))
    stacks.tool(place.folder, "up")


def release(place) -> str:
    """The release that serves."""
    return (place.folder / "releases/current").readlink().name


def level(place) -> str:
    """What LOG_LEVEL is in a process of pages."""
    variables = stacks.inspect(place.containers("http")[0])["Config"]["Env"]
    return dict(each.split("=", 1) for each in variables).get("LOG_LEVEL", "")


def test_no_visitor_notices_the_way_back(place):
    """Settings of the application and of the edge are those of before; the files that the operator edits are not touched."""
    first = release(place)
    change(place, LOG_LEVEL="debug", EDGE_MAX_BODY_BYTES="5000000")
    second, edited = release(place), (place.folder / "stack.env").read_text()
    assert first != second and level(place) == "debug"
    people = Crowd(Site(["127.0.0.1"], place.host, place.ca, place.user, place.password, place.port), 20, 2)
    with people.gathered():
        said = stacks.tool(place.folder, "rollback")
    seen = people.report()
    print(f"figure: {seen}", flush=True)
    assert seen.failures == [] and (seen.lost, seen.doubled, seen.jobs_lost) == (0, 0, 0), str(seen)
    assert set(seen.codes) == {1012} and seen.most_closes == 1, str(seen)
    assert re.search(rf"serves release {first} again, instead of {second} ", said), said
    assert "on trial for 5 s" in said and "a page and a websocket" in said
    assert release(place) == first and level(place) != "debug"
    assert "5000000" not in (place.folder / "edge/settings.env").read_text()
    assert (place.folder / "stack.env").read_text() == edited
    assert f"COMPOSE_FILE={place.folder}/releases/{first}/stack.json\n" in (place.folder / ".env").read_text()


def test_a_second_one_says_that_there_is_none_before(place):
    with pytest.raises(stacks.StackError, match=r"there is no release before [0-9a-f]{12}; kept: "):
        stacks.tool(place.folder, "rollback")
    with pytest.raises(stacks.StackError, match="release 1234 is not kept here; kept: "):
        stacks.tool(place.folder, "rollback", RELEASE="1234")


def test_it_is_in_the_history_and_up_leads_forward(place):
    first = release(place)
    assert re.search(rf"{first} +\S+@\S+ +serves kept back", stacks.tool(place.folder, "releases"))
    assert "rollback" in stacks.tool(place.folder, "audit")
    stacks.tool(place.folder, "up")
    assert release(place) != first and level(place) == "debug"
    running = set(place.containers())
    said = stacks.tool(place.folder, "up")
    assert "nothing had to be restarted" in said and set(place.containers()) == running


def test_one_whose_image_is_lost(place):
    image = stacks.inspect(place.containers("http")[0])["Config"]["Image"]
    first = release(place)
    change(place, APP_BUILD_PACKAGES="nano")
    stacks.docker("tag", image, "channels-stack-test/kept")
    stacks.docker("rmi", image)
    try:
        with pytest.raises(stacks.StackError, match=rf"has lost images of release {first}: {image}"):
            stacks.tool(place.folder, "rollback")
    finally:
        stacks.docker("tag", "channels-stack-test/kept", image)
        stacks.docker("rmi", "channels-stack-test/kept")


def test_one_that_the_database_does_not_suit_any_more(place, application):
    """It is refused with the migration and the reason, and what runs goes on."""
    sources.migrate(application, "0009_shouted", WITHOUT_A_JUDGE)
    stacks.tool(place.folder, "up")
    serving, running = release(place), set(place.containers())
    with pytest.raises(stacks.StackError, match=r"rooms\.0009_shouted: ") as refused:
        stacks.tool(place.folder, "rollback")
    assert "nothing was changed" in str(refused.value)
    assert release(place) == serving and set(place.containers()) == running
    assert "nothing had to be restarted" in stacks.tool(place.folder, "up")
