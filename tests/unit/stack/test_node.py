"""What node.py of the role swarm decides before it touches a node; that it works: tests/deploy/{test_hosts,test_retire}.py."""

import importlib.util
import json

import pytest


@pytest.fixture
def swarm(root):
    spec = importlib.util.spec_from_file_location("node", root / "ansible/roles/swarm/files/node.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def node(name: str, role: str = "manager", reachable: str = "reachable") -> dict:
    status = {"ManagerStatus": {"Reachability": reachable}} if role == "manager" else {}
    return {"Spec": {"Role": role}, "Description": {"Hostname": name}, **status}


def service(name: str, *constraints: str, replicas: int = 1) -> dict:
    return {
        "Spec": {
            "Name": name,
            "Mode": {"Replicated": {"Replicas": replicas}},
            "TaskTemplate": {"Placement": {"Constraints": list(constraints)}},
        }
    }


APP = "node.labels.app == true"


def test_which_services_get_companions(swarm, monkeypatch):
    """Answers of an engine, as `docker` prints them."""
    services = [
        service("s_http", APP, replicas=3),
        service("s_ws", APP, replicas=2),
        service("s_db", "node.hostname == one"),
        service("s_worker", APP, replicas=5),
    ]
    running = "s_http.1 Running 2 hours ago\ns_http.3 Running 1 second ago\ns_db.1 Running 1 hour ago\ns_ws.1 Starting now\n"
    answers = {"node": running, "service ls": "a b c d", "service inspect": json.dumps(services)}
    monkeypatch.setattr(
        swarm,
        "docker",
        lambda *words: next(text for key, text in answers.items() if " ".join(words).startswith(key)),
    )
    killed = {"Spec": {"Labels": {"app": "true", f"{swarm.BEFORE}s_worker": "2"}}}
    assert swarm.companions({"ID": "x"}, [{"Spec": {}}, killed]) == {"s_http": (3, 2), "s_worker": (2, 0)}


def test_what_waits_for_its_host_is_not_waited_for(swarm, monkeypatch):
    """Prometheus does, a data store does not: without that the site is not served."""
    services = [
        service("s_prometheus", "node.hostname == one"),
        service("s_elsewhere", "node.hostname == two"),
        service("s_http", APP, replicas=3),
        service("s_db", "node.labels.data == true", "node.hostname == one"),
    ]
    nodes = [
        {
            "Description": {"Hostname": name},
            "Spec": {"Availability": availability},
            "Status": {"State": "ready"},
        }
        for name, availability in (("one", "drain"), ("two", "active"))
    ]
    answers = {
        "service ls --quiet": "a b c d",
        "service ls --format": "s_prometheus 0/1\ns_elsewhere 1/1\ns_http 3/3\ns_db 0/1\n",
        "service inspect": json.dumps(services),
        "node ls": "x y",
        "node inspect": json.dumps(nodes),
    }
    monkeypatch.setattr(
        swarm,
        "docker",
        lambda *words: next(text for key, text in answers.items() if " ".join(words).startswith(key)),
    )
    assert swarm.waiting() == ["s_prometheus"]
    assert swarm.unfinished(swarm.waiting()) == ["s_db 0/1"]


SERVICES = [
    service("s_http", APP),
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
def test_it_stays(swarm, host, nodes, reason):
    with pytest.raises(swarm.Refused, match=reason):
        swarm.may_retire(host, nodes, SERVICES)


@pytest.mark.parametrize(
    ("host", "nodes"),
    [
        ("two", [node("one"), node("two"), node("three")]),
        ("on", [node("one"), node("on")]),
        ("two", [node("one"), node("two", "worker"), node("three", reachable="unreachable")]),
    ],
    ids=["one of three", "a name that another one begins with", "a worker, while a manager is lost"],
)
def test_it_may_go(swarm, host, nodes):
    swarm.may_retire(host, nodes, SERVICES)
