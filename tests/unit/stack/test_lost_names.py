"""What names.py of the role swarm takes for lost, and what it does then; tests/deploy/test_partition.py sees it work."""

import importlib.util
from pathlib import Path

import pytest

FILE = Path(__file__).resolve().parents[3] / "ansible/roles/swarm/files/names.py"
A, B = "192.0.2.1", "192.0.2.2"
OTHERS = {"10.0.1.9"}
"""Of other tasks, that are found."""


@pytest.fixture
def names(monkeypatch):
    spec = importlib.util.spec_from_file_location("lost_names", FILE)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(__import__("sys").modules, "lost_names", module)  # for its dataclasses
    spec.loader.exec_module(module)
    return module


def test_a_host_is_lost_where_it_had_tasks_and_until_it_has_some_in_every_network(names):
    watch = names.Hosts()
    assert watch.look({"front": {A, B}, "data": {A}}, 0) == [] and not watch.lost
    assert watch.look({"front": {B}, "data": set()}, 1) == []
    assert watch.lost[A].networks == {"front", "data"} and watch.lost[A].since == 1
    assert watch.look({"front": {A, B}, "data": set()}, 2) == []
    assert watch.lost[A].networks == {"data"} and watch.lost[A].since == 1
    assert watch.look({"front": {A, B}, "data": {A}}, 3) == [A] and not watch.lost


def test_a_network_that_this_host_has_left_is_of_no_interest(names):
    watch = names.Hosts()
    watch.look({"front": {A}}, 0)
    watch.look({"front": set()}, 1)
    assert watch.look({}, 2) == [A] and not watch.lost


def test_a_host_that_has_left_is_forgotten(names):
    watch = names.Hosts()
    watch.look({"front": {A, B}, "data": {A}}, 0)
    watch.look({"front": {B}, "data": {A}}, 1)
    watch.forget(A)
    assert watch.look({"front": {B}, "data": {A}}, 2) == [] and not watch.lost
    watch.look({"front": {B}, "data": set()}, 3)
    assert watch.lost[A].networks == {"data"}


def test_a_host_is_asked_when_it_can_be_reached_less_and_less_often(names):
    lost = names.Lost({"front"}, since=0.0)
    assert not lost.due(100.0), "it cannot be reached"
    lost.reached = 100.0
    asked = []
    for tenths in range(100_0, 700_0):
        if lost.due(tenths / 10):
            asked.append(tenths / 10 - 100)
            lost.asked += 1
    assert asked == list(names.PATIENCE) and lost.left


def test_only_hosts_that_are_there_and_have_tasks_count(names, monkeypatch):
    monkeypatch.setattr(names, "is_own", lambda address: address == "192.0.2.9")
    tasks = [{"Info": {"Host IP": host}} for host in (A, "192.0.2.7", "192.0.2.9")]
    network = {
        "Peers": [{"IP": A}, {"IP": B}, {"IP": "192.0.2.9"}],
        "Services": {"web": {"Tasks": tasks}},
    }
    assert names.hosts(network) == {A}
    assert names.hosts({"Peers": None, "Services": None}) == set()


def test_whom_the_engine_asks(names):
    watch = names.Hosts()
    watch.look({"front": {A, B, "192.0.2.3"}}, 0)
    watch.look({"front": {"192.0.2.3"}}, 1)
    assert watch.members(A) == {A, "192.0.2.3"}, "B cannot be reached, or is asked for itself"


def test_a_task_is_stopped_that_is_healthy_and_never_gets_a_name(names):
    watch = names.Tasks()
    assert watch.look({}, set(), 0) == []
    born = {"a": {"10.0.1.1", "10.0.2.1"}}
    assert watch.look(born, OTHERS, 10) == []
    assert watch.look(born, OTHERS, 10 + names.NAMELESS_SECONDS - 1) == []
    assert watch.look(born, OTHERS, 10 + names.NAMELESS_SECONDS) == ["a"]
    assert watch.look(born, OTHERS, 1000) == [], "once is enough"


def test_tasks_are_stopped_now_and_then(names):
    """What is wrong for another reason is not made worse."""
    watch = names.Tasks()
    watch.look({}, set(), 0)
    both = {"a": {"10.0.1.1"}, "b": {"10.0.1.2"}}
    watch.look(both, OTHERS, 10)
    assert watch.look(both, OTHERS, 100) == ["a", "b"]
    watch.look({"c": {"10.0.1.3"}}, OTHERS, 110)
    assert watch.look({"c": {"10.0.1.3"}}, OTHERS, 100 + names.PAUSE_SECONDS - 1) == []
    assert watch.look({"c": {"10.0.1.3"}}, OTHERS, 100 + names.PAUSE_SECONDS) == ["c"]


def test_no_task_is_stopped_where_there_are_no_names_at_all(names):
    watch = names.Tasks()
    watch.look({}, set(), 0)
    watch.look({"a": {"10.0.1.1"}}, set(), 10)
    assert watch.look({"a": {"10.0.1.1"}}, set(), 1000) == []


def test_a_task_that_has_or_had_a_name_is_left_alone(names):
    watch = names.Tasks()
    watch.look({}, set(), 0)
    watch.look({"a": {"10.0.1.1", "10.0.2.1"}}, {"10.0.2.1"}, 10)
    assert watch.look({"a": {"10.0.1.1", "10.0.2.1"}}, OTHERS, 1000) == [], "it is about to end"


def test_a_task_that_is_older_than_the_program_is_left_alone(names):
    watch = names.Tasks()
    watch.look({"a": {"10.0.1.1"}}, set(), 0)
    assert watch.look({"a": {"10.0.1.1"}}, OTHERS, 1000) == []
    watch.look({}, OTHERS, 1001)
    watch.look({"a": {"10.0.1.1"}}, OTHERS, 1002)
    assert watch.look({"a": {"10.0.1.1"}}, OTHERS, 2000) == ["a"], "what has gone is forgotten"


def test_only_healthy_tasks_of_swarm_count(names):
    def container(identity, labels, status):
        networks = {
            "front": {"NetworkID": "1", "IPAddress": "10.0.1.1"},
            "data": {"NetworkID": "2", "IPAddress": "10.0.2.1"},
        }
        return {"Id": identity, "Labels": labels, "Status": status, "NetworkSettings": {"Networks": networks}}

    task = {"com.docker.swarm.task.id": "x"}
    running = [
        container("a", task, "Up 2 minutes (healthy)"),
        container("b", task, "Up 2 minutes (unhealthy)"),
        container("c", task, "Up 2 minutes"),
        container("d", {}, "Up 2 minutes (healthy)"),
    ]
    assert names.healthy(running, {"1", "2"}) == {"a": {"10.0.1.1", "10.0.2.1"}}


def test_a_task_that_no_name_service_knows_is_left_alone(names):
    """Of another stack of the swarm: in the host's network, or in one of this host alone, no task is ever found by name."""

    def task(identity, **networks):
        return {
            "Id": identity,
            "Labels": {"com.docker.swarm.task.id": "x"},
            "Status": "Up 2 minutes (healthy)",
            "NetworkSettings": {"Networks": networks},
        }

    host, bridge = {"NetworkID": "8", "IPAddress": ""}, {"NetworkID": "9", "IPAddress": "172.18.0.2"}
    running = [
        task("a", host=host),
        task("b", bridge=bridge),
        task("c", bridge=bridge, front={"NetworkID": "1", "IPAddress": "10.0.1.1"}),
    ]
    assert names.healthy(running, {"1"}) == {"c": {"10.0.1.1"}}


def test_a_link_that_the_engine_has_not_made_is_left_alone(names):
    """Administrators have VXLANs of their own."""
    watch, others = names.Links(), ["vx-lan", "vx-001002", "vx-office-berlin", "vx-001002-abcdef", "vxlan0"]
    watch.look(others, 0)
    assert watch.look(others, 1000) == []


def test_a_link_that_stays_was_left_behind(names):
    watch = names.Links()
    assert watch.look(["lo", "eth0", "vx-001002-abcde"], 0) == []
    assert watch.look(["lo", "eth0"], 5) == []
    assert watch.look(["lo", "eth0", "vx-001002-abcde"], 6) == []
    assert watch.look(["lo", "eth0", "vx-001002-abcde"], 6 + names.LINK_SECONDS) == ["vx-001002-abcde"]


def test_own_addresses(names):
    assert names.is_own("127.0.0.1") and not names.is_own("192.0.2.1")
