"""What drain.py of the role swarm decides before it touches a node."""

import importlib.util
import json
from pathlib import Path

import pytest

FILE = Path(__file__).resolve().parents[3] / "ansible/roles/swarm/files/drain.py"


@pytest.fixture
def drain(monkeypatch):
    spec = importlib.util.spec_from_file_location("drain", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def service(name, replicas, constraint="node.labels.app == true"):
    return {
        "Spec": {
            "Name": name,
            "Mode": {"Replicated": {"Replicas": replicas}},
            "TaskTemplate": {"Placement": {"Constraints": [constraint]}},
        }
    }


def test_which_services_get_companions(drain, monkeypatch):
    """Answers of an engine, as `docker` prints them."""
    services = [
        service("s_http", 3),
        service("s_ws", 2),
        service("s_db", 1, "node.hostname == one"),
        service("s_worker", 5),
    ]
    running = "s_http.1 Running 2 hours ago\ns_http.3 Running 1 second ago\ns_db.1 Running 1 hour ago\ns_ws.1 Starting now\n"
    answers = {"node": running, "service ls": "a b c d", "service inspect": json.dumps(services)}
    monkeypatch.setattr(
        drain,
        "docker",
        lambda *words: next(text for key, text in answers.items() if " ".join(words).startswith(key)),
    )
    killed = {"Spec": {"Labels": {"app": "true", f"{drain.BEFORE}s_worker": "2"}}}
    assert drain.companions({"ID": "x"}, [{"Spec": {}}, killed]) == {"s_http": (3, 2), "s_worker": (2, 0)}
