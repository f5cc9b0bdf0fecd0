"""A second stack on the same machine, from a folder of its own: both serve, and neither touches what is the other's."""

import pytest
import stacks
from environments import things
from visitors import browse, sign_in


@pytest.fixture(scope="module")
def second():
    """One replica of each is enough to be there."""
    few = {"HTTP_REPLICAS": "1", "WS_REPLICAS": "1", **stacks.BRIEF}
    with stacks.own("second", **few) as made:
        yield made


@pytest.fixture(scope="module")
def member(other):
    """Somebody who is signed in on the first."""
    with browse(other) as client:
        assert sign_in(client, other.user, other.password).status_code == 302
        yield client


def test_both_serve_with_data_of_their_own(other, second, member):
    with browse(second) as visitor:
        assert visitor.get("/login/").status_code == 200
        assert member.get("/").status_code == 200
        # The session of one is no session of the other.
        visitor.cookies.set("sessionid", member.cookies["sessionid"])
        assert visitor.get("/", follow_redirects=False).status_code == 302
    mine, others = things(other.project), things(second.project)
    assert all(mine.values()) and all(others.values())
    assert not any(mine[kind] & others[kind] for kind in mine)


def test_plain_docker_compose_means_the_stack_of_its_folder(other, second):
    for each in (other, second):
        shown = each.compose("ps", "--all", "--format", "{{.Name}}").split()
        assert sorted(shown) == each.containers()


@pytest.mark.parametrize("verb", ["up", "down", "purge", "compose ps"])
def test_a_folder_that_takes_the_name_of_the_first_is_refused(other, second, tmp_path, verb):
    before = things(other.project)
    (tmp_path / "stack.env").write_text(f"COMPOSE_PROJECT_NAME={other.project}\n")
    with pytest.raises(stacks.StackError, match=f"{other.project} belongs to {other.folder}"):
        stacks.tool(tmp_path, *verb.split(), CONFIRM="yes")
    assert things(other.project) == before


def test_up_again_changes_nothing_in_either(other, second):
    before = [each.containers() for each in (other, second)]
    for each in (other, second):
        assert "nothing had to be restarted" in stacks.tool(each.folder, "up")
    assert [each.containers() for each in (other, second)] == before


def test_purge_of_the_second_leaves_the_first(other, second, member):
    """A release that an interrupted `make up` left running, too."""
    before = things(other.project)
    second.compose("run", "--detach", "--no-deps", "--entrypoint", "sleep", "release", "600")
    stacks.tool(second.folder, "purge", CONFIRM="yes")
    assert not any(things(second.project).values())
    assert things(other.project) == before and member.get("/").status_code == 200
