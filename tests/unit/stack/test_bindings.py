"""What ports are bound to, and when IPv6 stays closed."""

import json

import pytest

from channels_stack_deploy.config import addresses
from channels_stack_deploy.config.addresses import Bound


@pytest.mark.parametrize(
    ("setting", "bound"),
    [
        ("::", Bound("0.0.0.0", "::")),
        ("0.0.0.0", Bound("0.0.0.0")),
        ("127.0.0.1", Bound("127.0.0.1")),
        ("192.0.2.1 2001:db8::1", Bound("192.0.2.1", "2001:db8::1")),
        ("2001:db8:0::1  192.0.2.1", Bound("192.0.2.1", "2001:db8::1")),
        ("0.0.0.0 ::", Bound("0.0.0.0", "::")),
        ("2001:db8::1", Bound("127.0.0.1", "2001:db8::1")),
    ],
)
def test_an_address_of_each_family(setting, bound):
    assert addresses.asked(setting) == bound


@pytest.mark.parametrize("setting", ["", "eth0", "192.0.2.0/24", "0.0.0.0 127.0.0.1", ":: ::1", "[::]"])
def test_anything_else_is_refused(setting):
    with pytest.raises(ValueError, match=r"no address|IPv4 or IPv6 address|two of one family"):
        addresses.asked(setting)


LOOPBACK = "00000000000000000000000000000001 01 80 10 80       lo\n"
LINK = "fe80000000000000000000fffe000001 02 40 20 80     eth0\n"
BRIDGE = "fd770001000000000000000000000001 05 40 00 80 br-7179f6f2e212\n"
REAL = "20010db8000000000000000000000002 02 40 00 80     eth0\n"


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (LOOPBACK + LINK, False),
        (LOOPBACK + BRIDGE, False),
        (LOOPBACK + REAL + LINK, True),
        ("", False),
        (None, False),
    ],
)
def test_a_machine_has_ipv6_where_others_may_reach_it(tmp_path, lines, found):
    path = tmp_path / "if_inet6"
    if lines is not None:
        path.write_text(lines)
    assert addresses.reachable(path) == found


@pytest.mark.parametrize(
    ("file", "command", "switches"),
    [
        (None, "dockerd", {}),
        ({"ip6tables": True, "experimental": True}, "dockerd", {"ip6tables": True, "experimental": True}),
        (
            None,
            "/usr/sbin/dockerd --experimental --ip6tables=true",
            {"ip6tables": True, "experimental": True},
        ),
        ({"ip6tables": True}, "dockerd --ip6tables=false", {"ip6tables": False}),
        (None, "python3 dockerd --ip6tables", {}),
    ],
)
def test_what_the_engine_was_started_with(tmp_path, file, command, switches):
    path = tmp_path / "daemon.json"
    if file is not None:
        path.write_text(json.dumps(file))
    (tmp_path / "17").mkdir()
    (tmp_path / "17/cmdline").write_text(command.replace(" ", "\0") + "\0")
    assert addresses.configured(path, tmp_path) == switches


def test_each_stack_has_a_network_of_its_own():
    one, other = addresses.subnet("/srv/one"), addresses.subnet("/srv/other")
    assert one != other
    assert one.startswith("fd") and one.endswith("::/64")


ROUTE = "0" * 32 + " 00 " + "0" * 32 + " 00 fe80" + "0" * 27 + "1 00000400 00000001 00000000 {flags} eth0\n"


@pytest.mark.parametrize(
    ("flags", "accepts", "closed"),
    [("00440003", "1", True), ("00440003", "2", False), ("00440003", "0", False), ("00000003", "1", False)],
    ids=["advertised", "accepted by a router too", "by another program", "static"],
)
def test_a_machine_does_not_lose_its_advertised_route(tmp_path, flags, accepts, closed):
    routes = tmp_path / "routes"
    routes.write_text(ROUTE.format(flags=flags))
    (tmp_path / "eth0").mkdir()
    (tmp_path / "eth0/accept_ra").write_text(accepts + "\n")
    assert bool(addresses.advertised(routes, tmp_path)) == closed
    assert addresses.advertised(tmp_path / "none", tmp_path) == ""
