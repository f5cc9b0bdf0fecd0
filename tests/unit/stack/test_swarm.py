"""What a deploy decides without an engine: layers to send, who holds a lock, what tells two definitions apart."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from channels_stack_deploy.console import Failure
from channels_stack_deploy.registry import transfer
from channels_stack_deploy.swarm import balance, deploy_lock, history, inventory, jobs, rollout
from channels_stack_deploy.swarm.deploy_lock import Holder
from channels_stack_deploy.swarm.engine import Engine, counts


@pytest.mark.parametrize(
    ("text", "wanted"), [("1/2", 2), ("0/0", 0), ("0/1 (2/3 completed)", 3), ("3/3 (max 2 per node)", 3)]
)
def test_tasks_wanted(text, wanted):
    assert counts(text) == wanted


def test_layers_that_a_host_has_are_not_sent():
    assert transfer.known({"app:2": ["a", "b", "d"]}, [["a", "b", "c"]]) == {"a", "b"}


def test_a_layer_on_another_ground_is_sent():
    assert transfer.known({"app:2": ["x", "b"]}, [["a", "b"]]) == set()


def test_a_layer_that_one_image_needs_is_sent_although_another_has_it():
    assert transfer.known({"app:2": ["a", "b"], "edge:2": ["x", "b"]}, [["a", "b"]]) == {"a"}


def test_a_lock_of_a_process_that_runs():
    assert not Holder.process(os.getpid()).gone


def test_a_lock_that_is_asked_for_again_is_held():
    """The connection broke before the answer came: Ansible runs the command again."""

    class Manager:
        stack = "rooms"

        def __init__(self) -> None:
            self.labels: dict[str, str] = {}

        def attempt(self, *words: str, given: str = ""):
            if words[:2] == ("config", "inspect"):
                return 0, json.dumps([{"Spec": {"Labels": self.labels}}]), ""
            taken = bool(self.labels)
            pairs = [words[at + 1].partition("=") for at, word in enumerate(words) if word == "--label"]
            self.labels = self.labels or {name: value for name, _, value in pairs}
            return int(taken), "", "already exists" if taken else ""

    manager, mine = Manager(), Holder.process(os.getpid())
    assert [deploy_lock.take(manager, mine) for _ in range(2)] == ["locked", "locked"]
    with pytest.raises(Failure, match="locked by"):
        deploy_lock.take(manager, replace(mine, since="later"))


def test_a_lock_of_a_process_that_has_ended():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    holder = Holder.process(process.pid)
    assert not holder.gone
    process.communicate(b"\n")
    assert holder.gone


def test_a_lock_whose_pid_is_used_again():
    assert replace(Holder.process(os.getpid()), began="1").gone


def test_a_lock_of_another_machine_is_never_taken_for_dead():
    assert not replace(Holder.process(os.getpid()), machine="another", began="1").gone


def test_another_number_of_tasks_is_reported_before_it_is_set():
    before = {name: {"wanted": 6} for name in ("ws", "http", "edge")}
    file = {
        "ws": {"deploy": {"replicas": 3}},
        "http": {"deploy": {"replicas": 6}},
        "edge": {"deploy": {"mode": "global"}},
    }
    file["worker"] = {"deploy": {"replicas": 2}}  # it never ran
    assert rollout.resized(before, file) == ["    ws: 6 tasks run, WS_REPLICAS is 3: it is scaled to 3"]


def service_of(image: str, wanted: int, state: str = "") -> dict:
    """A service as the engine has it, in STATE of its update."""
    status = {"UpdateStatus": {"State": state, "StartedAt": "now"}} if state else {}
    return {"Spec": {"TaskTemplate": {"ContainerSpec": {"Image": image}}}, "wanted": wanted, **status}


@pytest.mark.parametrize(
    ("tasks_before", "state", "done"),
    [(2, "", False), (2, "updating", False), (2, "completed", True), (0, "", True)],
    ids=["not begun", "under way", "completed", "nothing was there to replace"],
)
def test_when_a_service_stands(tasks_before, state, done):
    """A service that scale.yml had brought to 0 tasks gets its new ones without an update that Swarm would speak of."""
    spec = service_of("new", 2)["Spec"]["TaskTemplate"]
    running = {"Status": {"State": "running"}, "DesiredState": "running", "Spec": spec}
    watched = rollout.Watched(
        "ws", service_of("old", tasks_before), "r2", service_of("new", 2, state), [running] * 2
    )
    assert watched.done is done


def test_only_the_name_of_the_release_differs():
    text = '{"services": {"a": {"image": "x", "deploy": {"labels": {"r": "%s"}, "replicas": 1}}}}'
    assert jobs.unlabelled(text % "one") == jobs.unlabelled(text % "two")
    assert jobs.unlabelled(text % "one") != jobs.unlabelled(text.replace("x", "y") % "one")


def test_manifests_one_after_the_other():
    text = '{"release": "a", "images": {}}\n{"release": "b", "images": {}}\n{"release": "a", "images": {}}\n'
    assert [each["release"] for each in history.parse(text)] == ["a", "b"]


def test_a_job_that_was_removed_since_it_was_listed_is_left_out():
    said = "no such service: 4yhdvm0eqx3sd5tgbojw3k6zp"  # as a run met it that went on after a killed one
    engine = Engine(lambda line, given: (1, "", said), "stack", print)
    assert engine.tasks(["4yhdvm0eqx3sd5tgbojw3k6zp"]) == []


def test_an_engine_that_does_not_answer_is_no_service_that_has_gone():
    engine = Engine(lambda line, given: (1, "", "Cannot connect to the Docker daemon"), "stack", print)
    with pytest.raises(Failure, match="Cannot connect"):
        engine.tasks(["4yhdvm0eqx3sd5tgbojw3k6zp"])


@pytest.mark.parametrize(
    ("places", "nodes", "number"),
    [
        ("aab", "abc", 1),
        ("aaa", "abc", 2),
        ("ab", "abc", 0),
        ("aa", "abc", 1),
        ("aabb", "abc", 1),
        ("aabc", "abc", 0),
        ("aaaa", "ab", 2),
        ("aaa", "a", 0),
        ("aab", "", 0),
        ("", "abc", 0),
    ],
)
def test_how_many_tasks_have_to_move(places, nodes, number):
    assert balance.moves(list(places), list(nodes)) == number


def service_with(*constraints):
    return {"Spec": {"TaskTemplate": {"Placement": {"Constraints": list(constraints)}}}}


@pytest.mark.parametrize(
    ("constraints", "availability", "state", "fits"),
    [
        ([], "active", "ready", True),
        (["node.labels.app == true"], "active", "ready", True),
        (["node.labels.app == true"], "drain", "ready", False),
        (["node.labels.app == true"], "active", "down", False),
        (["node.labels.edge == true"], "active", "ready", False),
        (["node.labels.edge != true", "node.hostname==one"], "active", "ready", True),
        (["node.hostname == two"], "active", "ready", False),
        (["node.platform.os == linux"], "active", "ready", False),
    ],
)
def test_where_tasks_may_be_put(constraints, availability, state, fits):
    node = {
        "Spec": {"Availability": availability, "Labels": {"app": "true"}},
        "Status": {"State": state},
        "Description": {"Hostname": "one"},
    }
    assert balance.fits(service_with(*constraints), node) is fits


def test_a_part_without_services_is_not_handed_to_swarm():
    """Of the data stores, where both are somebody else's."""
    asked = []

    def run(line: str, given: str) -> tuple[int, str, str]:
        asked.append(line)
        return 0, '{"services": {}}', ""

    assert rollout.roll(Engine(run, "stack", print), "/srv/data.json", 1, prune=False) == []
    assert len(asked) == 1, asked


def test_the_steps_of_a_release_are_shown_once():
    """Of every node on which it runs; the migrations are one line."""
    log = [
        "12:00:01 release: checks: no errors, 0 warnings (1.1 s)",
        "12:00:02 release: migrate: Operations to perform:",
        "12:00:02 release: migrate: Applying rooms.0001_initial... OK",
        "12:00:02 release: migrate: Applying rooms.0002_more... OK",
        "12:00:03 release: migrations: applied (2.0 s)",
        "another line of the application",
        "12:00:04 release: checks: no errors, 0 warnings (0.9 s)",
        "12:00:05 release: migrate: No migrations to apply.",
        "12:00:05 release: migrations: applied (0.9 s)",
    ]
    assert jobs.shown(log) == [
        "migrate: applied rooms.0001_initial, rooms.0002_more",
        "checks: no errors, 0 warnings (1.1 s)",
        "migrations: applied (2.0 s)",
    ]


def test_many_migrations_are_counted():
    names = ["auth.0001_initial", *(f"shop.{number:04}_step" for number in range(1, 8)), "auth.0002_more"]
    log = [f"12:00:02 release: migrate: Applying {name}... OK" for name in names]
    assert jobs.shown(log) == ["migrate: applied 9 (auth 2, shop 7)"]


@pytest.mark.parametrize(
    ("name", "value", "written"),
    [
        ("MONITORING", True, "MONITORING=on\n"),
        ("MONITORING", False, "MONITORING=off\n"),
        ("MONITORING", "on", "MONITORING=on\n"),
        ("EDGE_TLS_IN_FRONT", True, "EDGE_TLS_IN_FRONT=true\n"),
        ("A_VARIABLE_OF_THE_APPLICATION", True, "A_VARIABLE_OF_THE_APPLICATION=true\n"),
        ("HTTP_REPLICAS", 3, "HTTP_REPLICAS=3\n"),
    ],
)
def test_what_yaml_read_is_written_as_the_setting_takes_it(name, value, written):
    assert inventory.lines({name: value}, "stack_settings") == written


def test_a_task_is_of_the_definition_that_its_service_has():
    """As the engine shows both: what a service does not say is empty, or a default, and its tasks leave it out."""
    task = {"ContainerSpec": {"Image": "monitoring:1", "Init": True}, "Resources": {}, "Placement": {}}
    service = {
        **task,
        "ContainerSpec": {**task["ContainerSpec"], "DNSConfig": {}, "StopGracePeriod": 10_000_000_000},
    }
    assert rollout.definition(task) == rollout.definition(service)
    changed = {**service, "ContainerSpec": {**service["ContainerSpec"], "StopGracePeriod": 20_000_000_000}}
    assert rollout.definition(task) != rollout.definition(changed)
