"""What the visitors of `make capacity` do: as it is declared, or made of the probes; and where they come from."""

from __future__ import annotations

import pytest

from channels_stack_deploy.capacity import crowd, run, visits
from channels_stack_deploy.checks import probes
from channels_stack_deploy.checks.visit import Paths, Route
from channels_stack_deploy.config.settings import defaults
from channels_stack_deploy.console import Failure


@pytest.fixture
def sections(tmp_path):
    """The sections of a probes.ini."""
    (tmp_path / "password").write_text("secret")

    def read(text: str) -> list[probes.Probe]:
        (tmp_path / probes.NAME).write_text(text)
        return probes.sections(tmp_path / probes.NAME, tmp_path)

    return read


SIGN_IN = "[sign-in anna]\npath = /login/\nuser = anna\npassword_file = password\npage = /orders/\n"


def test_the_example_of_the_page(sections, root):
    """It is right, and its defaults are those of the table."""
    page = (root / "docs/how-to/capacity.md").read_text()
    text = page.split("```ini\n")[1].split("```")[0]
    ben = SIGN_IN.replace("anna", "ben")
    reader, member = visits.declared(sections(SIGN_IN + ben + text))
    assert (reader.pages, reader.share, reader.users, reader.sockets) == (("/", "/articles/"), 4, ("",), ())
    assert (member.users, member.think, member.messages) == (("anna", "ben"), 5, 6)
    usual = visits.Visit("x", ("/",))
    for name in ("think", "messages", "seconds", "share", "slowest"):
        assert f"| `{getattr(usual, name):g}` |" in page.split(f"| `{name}` |")[1].split("\n")[0]


def test_the_probes_where_none_is_declared(sections):
    found = visits.supposed(
        sections(
            SIGN_IN + "[page a]\npath = /a/\n[page gone]\npath = /b/\nstatus = 404\n"
            "[page c]\npath = /c/\nas = anna\n[socket s]\npath = /ws/\nas = anna\nsubprotocol = x\nsend = y\n"
            "[job j]\npage = /order/\nresult = /\ntext = x\n"
        ),
        Paths(),
    )
    assert [(each.users, each.pages, each.sockets, each.subprotocol, each.send) for each in found] == [
        (("",), ("/a/",), (), "", ()),
        (("anna",), ("/orders/", "/c/"), ("/ws/",), "x", ()),
    ]


def test_a_page_and_the_known_routes_where_there_are_no_probes():
    (found,) = visits.supposed([], Paths((Route("/ws/"), Route("/rooms/a/", guessed=True))))
    assert (found.pages, found.sockets) == (("/",), ("/ws/",))


class Refusing:
    """An application that has nothing for strangers."""

    def visitor(self, user: str) -> Refusing:
        return self

    def get(self, path: str, *_):
        raise ConnectionResetError("reset")

    socket = get


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (True, "a [visit] asks for what is answered"),
        (False, "no [visit] is declared, and nothing else is known"),
    ],
)
def test_what_is_not_answered_is_refused_with_the_way_out(given, words):
    with pytest.raises(Failure) as refused:
        visits.possible(Refusing(), [visits.Visit("a page", ("/",))], given=given)
    first, *way_out = str(refused.value).splitlines()
    assert first.startswith("visit a page: / answers ") and way_out[0].startswith(words)
    assert ("[visit reader]" in str(refused.value)) is not given


def test_what_strangers_come_for_is_bounded_by_the_settings():
    known = defaults()
    limits = run.bounds(known, [visits.Visit("a", ("/",), ("/ws/",)), visits.Visit("b", ("/",), slowest=0.5)])
    assert (limits.slowest, limits.sockets, limits.edge) == (0.5, 10_000, 3760)
    assert (limits.connections_of_a_visitor, limits.sockets_of_a_visitor) == (2, 1)
    assert run.bounds({**known, "DB_NODES": "0"}, [visits.Visit("a", ("/",))]).connections is None


@pytest.mark.parametrize("minutes", ["0.1", "61", "five", "-1"])
def test_a_time_that_is_none_is_refused(minutes):
    with pytest.raises(Failure, match="MINUTES is"):
        run.parsed(minutes)


def test_another_machine_is_refused():
    with pytest.raises(Failure, match=r"TARGET=https://rooms.example.org: .* run it on that machine"):
        run.refuse_elsewhere("", "https://rooms.example.org")
    with pytest.raises(Failure, match="ENV=production is servers"):
        run.refuse_elsewhere("production", "")
    run.refuse_elsewhere("", "")


@pytest.mark.parametrize(("subnet", "count"), [("172.20.0.0/16", 250), ("10.1.2.0/28", 8)])
def test_addresses_are_those_that_the_engine_gives_last(subnet, count):
    taken = "172.20.255.254" if count == 250 else "10.1.2.14"
    network = {
        "IPAM": {"Config": [{"Subnet": "fd00::/64"}, {"Subnet": subnet}]},
        "Containers": {"edge": {"IPv4Address": f"{taken}/16"}},
    }
    found = crowd.addresses(network)
    assert len(found) == len(set(found)) == count and taken not in found
    assert found[0] == taken.rpartition(".")[0] + "." + str(int(taken.rpartition(".")[2]) - 1)
