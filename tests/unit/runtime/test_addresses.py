"""What a process listens on: every address, or none on the side of the data stores."""

import pytest

from channels_stack.config import addresses


@pytest.fixture
def machine(monkeypatch):
    """A function (own, ways) for a container with these addresses and these ways: host -> our address on the way to it."""
    monkeypatch.setenv("CLOSED_TO_DATA_STORES", "true")
    monkeypatch.setenv("DATABASE_URL", "postgresql://app:x@db:5432/app")
    monkeypatch.setenv("REDIS_URL", "redis://app:x@redis:6379/0")

    def make(own, ways):
        monkeypatch.setattr(addresses, "own_addresses", lambda: own)
        monkeypatch.setattr(addresses, "own_address", lambda host: ways.get(host, ""))

    return make


@pytest.mark.parametrize(
    ("own", "ways", "expected"),
    [
        (
            ["127.0.0.1", "172.18.0.5", "172.19.0.5"],
            {"db": "172.18.0.5", "redis": "172.18.0.5"},
            ["127.0.0.1", "172.19.0.5"],
        ),
        # One of them is enough to know the side; outside services lie on the way out.
        (["127.0.0.1", "172.18.0.5", "172.19.0.5"], {"redis": "172.18.0.5"}, ["127.0.0.1", "172.19.0.5"]),
        (["127.0.0.1", "a", "b", "c"], {"db": "a", "redis": "b"}, ["127.0.0.1", "c"]),
        # Data stores on this very machine: its own processes are there too.
        (["127.0.0.1", "192.0.2.7"], {"db": "127.0.0.1", "redis": "127.0.0.1"}, ["127.0.0.1", "192.0.2.7"]),
    ],
)
def test_the_side_of_the_data_stores_is_left_out(machine, own, ways, expected):
    machine(own, ways)
    assert addresses.to_listen_on() == expected


def test_where_it_is_not_asked_for_every_address_is_open(monkeypatch):
    monkeypatch.delenv("CLOSED_TO_DATA_STORES", raising=False)
    assert addresses.to_listen_on() == ["0.0.0.0"]


def test_data_stores_that_stay_unknown_do_not_keep_a_process_from_serving(machine, caplog):
    machine(["127.0.0.1", "172.18.0.5"], {})
    assert addresses.to_listen_on(wait_seconds=0.1) == ["0.0.0.0"]
    assert "is not known" in caplog.text


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("redis://app:p%40ss@redis:6379/0", ["redis"]),
        (
            "redis+sentinel://app:x@sentinel,sentinel-2:26380,sentinel-3/redis/0",
            ["sentinel", "sentinel-2", "sentinel-3"],
        ),
        ("postgresql://app:x@db:5432/app?sslmode=require", ["db"]),
        ("sqlite:////srv/app/data/db.sqlite3", []),
        ("", []),
    ],
)
def test_hosts_of_an_address(url, hosts):
    assert addresses.hosts(url) == hosts


def test_our_own_addresses():
    assert "127.0.0.1" in addresses.own_addresses()
    assert addresses.own_address("127.0.0.1") == "127.0.0.1"
    assert addresses.own_address("no-such-host.invalid") == ""
