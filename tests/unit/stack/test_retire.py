"""What retire.py of the role swarm refuses, before it touches a node; that it works: tests/deploy/test_retire.py."""

import importlib.util

import pytest


@pytest.fixture
def retire(root):
    spec = importlib.util.spec_from_file_location("retire", root / "ansible/roles/swarm/files/retire.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def node(name: str, role: str = "manager", reachable: str = "reachable") -> dict:
    status = {"ManagerStatus": {"Reachability": reachable}} if role == "manager" else {}
    return {"Spec": {"Role": role}, "Description": {"Hostname": name}, **status}


def service(name: str, *constraints: str) -> dict:
    return {"Spec": {"Name": name, "TaskTemplate": {"Placement": {"Constraints": list(constraints)}}}}


SERVICES = [
    service("s_http", "node.labels.app == true"),
    service("s_db", "node.labels.data == true", "node.hostname == one"),
    service("s_redis", "node.hostname==one"),
    {"Spec": {"Name": "s_plain", "TaskTemplate": {}}},
]


@pytest.mark.parametrize(
    ("host", "nodes", "reason"),
    [
        ("one", [node("one"), node("two"), node("three")], "holds the data of s_db, s_redis"),
        ("two", [node("two"), node("one", "worker")], "two is the only manager"),
        (
            "two",
            [node("one"), node("two"), node("three", reachable="unreachable")],
            "so is three, which cannot",
        ),
    ],
)
def test_it_stays(retire, host, nodes, reason):
    with pytest.raises(retire.Refused, match=reason):
        retire.check(host, nodes, SERVICES)


@pytest.mark.parametrize(
    ("host", "nodes"),
    [
        ("two", [node("one"), node("two"), node("three")]),
        ("on", [node("one"), node("on")]),
        ("two", [node("one"), node("two", "worker"), node("three", reachable="unreachable")]),
    ],
    ids=["one of three", "a name that another one begins with", "a worker, while a manager is lost"],
)
def test_it_may_go(retire, host, nodes):
    retire.check(host, nodes, SERVICES)
