"""What `make smoke` makes of the answers of a manager and of hosts that cannot be asked."""

from __future__ import annotations

import pytest
import running_stack

pytestmark = pytest.mark.ci


def service(name: str, replicas: str, release: str = "r2") -> dict:
    return {
        "id": f"id-{name}",
        "name": name,
        "replicas": replicas,
        "release": release,
        "image": f"{name}:2",
        "ports": [],
    }


def task(
    name: str, state: str = "running", desired: str = "running", image: str = "2", **status: str
) -> dict:
    return {
        "ServiceID": f"id-{name}",
        "Status": {"State": state, **status},
        "DesiredState": desired,
        "image": f"{name}:{image}",
        "NetworksAttachments": [],
    }


def seen(
    services: list[dict], tasks: list[dict], released: dict[str, int | None]
) -> dict[str, running_stack.Service]:
    answer = {"services": services, "tasks": tasks, "released": {"release": "r2", "services": released}}
    found, release = running_stack.of_swarm(answer)
    assert release == "r2"
    return found


def test_a_service_that_was_scaled_is_wanted_as_often():
    found = seen([service("ws", "3/3")], [task("ws")] * 3, {"ws": 2})["ws"]
    assert (found.wanted, found.running) == (3, 3)


def test_one_that_was_scaled_away_is_wanted_as_the_release_says():
    found = seen([service("worker", "0/0")], [task("worker", desired="shutdown")], {"worker": 2})["worker"]
    assert (found.wanted, found.running) == (2, 0)


def test_one_that_the_release_runs_nowhere_is_not_wanted():
    assert seen([service("worker", "0/0")], [], {"worker": 0})["worker"].wanted == 0


def test_one_that_was_removed_is_missed():
    found = seen([], [], {"edge": None, "http": 2})
    assert {name: (each.wanted, each.running) for name, each in found.items()} == {
        "edge": (1, 0),
        "http": (2, 0),
    }


def test_replicas_of_another_release_and_what_ended_are_known():
    ended = task("http", "failed", "shutdown", Err="no such image")
    found = seen([service("http", "2/2")], [ended, task("http"), task("http", image="1")], {"http": 2})[
        "http"
    ]
    assert found.images == {"http:1", "http:2"} and found.image == "http:2"
    assert found.errors == ("no such image",)


def test_a_container_that_was_asked_to_end_may_do_so():
    told = {"ID": "a", "DesiredState": "shutdown"}, {"ID": "b", "DesiredState": "running"}
    seen = {
        "service": "ws",
        "state": "exited",
        "health": "unhealthy",
        "said": "",
        "image": "ws:1",
        "ports": [],
    }
    here = [{**seen, "name": f"ws.1.{name}", "task": name} for name in "abc"]
    assert [each.name for each in running_stack.serving(here, {"tasks": told})] == ["ws.1.b"]


def test_what_is_there_for_a_deploy_alone_is_left_out():
    assert seen([service("trial-http", "1/1"), service("ws", "1/1")], [], {"ws": 1}).keys() == {"ws"}


def test_hosts_that_cannot_be_reached_are_all_named_in_one_message(tmp_path):
    (tmp_path / "hosts.yml").write_text(
        "all: {vars: {ansible_host: 127.0.0.1, ansible_port: 1}}\n"
        "edge: {hosts: {one.invalid: }}\napp: {hosts: {one.invalid: }}\ndata: {hosts: {two.invalid: }}\n"
    )
    (tmp_path / "probes.ini").write_text("[page a]\npath = /\n")
    with pytest.raises(running_stack.Failure) as failure:
        running_stack.on(tmp_path)
    first, second, fix = str(failure.value).splitlines()
    assert first.startswith("one.invalid cannot be asked: ") and second.startswith(
        "two.invalid cannot be asked: "
    )
    assert "port 1: Connection refused" in first, first
    assert fix.endswith(" all -b -m ping")


def test_an_inventory_without_one_of_the_groups_is_refused(tmp_path):
    (tmp_path / "hosts.yml").write_text("edge: {hosts: {one.invalid: }}\n")
    with pytest.raises(running_stack.Failure, match="has no host in app, data"):
        running_stack.on(tmp_path)
